"""The founding document's path router: from a path to a message, by a dictionary."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

MESSAGES: Mapping[str, Mapping[str, str]] = {
    "/user/get-details": {"message": "user details"},
    "/user/create": {"message": "Create user"},
    "/user/get-user": {"message": "Single User Details"},
    "/user/update": {"message": "Update user details"},
    "/user/delete": {"message": "User Delete"},
}

NOT_FOUND: Mapping[str, str] = {"message": "Service not found"}

DEPRECATED_SINCE = 1795219200
"""From when on its paths are the old style of the API: 2026-11-21, in Unix seconds."""


class Message(Struct, frozen=True):
    """What the founding document's router answers."""

    message: Annotated[str, Meta(description="The one message of this path.")]


def message_for(path: object) -> Mapping[str, str]:
    """Return the message that stands for `path`, whatever the method."""
    return MESSAGES.get(path, NOT_FOUND) if isinstance(path, str) else NOT_FOUND


def respond(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the proxy response to an event, as the founding document's last listing does."""
    return {"statusCode": 200, "body": json.dumps(message_for(event.get("path")))}
