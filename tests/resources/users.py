"""Users, for the general tests."""

from typing import Any

from chalicelib.domain.errors import Forbidden
from chalicelib.domain.resource import Guard
from chalicelib.domain.users import USERS
from tests.support.factories import a_user, patch
from tests.support.resource_case import Body, Permission, ResourceCase

COLLECTION = "/users"
USER = "/users/{user_id}"
BOB: Body = {"name": "Bob Example", "email": "bob@example.com"}


def _body(number: int) -> Body:
    return {"name": "Mallory", "email": f"mallory{number}@example.com"}


def _invalid(pointers: set[str], **members: Any) -> tuple[Body, frozenset[str]]:
    return {**_body(0), **members}, frozenset(pointers)


CASE = ResourceCase(
    resource=USERS,
    new=a_user,
    changes={"name": "Bea", "email": "bea@example.com", "metadata": patch(team="red")},
    refusing=Guard("status", frozenset({"suspended"}), lambda _: Forbidden()),
    collection=COLLECTION,
    creation=_body,
    replacement=lambda number: {**_body(number), "name": "Put"},
    patch={"name": "Mallory Example"},
    invalid=(
        ({}, frozenset({"/name", "/email"})),
        _invalid({"/name"}, name=" "),
        _invalid({"/email", "/status"}, email="nobody", status="gone"),
        _invalid({"/metadata/a~1b"}, metadata={"a/b": 1}),
        _invalid({"/metadata"}, metadata={f"k{place}": "" for place in range(51)}),
    ),
    permissions=(
        Permission("POST", COLLECTION, BOB, 201, 403, 403, 403),
        Permission("POST", COLLECTION, {**BOB, "status": "suspended"}, 201, 403, 403, 403),
        Permission("GET", COLLECTION, None, 200, 403, 403, 403),
        Permission("HEAD", COLLECTION, None, 200, 403, 403, 403),
        Permission("DELETE", USER, None, 204, 403, 403, 403),
        Permission("GET", USER, None, 200, 200, 200, 404),
        Permission("HEAD", USER, None, 200, 200, 200, 404),
        Permission("GET", f"{USER}/history", None, 200, 403, 403, 403),
        Permission("HEAD", f"{USER}/history", None, 200, 403, 403, 403),
        Permission("PUT", USER, BOB, 200, 200, 200, 404),
        Permission("PATCH", USER, {"name": "Bob"}, 200, 200, 200, 404),
        Permission("PUT", USER, {**BOB, "status": "active"}, 200, 403, 403, 404),
        Permission("PATCH", USER, {"status": "suspended"}, 200, 403, 403, 404),
        Permission("PATCH", USER, {"status": "active"}, 200, 403, 403, 404),
    ),
)
