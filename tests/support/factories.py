"""Factories of users, orders, records and changes, with defaults for what a test leaves out."""

import itertools
import secrets
from typing import Any

from chalicelib.domain import ids
from chalicelib.domain.history import Act, Action
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.metadata import MetadataChange
from chalicelib.domain.orders import ORDERS, IllegalTransition, Order, OrderLine
from chalicelib.domain.resource import Change, ExpectedVersions, Guard
from chalicelib.domain.users import USERS, User

NOW = 1_795_000_000
"""The tests' current time, in seconds since the Unix epoch."""

LATER = "2026-11-22T10:00:00.000Z"

_clock = itertools.count(NOW * 1000)


def user_id() -> str:
    """Return an id that sorts after all earlier ones."""
    return ids.new_id(USERS.prefix, next(_clock))


def order_id() -> str:
    """Return an id that sorts after all earlier ones."""
    return ids.new_id(ORDERS.prefix, next(_clock))


def a_user(**members: Any) -> User:
    """Return a new user, with a unique e-mail unless `members` has one."""
    defaults: dict[str, Any] = {
        "user_id": user_id(),
        "name": "Ann Example",
        "email": f"{secrets.token_hex(8)}@example.com",
        "status": "active",
        "metadata": {"team": "blue"},
        "created_at": "2026-11-21T09:30:00.000Z",
        "updated_at": "2026-11-21T09:30:00.000Z",
        "version": 1,
    }
    return User(**defaults | members)


def an_order(user: User, **members: Any) -> Order:
    """Return a new order of `user`."""
    defaults: dict[str, Any] = {
        "order_id": order_id(),
        "user_id": user.user_id,
        "status": "pending",
        "currency": "EUR",
        "items": [
            OrderLine(sku="TEA-250", quantity=2, unit_price=1250, name="Green tea"),
            OrderLine(sku="CUP", quantity=1, unit_price=0),
        ],
        "total": 2500,
        "metadata": {"gift": "yes"},
        "created_at": "2026-11-21T09:30:00.000Z",
        "updated_at": "2026-11-21T09:30:00.000Z",
        "version": 1,
    }
    return Order(**defaults | members)


def a_record(**members: Any) -> IdempotencyRecord:
    """Return a record that expires in a day, with a unique key unless `members` has one."""
    defaults: dict[str, Any] = {
        "key": secrets.token_hex(32),
        "digest": secrets.token_hex(32),
        "body": '{"message":"User created"}',
        "expires_at": NOW + 86_400,
    }
    return IdempotencyRecord(**defaults | members)


def an_act(action: Action, *fields: str, **members: Any) -> Act:
    """Return what a user does to itself at LATER, in a request with an id as the gateway has it."""
    defaults: dict[str, Any] = {
        "at": LATER,
        "by": "usr_019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d",
        "by_role": "user",
        "request_id": "7a1ad4c5-7a4e-4f5e-a4b1-6a8f7f1f2a52",
    }
    return Act(action=action, fields=fields, **defaults | members)


def user_change(**members: Any) -> Change:
    """Return a change to a user, made at LATER."""
    return _change(**members)


def step(status: str, *leaves: str, **members: Any) -> Change:
    """Return a change of an order's status from one of `leaves` to `status`, made at LATER."""
    guard = Guard("status", frozenset(leaves), IllegalTransition)
    return _change(status=status, guard=guard, **members)


def order_change(**members: Any) -> Change:
    """Return a change to an order, made at LATER."""
    return _change(**members)


def _change(
    *,
    updated_at: str = LATER,
    versions: ExpectedVersions = None,
    guard: Guard | None = None,
    **values: Any,
) -> Change:
    return Change(values=values, updated_at=updated_at, versions=versions, guard=guard)


def patch(**pairs: str | None) -> MetadataChange:
    """Return a change that merges `pairs` into the metadata."""
    return MetadataChange(pairs, merge=True)


def whole(**pairs: str) -> MetadataChange:
    """Return a change that replaces all metadata."""
    return MetadataChange({**pairs}, merge=False)
