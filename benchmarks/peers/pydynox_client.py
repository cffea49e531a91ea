"""From a call to JSON text with pydynox, whose client is written in Rust, and the json module."""

import json
import os
from typing import Any

from pydynox import DynamoDBClient

TABLE = "usual"

client = DynamoDBClient(
    region=os.environ["AWS_REGION"], endpoint_url=os.environ["AWS_ENDPOINT_URL"]
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return a user, or a page of users."""
    parameters = event["pathParameters"]
    if parameters:
        key = {"user_id": parameters["user_id"]}
        body: object = client.sync_get_item(TABLE, key, consistent_read=True)
    else:
        found = client.sync_query(
            TABLE,
            "kind = :kind",
            expression_attribute_values={":kind": "user"},
            index_name="all",
            limit=25,
        )
        body = {"users": list(found), "next_cursor": None}
    return {"statusCode": 200, "body": json.dumps(body)}
