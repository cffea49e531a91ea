"""Every operation of storage with the state it needs, for tests that count requests and cost."""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from chalicelib.domain.groups import GROUPS, Group
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.orders import ORDERS, Order
from chalicelib.domain.resource import Change, MemberChanges
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, User
from chalicelib.storage.dynamodb.history_items import CHUNK_ENTRIES
from tests.resources.groups import a_group
from tests.support import factories
from tests.support.factories import (
    LATER,
    NOW,
    a_record,
    a_user,
    an_act,
    an_order,
    patch,
    whole,
)
from tests.support.resource_case import ResourceCase, resource_cases

# As in production, what is done is kept.
CREATED, DELETED = an_act("created"), an_act("deleted")
PAGE = Query(limit=20)


def kept(change: Change) -> Change:
    """Return the change, with what storage keeps of it."""
    return replace(change, act=an_act("changed", *change.values))


def user_change(**members: Any) -> Change:
    """Return a change to a user that is kept."""
    return kept(factories.user_change(**members))


def order_change(**members: Any) -> Change:
    """Return a change to an order that is kept."""
    return kept(factories.order_change(**members))


def step(status: str, *leaves: str, **members: Any) -> Change:
    """Return a change of an order's status that is kept."""
    return kept(factories.step(status, *leaves, **members))


class State(NamedTuple):
    """What is stored before an operation runs, and what it may add."""

    user: User
    order: Order
    record: IdempotencyRecord
    new_user: User
    new_order: Order
    new_record: IdempotencyRecord


class Operation(NamedTuple):
    """An operation of storage, and what prepares the state for it.

    After so many requests as `essential` it has been carried out, whatever becomes of the others.
    What `is_done_in_parts` leaves a valid state when it stops, and can be repeated.
    """

    name: str
    run: Callable[[Storage, State], Any]
    prepare: Callable[[Storage, State], Any] = lambda _storage, _state: None
    essential: int | None = None
    is_done_in_parts: bool = False


def set_up(storage: Storage) -> State:
    """Store a user with a key, 19 other users, and 20 orders of the first; the last one is open."""
    user, record = a_user(), a_record()
    storage.create(USERS, user, record, NOW, CREATED)
    for place in range(19):
        other = a_user()
        storage.create(USERS, other, None, NOW, CREATED)
        if place % 2:
            storage.change(USERS, (other.user_id,), user_change(status="suspended"))
    for _ in range(19):
        order = an_order(user)
        storage.create(ORDERS, order, None, NOW, CREATED)
        storage.change(ORDERS, (user.user_id, order.order_id), step("cancelled", "pending"))
    order = an_order(user)
    storage.create(ORDERS, order, None, NOW, CREATED)
    return State(user, order, record, a_user(), an_order(user), a_record())


def _cancel(storage: Storage, state: State) -> Order:
    return storage.change(
        ORDERS, (state.user.user_id, state.order.order_id), step("cancelled", "pending", "paid")
    )


def _fill(storage: Storage, state: State) -> None:
    change = user_change(metadata=whole(**{f"k{place}": "v" for place in range(49)}))
    storage.change(USERS, (state.user.user_id,), change)


def _change_often(storage: Storage, state: State) -> None:
    """Change the user as often as the next change has to move entries of its history."""
    for number in range(CHUNK_ENTRIES - 1):
        storage.change(USERS, (state.user.user_id,), user_change(name=f"N{number}"))


def _change_and_delete(storage: Storage, state: State) -> None:
    for number in range(CHUNK_ENTRIES + 2):
        storage.change(USERS, (state.user.user_id,), user_change(name=f"N{number}"))
    _cancel(storage, state)
    storage.delete(USERS, (state.user.user_id,), None, NOW, DELETED)


