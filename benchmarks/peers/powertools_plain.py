"""Powertools for AWS Lambda: its resolver without validation."""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.exceptions import BadRequestError, NotFoundError

from benchmarks.peers.people import add, is_new_user, page, people

app = APIGatewayRestResolver()


@app.post("/users")
def create() -> tuple[dict[str, Any], int]:
    """Create a user."""
    body = app.current_event.json_body
    if not is_new_user(body):
        raise BadRequestError("Bad body")
    return add(**body), 201


@app.get("/users")
def list_users() -> dict[str, Any]:
    """List users."""
    return page()


@app.get("/users/<user_id>")
def get(user_id: str) -> dict[str, Any]:
    """Retrieve a user."""
    if user_id not in people:
        raise NotFoundError("User not found")
    return people[user_id]


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an event."""
    return app.resolve(event, context)
