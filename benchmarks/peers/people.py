"""The peers' storage: a dictionary of users, newest last."""

import time
import uuid
from typing import Any

from benchmarks.events import PEOPLE

User = dict[str, Any]
PAGE = 20

people: dict[str, User] = {user["user_id"]: user for user in PEOPLE}


def add(
    name: str, email: str, metadata: dict[str, str] | None = None, status: str = "active"
) -> User:
    """Store a new user and return it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    user = {
        "user_id": f"usr_{uuid.uuid4().hex}",
        "name": name,
        "email": email,
        "status": status,
        "metadata": metadata or {},
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }
    people[user["user_id"]] = user
    return user


def page() -> dict[str, Any]:
    """Return a page of users."""
    return {"users": list(people.values())[:PAGE], "next_cursor": None}


def is_new_user(body: object) -> bool:
    """Return True if the body is a valid new user, as checked by hand."""
    return (
        isinstance(body, dict)
        and isinstance(body.get("name"), str)
        and 0 < len(body["name"]) <= 200  # noqa: PLR2004 - the documented limit
        and isinstance(body.get("email"), str)
        and "@" in body["email"]
        and body.keys() <= {"name", "email", "metadata", "status"}
    )
