"""Users, orders and records to store, each with what its case needs and defaults for the rest."""

import itertools
import secrets
from typing import Any

from chalicelib.domain import ids
from chalicelib.domain.model import Item, MetadataChange, Order, OrderChange, User, UserChange
from chalicelib.domain.storage import IdempotencyRecord

NOW = 1_795_000_000
"""The time of the tests, in seconds since the Unix epoch."""

LATER = "2026-11-22T10:00:00.000Z"

_clock = itertools.count(NOW * 1000)


def user_id() -> str:
    """Return an id that sorts after every one made before."""
    return ids.new_id(ids.USER_PREFIX, next(_clock))


def order_id() -> str:
    """Return an id that sorts after every one made before."""
    return ids.new_id(ids.ORDER_PREFIX, next(_clock))


def a_user(**members: Any) -> User:
    """Return a new user, with an e-mail of its own unless `members` has one."""
    return User(
        **{
            "user_id": user_id(),
            "name": "Ann Example",
            "email": f"{secrets.token_hex(8)}@example.com",
            "status": "active",
            "metadata": {"team": "blue"},
            "created_at": "2026-11-21T09:30:00.000Z",
            "updated_at": "2026-11-21T09:30:00.000Z",
            "version": 1,
        }
        | members
    )


def an_order(user: User, **members: Any) -> Order:
    """Return a new order of `user`."""
    return Order(
        **{
            "order_id": order_id(),
            "user_id": user.user_id,
            "status": "pending",
            "currency": "EUR",
            "items": [
                Item(sku="TEA-250", quantity=2, unit_price=1250, name="Green tea"),
                Item(sku="CUP", quantity=1, unit_price=0),
            ],
            "total": 2500,
            "metadata": {"gift": "yes"},
            "created_at": "2026-11-21T09:30:00.000Z",
            "updated_at": "2026-11-21T09:30:00.000Z",
            "version": 1,
        }
        | members
    )


def a_record(**members: Any) -> IdempotencyRecord:
    """Return a record that lives for a day, with a key of its own unless `members` has one."""
    return IdempotencyRecord(
        **{
            "key": secrets.token_hex(32),
            "digest": secrets.token_hex(32),
            "location": "/users/usr_1",
            "body": '{"message":"User created"}',
            "expires_at": NOW + 86_400,
        }
        | members
    )


def user_change(**members: Any) -> UserChange:
    """Return a change of a user made at LATER."""
    return UserChange(**{"updated_at": LATER} | members)


def step(status: str, *leaves: str, **members: Any) -> OrderChange:
    """Return a step of an order from one of `leaves` to `status`, made at LATER."""
    return OrderChange(status=status, leaves=frozenset(leaves), updated_at=LATER, **members)


def order_change(**members: Any) -> OrderChange:
    """Return a change of an order made at LATER."""
    return OrderChange(**{"updated_at": LATER} | members)


def patch(**pairs: str | None) -> MetadataChange:
    """Return a merge patch of metadata."""
    return MetadataChange(pairs, merge=True)


def whole(**pairs: str) -> MetadataChange:
    """Return new metadata instead of the old."""
    return MetadataChange({**pairs}, merge=False)
