"""Flask behind apig-wsgi."""

from typing import Any

from apig_wsgi import make_lambda_handler
from flask import Flask, abort, request

from benchmarks.peers.people import add, is_new_user, page, people

app = Flask(__name__)


@app.post("/users")
def create() -> tuple[dict[str, Any], int]:
    """Create a user."""
    body = request.get_json()
    if not is_new_user(body):
        return {"message": "Bad body"}, 422
    return add(**body), 201


@app.get("/users")
def list_users() -> dict[str, Any]:
    """List users."""
    return page()


@app.get("/users/<user_id>")
def get(user_id: str) -> dict[str, Any]:
    """Retrieve a user."""
    if user_id not in people:
        abort(404)
    return people[user_id]


handler = make_lambda_handler(app)