OPERATIONS = [
    Operation("get a user", lambda s, it: s.get(USERS, (it.user.user_id,))),
    Operation("get an order", lambda s, it: s.get(ORDERS, (it.user.user_id, it.order.order_id))),
    Operation("create a user", lambda s, it: s.create(USERS, it.new_user, None, NOW, CREATED)),
    Operation(
        "create a user, with a key",
        lambda s, it: s.create(USERS, it.new_user, it.new_record, NOW, CREATED),
    ),
    Operation(
        "create a user, key sent again",
        lambda s, it: s.create(USERS, it.new_user, it.record, NOW, CREATED),
    ),
    Operation(
        "create a user, e-mail taken",
        lambda s, it: s.create(USERS, a_user(email=it.user.email), None, NOW, CREATED),
    ),
    Operation(
        "change a user", lambda s, it: s.change(USERS, (it.user.user_id,), user_change(name="Bea"))
    ),
    Operation(
        "change a user, every sixth time",
        lambda s, it: s.change(USERS, (it.user.user_id,), user_change(name="Bea")),
        _change_often,
        essential=1,
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
        "delete a user",
        lambda s, it: s.delete(USERS, (it.user.user_id,), None, NOW, DELETED),
        _cancel,
    ),
    Operation(
        "delete a user with open orders",
        lambda s, it: s.delete(USERS, (it.user.user_id,), None, NOW, DELETED),
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
    Operation("create an order", lambda s, it: s.create(ORDERS, it.new_order, None, NOW, CREATED)),
    Operation(
        "create an order, with a key",
        lambda s, it: s.create(ORDERS, it.new_order, it.new_record, NOW, CREATED),
    ),
    Operation(
        "create an order, user not found",
        lambda s, it: s.create(ORDERS, an_order(it.new_user), None, NOW, CREATED),
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
        lambda s, it: s.create(USERS, it.new_user, None, NOW, CREATED),
    ),
    Operation("read a user's history", lambda s, it: s.history(USERS, (it.user.user_id,), PAGE)),
    Operation(
        "read the history of a deleted user",
        lambda s, it: s.history(USERS, (it.user.user_id,), PAGE),
        _change_and_delete,
    ),
    Operation(
        "read a history, oldest first",
        lambda s, it: s.history(USERS, (it.user.user_id,), replace(PAGE, ascending=True)),
        _change_often,
    ),
    Operation(
        "read a history, user not found",
        lambda s, it: s.history(USERS, (it.new_user.user_id,), PAGE),
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
        storage.create(resource, entity, None, NOW, CREATED)

    def ids(state: State) -> tuple[str, str]:
        return stored[state.user.user_id]

    return [
        Operation(
            f"{resource.name}: create",
            lambda s, it: s.create(resource, case.new(it.user.user_id), None, NOW, CREATED),
        ),
        Operation(f"{resource.name}: get", lambda s, it: s.get(resource, ids(it)), prepare),
        Operation(
            f"{resource.name}: change",
            lambda s, it: s.change(resource, ids(it), kept(case.change())),
            prepare,
        ),
        Operation(
            f"{resource.name}: delete",
            lambda s, it: s.delete(resource, ids(it), None, NOW, DELETED),
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


def _with_group(number: int) -> Callable[[Storage, State], Group]:
    """Return what makes a group of the first user and others, `number` in all, if there is none."""
    made: dict[str, Group] = {}

    def group(storage: Storage, state: State) -> Group:
        first = state.user.user_id
        if first not in made:
            users = storage.list(USERS, (), Query(limit=100)).items
            others = [user.user_id for user in users if user.user_id != first]
            made[first] = a_group()
            storage.create(GROUPS, made[first], None, NOW, CREATED)
            # One by one: DynamoDB Local's transactions are small.
            for member_id in [first, *others][:number]:
                storage.change(GROUPS, (made[first].group_id,), member_change(member_id))
        return made[first]

    return group


_NEW_GROUP = a_group()


def member_change(*add: str, remove: tuple[str, ...] = ()) -> Change:
    """Return a change of members that is kept."""
    members = MemberChanges(add, remove)
    return Change(members=members, updated_at=LATER, act=an_act("changed", "members"))


def _of_group(
    name: str, run: Callable[[Storage, State, str], Any], number: int, **options: Any
) -> Operation:
    """Return an operation on a group of so many users, whose id `run` gets."""
    group = _with_group(number)
    return Operation(name, lambda s, it: run(s, it, group(s, it).group_id), group, **options)


def _cancel_and_join(storage: Storage, state: State) -> None:
    _cancel(storage, state)
    storage.create(GROUPS, a_group(), None, NOW, CREATED, (state.user.user_id,))


GROUP_OPERATIONS = [
    Operation("create a group", lambda s, _: s.create(GROUPS, _NEW_GROUP, None, NOW, CREATED)),
    _of_group(
        "add a member to a group",
        lambda s, it, own: s.change(GROUPS, (own,), member_change(it.user.user_id)),
        0,
    ),
    _of_group(
        "add a member that is there",
        lambda s, it, own: s.change(GROUPS, (own,), member_change(it.user.user_id)),
        1,
    ),
    _of_group(
        "remove a member from a group",
        lambda s, it, own: s.change(GROUPS, (own,), member_change(remove=(it.user.user_id,))),
        2,
    ),
    _of_group("list 20 members", lambda s, _, own: s.memberships.members(GROUPS, own, PAGE), 20),
    _of_group(
        "is a user in a group",
        lambda s, it, own: s.memberships.has(GROUPS, own, it.user.user_id),
        1,
    ),
    _of_group(
        "find the group of a user",
        lambda s, it, _: s.memberships.owners(GROUPS, it.user.user_id),
        2,
    ),
    _of_group(
        "delete a group of 2",
        lambda s, _, own: s.delete(GROUPS, (own,), None, NOW, DELETED),
        2,
        is_done_in_parts=True,
    ),
    Operation(
        "delete a user in a group",
        lambda s, it: s.delete(USERS, (it.user.user_id,), None, NOW, DELETED),
        _cancel_and_join,
        is_done_in_parts=True,
    ),
]
OPERATIONS += GROUP_OPERATIONS
