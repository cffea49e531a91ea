"""Every operation of storage with the state it needs, for tests that count requests and cost."""

from collections.abc import Callable
from typing import Any, NamedTuple

from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.orders import ORDERS, Order
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, User
from tests.support.factories import (
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
from tests.support.resource_case import ResourceCase, resource_cases


class State(NamedTuple):
    """What is stored before an operation runs, and what it may add."""

    user: User
    order: Order
    record: IdempotencyRecord
    new_user: User
    new_order: Order
    new_record: IdempotencyRecord


class Operation(NamedTuple):
    """An operation of storage, and what prepares the state for it."""

    name: str
    run: Callable[[Storage, State], Any]
    prepare: Callable[[Storage, State], Any] = lambda _storage, _state: None


def set_up(storage: Storage) -> State:
    """Store a user with a key, 19 other users, and 20 orders of the first; the last one is open."""
    user, record = a_user(), a_record()
    storage.create(USERS, user, record, NOW)
    for place in range(19):
        other = a_user()
        storage.create(USERS, other, None, NOW)
        if place % 2:
            storage.change(USERS, (other.user_id,), user_change(status="suspended"))
    for _ in range(19):
        order = an_order(user)
        storage.create(ORDERS, order, None, NOW)
        storage.change(ORDERS, (user.user_id, order.order_id), step("cancelled", "pending"))
    order = an_order(user)
    storage.create(ORDERS, order, None, NOW)
    return State(user, order, record, a_user(), an_order(user), a_record())


def _cancel(storage: Storage, state: State) -> Order:
    return storage.change(
        ORDERS, (state.user.user_id, state.order.order_id), step("cancelled", "pending", "paid")
    )


def _fill(storage: Storage, state: State) -> None:
    change = user_change(metadata=whole(**{f"k{place}": "v" for place in range(49)}))
    storage.change(USERS, (state.user.user_id,), change)


OPERATIONS = [
    Operation("get a user", lambda s, it: s.get(USERS, (it.user.user_id,))),
    Operation("get an order", lambda s, it: s.get(ORDERS, (it.user.user_id, it.order.order_id))),
    Operation("create a user", lambda s, it: s.create(USERS, it.new_user, None, NOW)),
    Operation(
        "create a user, with a key", lambda s, it: s.create(USERS, it.new_user, it.new_record, NOW)
    ),
    Operation(
        "create a user, key sent again", lambda s, it: s.create(USERS, it.new_user, it.record, NOW)
    ),
    Operation(
        "create a user, e-mail taken",
        lambda s, it: s.create(USERS, a_user(email=it.user.email), None, NOW),
    ),
    Operation(
        "change a user", lambda s, it: s.change(USERS, (it.user.user_id,), user_change(name="Bea"))
    ),
    Operation(
        "change a user at an expected version",
        lambda s, it: s.change(
            USERS,
            (it.user.user_id,),
            user_change(name="Bea", email=it.user.email, versions=frozenset({1})),
        ),
    ),
    Operation(
        "change a user, another version",
        lambda s, it: s.change(
            USERS, (it.user.user_id,), user_change(name="Bea", versions=frozenset({7}))
        ),
    ),
    Operation(
        "patch a user's metadata",
        lambda s, it: s.change(
            USERS, (it.user.user_id,), user_change(metadata=patch(a="1", team=None))
        ),
    ),
    Operation(
        "patch metadata that is nearly full",
        lambda s, it: s.change(
            USERS, (it.user.user_id,), user_change(metadata=patch(k0="w", more="v"))
        ),
        _fill,
    ),
    Operation(
        "change a user's e-mail",
        lambda s, it: s.change(USERS, (it.user.user_id,), user_change(email="new@example.com")),
    ),
    Operation(
        "delete a user", lambda s, it: s.delete(USERS, (it.user.user_id,), None, NOW), _cancel
    ),
    Operation(
        "delete a user with open orders",
        lambda s, it: s.delete(USERS, (it.user.user_id,), None, NOW),
    ),
    Operation("list 20 users", lambda s, _: s.list(USERS, (), Query(limit=20))),
    Operation(
        "list 5 users, filter drops half",
        lambda s, _: s.list(USERS, (), Query(limit=5, filters={"status": "suspended"})),
    ),
    Operation(
        "find a user by e-mail",
        lambda s, it: s.list(USERS, (), Query(limit=1, filters={"email": it.user.email})),
    ),
    Operation("create an order", lambda s, it: s.create(ORDERS, it.new_order, None, NOW)),
    Operation(
        "create an order, with a key",
        lambda s, it: s.create(ORDERS, it.new_order, it.new_record, NOW),
    ),
    Operation(
        "create an order, user not found",
        lambda s, it: s.create(ORDERS, an_order(it.new_user), None, NOW),
    ),
    Operation(
        "step an order",
        lambda s, it: s.change(
            ORDERS,
            (it.user.user_id, it.order.order_id),
            step("paid", "pending", metadata=patch(note="ring")),
        ),
    ),
    Operation(
        "step an order, illegal",
        lambda s, it: s.change(
            ORDERS, (it.user.user_id, it.order.order_id), step("shipped", "paid")
        ),
    ),
    Operation("close an order", _cancel),
    Operation(
        "patch an order's metadata",
        lambda s, it: s.change(
            ORDERS, (it.user.user_id, it.order.order_id), order_change(metadata=patch(note="ring"))
        ),
    ),
    Operation("list 20 orders", lambda s, it: s.list(ORDERS, (it.user.user_id,), Query(limit=20))),
    Operation(
        "list orders, none there",
        lambda s, it: s.list(ORDERS, (it.new_user.user_id,), Query(limit=20)),
        lambda s, it: s.create(USERS, it.new_user, None, NOW),
    ),
    Operation("check", lambda s, _: s.check()),
]


def _of_child(case: ResourceCase) -> list[Operation]:
    """Return the operations of a resource of users that has none above."""
    resource = case.resource
    stored: dict[str, tuple[str, str]] = {}

    def prepare(storage: Storage, state: State) -> None:
        entity = case.new(state.user.user_id)
        stored[state.user.user_id] = state.user.user_id, entity.id
        storage.create(resource, entity, None, NOW)

    def ids(state: State) -> tuple[str, str]:
        return stored[state.user.user_id]

    return [
        Operation(
            f"{resource.name}: create",
            lambda s, it: s.create(resource, case.new(it.user.user_id), None, NOW),
        ),
        Operation(f"{resource.name}: get", lambda s, it: s.get(resource, ids(it)), prepare),
        Operation(
            f"{resource.name}: change",
            lambda s, it: s.change(resource, ids(it), case.change()),
            prepare,
        ),
        Operation(
            f"{resource.name}: delete",
            lambda s, it: s.delete(resource, ids(it), None, NOW),
            prepare,
        ),
        Operation(
            f"{resource.name}: list",
            lambda s, it: s.list(resource, (it.user.user_id,), Query(limit=20)),
            prepare,
        ),
    ]


OTHERS = [
    operation
    for case in resource_cases()
    if case.resource.parent is USERS and case.resource is not ORDERS
    for operation in _of_child(case)
]
OPERATIONS += OTHERS
