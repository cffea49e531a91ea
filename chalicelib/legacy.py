"""The paths of legacy clients: each returns a fixed message."""

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
"""When the paths were deprecated: 2026-11-21, in Unix seconds."""


class Message(Struct, frozen=True):
    """The response of a deprecated path."""

    message: Annotated[
        str, Meta(description="The message of this path.", examples=["user details"])
    ]


def message_for(path: object) -> Mapping[str, str]:
    """Return the message for `path`; the method does not matter."""
    return MESSAGES.get(path, NOT_FOUND) if isinstance(path, str) else NOT_FOUND


def respond(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the proxy response that legacy clients expect: always 200, with a message."""
    return {"statusCode": 200, "body": json.dumps(message_for(event.get("path")))}
