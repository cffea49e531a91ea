"""Users, for the general tests."""

from typing import Any

from msgspec import UNSET

from chalicelib.domain.errors import Forbidden
from chalicelib.domain.resource import Guard
from chalicelib.domain.users import USERS, User
from tests.support.factories import a_user, patch
from tests.support.resource_case import Body, Permission, ResourceCase, new_id

COLLECTION = "/users"
USER = "/users/{user_id}"
BOB: Body = {"name": "Bob Example", "email": "bob@example.com"}


def _new(**fields: Any) -> User:
    """Return a new user, with all that is optional."""
    own = new_id("")
    defaults: dict[str, Any] = {
        "user_name": f"User.{own}",
        "external_id": f"External-{own}@Provider",
        "given_name": "Ann",
        "family_name": "Example",
    }
    return a_user(**defaults | fields)


def _body(number: int) -> Body:
    return {"name": "Mallory", "email": f"mallory{number}@example.com"}


def _creation(number: int) -> Body:
    return {
        **_body(number),
        "user_name": f"mallory{number}",
        "external_id": f"Mallory-{number}",
        "given_name": "Mallory",
        "family_name": "Example",
    }


def _invalid(pointers: set[str], **members: Any) -> tuple[Body, frozenset[str]]:
    return {**_body(0), **members}, frozenset(pointers)


CASE = ResourceCase(
    resource=USERS,
    new=_new,
    changes={
        "name": "Bea",
        "email": "bea@example.com",
        "user_name": "Bea",
        "family_name": UNSET,
        "metadata": patch(team="red"),
    },
    refusing=Guard("status", frozenset({"suspended"}), lambda _: Forbidden()),
    collection=COLLECTION,
    creation=_creation,
    replacement=lambda number: {**_body(number), "name": "Put"},
    patch={"name": "Mallory Example"},
    invalid=(
        ({}, frozenset({"/name", "/email"})),
        _invalid({"/name"}, name=" "),
        _invalid({"/email", "/status"}, email="nobody", status="gone"),
        _invalid({"/user_name"}, user_name=" "),
        _invalid({"/user_name"}, user_name="u" * 201),
        _invalid({"/external_id"}, external_id=""),
        _invalid({"/external_id"}, external_id="x" * 256),
        _invalid({"/external_id"}, external_id="two\nlines"),
        _invalid({"/external_id"}, external_id="line\n"),
        _invalid({"/given_name", "/family_name"}, given_name=" ", family_name=None),
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
        Permission("PATCH", USER, {"given_name": "Bob", "family_name": None}, 200, 200, 200, 404),
        Permission("PUT", USER, {**BOB, "user_name": "bob"}, 200, 403, 403, 404),
        Permission("PATCH", USER, {"user_name": None}, 200, 403, 403, 404),
        Permission("PUT", USER, {**BOB, "external_id": None}, 200, 403, 403, 404),
        Permission("PATCH", USER, {"external_id": "b-1"}, 200, 403, 403, 404),
    ),
)
