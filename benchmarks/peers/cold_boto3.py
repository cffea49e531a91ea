"""boto3's client and one GetItem, nothing else."""

import json
from typing import Any

import boto3

client = boto3.client("dynamodb")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return a user."""
    key = {"user_id": {"S": event["pathParameters"]["user_id"]}}
    item = client.get_item(TableName="usual", Key=key, ConsistentRead=True)["Item"]
    return {"statusCode": 200, "body": json.dumps(item)}
