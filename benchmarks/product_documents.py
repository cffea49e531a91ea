"""The product's client, if each item were one JSON document that is passed on unchanged."""

from typing import Any

from chalicelib.storage.dynamodb.requests import make_client

TABLE = "documents"

client = make_client(8)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return a user, or a page of users."""
    parameters = event["pathParameters"]
    if parameters:
        key = {"user_id": {"S": parameters["user_id"]}}
        item = client.call("GetItem", {"TableName": TABLE, "Key": key, "ConsistentRead": True})[
            "Item"
        ]
        return {"statusCode": 200, "body": item["document"]["S"]}
    found = client.call(
        "Query",
        {
            "TableName": TABLE,
            "IndexName": "all",
            "KeyConditionExpression": "kind = :kind",
            "ExpressionAttributeValues": {":kind": {"S": "user"}},
            "Limit": 25,
        },
    )
    users = ",".join(item["document"]["S"] for item in found["Items"])
    return {"statusCode": 200, "body": f'{{"users":[{users}],"next_cursor":null}}'}
