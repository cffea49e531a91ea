"""Every operation of storage, each with what has to be there first: for proofs about requests."""

from collections.abc import Callable
from typing import Any, NamedTuple

from chalicelib.domain.model import Order, User
from chalicelib.domain.storage import IdempotencyRecord, Query, Storage, UserQuery
from tests.storage.things import (
    NOW,
    a_record,
    a_user,
    an_order,
    order_change,
    patch,
    step,
    user_change,
    whole,
)


class Scene(NamedTuple):
    """What is there before an operation."""

    user: User
    order: Order
    record: IdempotencyRecord
    new_user: User
    new_order: Order
    new_record: IdempotencyRecord


class Operation(NamedTuple):
    """An act on a scene."""

    name: str
    act: Callable[[Storage, Scene], Any]
    prepare: Callable[[Storage, Scene], Any] = lambda _storage, _scene: None


def set_up(storage: Storage) -> Scene:
    """Keep a user with a key, nineteen others, and twenty orders of the first; its last is open."""
    user, record = a_user(), a_record()
    storage.create_user(user, record, NOW)
    for place in range(19):
        other = a_user()
        storage.create_user(other, None, NOW)
        if place % 2:
            storage.change_user(other.user_id, user_change(status="suspended"))
    for _ in range(19):
        order = an_order(user)
        storage.create_order(order, None, NOW)
        storage.change_order(user.user_id, order.order_id, step("cancelled", "pending"))
    order = an_order(user)
    storage.create_order(order, None, NOW)
    return Scene(user, order, record, a_user(), an_order(user), a_record())


def _cancel(storage: Storage, scene: Scene) -> Order:
    return storage.change_order(
        scene.user.user_id, scene.order.order_id, step("cancelled", "pending", "paid")
    )


def _fill(storage: Storage, scene: Scene) -> None:
    change = user_change(metadata=whole(**{f"k{place}": "v" for place in range(49)}))
    storage.change_user(scene.user.user_id, change)


OPERATIONS = [
    Operation("get a user", lambda s, it: s.get_user(it.user.user_id)),
    Operation("get an order", lambda s, it: s.get_order(it.user.user_id, it.order.order_id)),
    Operation("create a user", lambda s, it: s.create_user(it.new_user, None, NOW)),
    Operation(
        "create a user, with a key", lambda s, it: s.create_user(it.new_user, it.new_record, NOW)
    ),
    Operation(
        "create a user, key sent again", lambda s, it: s.create_user(it.new_user, it.record, NOW)
    ),
    Operation(
        "create a user, e-mail taken",
        lambda s, it: s.create_user(a_user(email=it.user.email), None, NOW),
    ),
    Operation(
        "change a user", lambda s, it: s.change_user(it.user.user_id, user_change(name="Bea"))
    ),
    Operation(
        "change a user at an expected version",
        lambda s, it: s.change_user(
            it.user.user_id,
            user_change(name="Bea", email=it.user.email, versions=frozenset({1})),
        ),
    ),
    Operation(
        "change a user, another version",
        lambda s, it: s.change_user(
            it.user.user_id, user_change(name="Bea", versions=frozenset({7}))
        ),
    ),
    Operation(
        "patch a user's metadata",
        lambda s, it: s.change_user(it.user.user_id, user_change(metadata=patch(a="1", team=None))),
    ),
    Operation(
        "patch metadata that is nearly full",
        lambda s, it: s.change_user(it.user.user_id, user_change(metadata=patch(k0="w", more="v"))),
        _fill,
    ),
    Operation(
        "change a user's e-mail",
        lambda s, it: s.change_user(it.user.user_id, user_change(email="new@example.com")),
    ),
    Operation("delete a user", lambda s, it: s.delete_user(it.user.user_id, None, NOW), _cancel),
    Operation(
        "delete a user with open orders", lambda s, it: s.delete_user(it.user.user_id, None, NOW)
    ),
    Operation("list 20 users", lambda s, _: s.list_users(UserQuery(limit=20))),
    Operation(
        "list 5 users, filter drops half",
        lambda s, _: s.list_users(UserQuery(limit=5, status="suspended")),
    ),
    Operation(
        "find a user by e-mail", lambda s, it: s.list_users(UserQuery(limit=1, email=it.user.email))
    ),
    Operation("create an order", lambda s, it: s.create_order(it.new_order, None, NOW)),
    Operation(
        "create an order, with a key",
        lambda s, it: s.create_order(it.new_order, it.new_record, NOW),
    ),
    Operation(
        "create an order, user not found",
        lambda s, it: s.create_order(an_order(it.new_user), None, NOW),
    ),
    Operation(
        "step an order",
        lambda s, it: s.change_order(
            it.user.user_id, it.order.order_id, step("paid", "pending", metadata=patch(note="ring"))
        ),
    ),
    Operation(
        "step an order, illegal",
        lambda s, it: s.change_order(it.user.user_id, it.order.order_id, step("shipped", "paid")),
    ),
    Operation("close an order", _cancel),
    Operation(
        "patch an order's metadata",
        lambda s, it: s.change_order(
            it.user.user_id, it.order.order_id, order_change(metadata=patch(note="ring"))
        ),
    ),
    Operation("list 20 orders", lambda s, it: s.list_orders(it.user.user_id, Query(limit=20))),
    Operation(
        "list orders, none there",
        lambda s, it: s.list_orders(it.new_user.user_id, Query(limit=20)),
        lambda s, it: s.create_user(it.new_user, None, NOW),
    ),
    Operation("check", lambda s, _: s.check()),
]
