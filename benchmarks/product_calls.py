"""The product from a service call to JSON text, with items of native attributes."""

import os
from typing import Any

import msgspec

from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.users import UserListQuery, UserService
from chalicelib.storage.factory import open_storage

service = UserService(open_storage(os.environ["STORAGE_URL"], RESOURCES), history=True)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return a user, or a page of users."""
    parameters = event["pathParameters"]
    found: object
    if parameters:
        found = service.get(parameters["user_id"])
    else:
        found = service.list(UserListQuery(limit=25))
    return {"statusCode": 200, "body": msgspec.json.encode(found).decode()}
