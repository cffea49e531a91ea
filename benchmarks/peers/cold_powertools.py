"""Powertools with pydantic validation, on boto3's resource."""

from typing import Any

import boto3
from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from benchmarks.peers.shapes import User

app = APIGatewayRestResolver(enable_validation=True)
table = boto3.resource("dynamodb").Table("usual")


@app.get("/users/<user_id>")
def get(user_id: str) -> User:
    """Retrieve a user."""
    return User(**table.get_item(Key={"user_id": user_id}, ConsistentRead=True)["Item"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an event."""
    return app.resolve(event, context)
