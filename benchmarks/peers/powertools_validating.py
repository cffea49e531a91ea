"""Powertools for AWS Lambda: its resolver with validation of requests and responses."""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from benchmarks.peers.people import add, page, people
from benchmarks.peers.shapes import NewUser, Page, User

app = APIGatewayRestResolver(enable_validation=True)


@app.post("/users")
def create(body: NewUser) -> tuple[User, int]:
    """Create a user."""
    return User(**add(**body.model_dump())), 201


@app.get("/users")
def list_users() -> Page:
    """List users."""
    return Page(**page())


@app.get("/users/<user_id>")
def get(user_id: str) -> User:
    """Retrieve a user."""
    if user_id not in people:
        raise NotFoundError("User not found")
    return User(**people[user_id])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an event."""
    return app.resolve(event, context)
