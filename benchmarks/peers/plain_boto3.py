"""From a call to JSON text with boto3's client, its TypeDeserializer and the json module."""

import json
from decimal import Decimal
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer

TABLE = "usual"

client = boto3.client("dynamodb")
_value = TypeDeserializer().deserialize


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return a user, or a page of users."""
    parameters = event["pathParameters"]
    if parameters:
        found = client.get_item(
            TableName=TABLE, Key={"user_id": {"S": parameters["user_id"]}}, ConsistentRead=True
        )
        body: object = _plain(found["Item"])
    else:
        found = client.query(
            TableName=TABLE,
            IndexName="all",
            KeyConditionExpression="kind = :kind",
            ExpressionAttributeValues={":kind": {"S": "user"}},
            Limit=25,
        )
        body = {"users": [_plain(item) for item in found["Items"]], "next_cursor": None}
    return {"statusCode": 200, "body": json.dumps(body, default=_number)}


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in item.items()}


def _number(value: Decimal) -> int:
    return int(value)
