"""A dictionary of functions and the json module: the least that can respond."""

import json
from typing import Any

from benchmarks.peers.people import add, is_new_user, page, people

Event = dict[str, Any]
JSON = {"Content-Type": "application/json"}


def _create(event: Event) -> tuple[int, object]:
    body = json.loads(event["body"])
    return (201, add(**body)) if is_new_user(body) else (422, {"message": "Bad body"})


def _get(event: Event) -> tuple[int, object]:
    user = people.get(event["pathParameters"]["user_id"])
    return (200, user) if user else (404, {"message": "User not found"})


def _list(_: Event) -> tuple[int, object]:
    return 200, page()


def _unknown(_: Event) -> tuple[int, object]:
    return 404, {"message": "Not found"}


ROUTES = {
    ("POST", "/users"): _create,
    ("GET", "/users"): _list,
    ("GET", "/users/{user_id}"): _get,
}


def handler(event: Event, _context: object) -> dict[str, Any]:
    """Handle an event."""
    view = ROUTES.get((event["httpMethod"], event["resource"]), _unknown)
    status, body = view(event)
    return {"statusCode": status, "headers": JSON, "body": json.dumps(body)}
