"""From a service's call to JSON text, as the product has it: items with native attributes."""

import os
from typing import Any

import msgspec

from chalicelib.domain.pagination import UserListQuery
from chalicelib.domain.users import UserService
from chalicelib.storage.factory import open_storage

service = UserService(open_storage(os.environ["STORAGE_URL"]), lambda: b"")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer a user, or a page of users."""
    parameters = event["pathParameters"]
    found: object
    if parameters:
        found = service.get(parameters["user_id"])
    else:
        found = service.list(UserListQuery(limit=25))
    return {"statusCode": 200, "body": msgspec.json.encode(found).decode()}
