"""What each operation sends to DynamoDB and consumes, compared with the document."""

from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import Problem
from chalicelib.domain.orders import ORDERS, Order
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Resource
from chalicelib.domain.storage import Query
from chalicelib.domain.users import USERS, User
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.history_items import CHUNK_ENTRIES
from chalicelib.telemetry.activity import begin
from localdev.emulators import Emulators, environment
from tests.conftest import url_of
from tests.storage.capacity import committed, measure, measured, table_of
from tests.storage.conftest import MakeStorage
from tests.storage.operations import OPERATIONS, OTHERS, Operation, set_up
from tests.storage.wire import Wire
from tests.support.factories import NOW, a_user, an_act, an_order, patch, step, user_change

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECOND_REQUESTS = {
    "patch metadata that is nearly full": ["UpdateItem", "UpdateItem"],
    "change a user's e-mail": ["UpdateItem", "TransactWriteItems"],
    "delete a user": ["GetItem", "TransactWriteItems"],
    "list 5 users, filter drops half": ["Query", "Query"],
    "find a user by e-mail": ["GetItem", "GetItem"],
    "close an order": ["GetItem", "TransactWriteItems"],
    # Two of them after the change has been carried out.
    "change a user, every sixth time": ["UpdateItem", "PutItem", "UpdateItem"],
    # What the group is, and whether the user is a member already.
    "add a member to a group": ["GetItem", "GetItem", "TransactWriteItems"],
    "add a member that is there": ["GetItem", "GetItem"],
    "remove a member from a group": ["GetItem", "GetItem", "TransactWriteItems"],
    "find the group of a user": ["Query", "GetItem"],
    # First the members go, then the group; first the memberships, then the user.
    "delete a group of 2": [
        *("GetItem", "Query", "TransactWriteItems", "GetItem", "TransactWriteItems")
    ],
    "delete a user in a group": [
        *("GetItem", "Query", "GetItem", "TransactWriteItems", "GetItem", "TransactWriteItems")
    ],
    # What is in chunks, and what may be.
    "read the history of a deleted user": ["GetItem", "Query"],
    "read a history, user not found": ["GetItem", "Query"],
    **{
        operation.name: ["GetItem", "TransactWriteItems"]
        for operation in OTHERS
        if operation.name.endswith(": delete")
    },
}


def test_the_documented_table_is_current(
    engines: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The committed table is current (to update it: python -m tests.storage.capacity)."""

    def use(endpoint: str) -> None:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)

    costs = measured(url_of(engines, "ministack"), url_of(engines, "dynamodb-local"), use)
    assert table_of(costs) == committed()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_is_one_request(emulator: str, operation: Operation) -> None:
    """Every operation is one request, except those known to need a second one."""
    cost = measure(emulator, operation)
    if operation.name in SECOND_REQUESTS:
        assert cost.requests == SECOND_REQUESTS[operation.name]
    else:
        assert len(cost.requests) == 1


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_uses_only_requests_that_policies_can_grant(
    emulator: str, operation: Operation
) -> None:
    """No Scan, no ConditionCheck, no PartiQL; and no write without a condition."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire)
    state = set_up(storage)
    operation.prepare(storage, state)
    wire.reset()
    with suppress(Problem):
        operation.run(storage, state)
    for name, request in wire.requests:
        assert name in {"GetItem", "Query", "PutItem", "UpdateItem", "TransactWriteItems"}
        writes = request.get("TransactItems", [])
        assert {kind for write in writes for kind in write} <= {"Put", "Update", "Delete"}
        assert all("ConditionExpression" in write[kind] for write in writes[:1] for kind in write)
        assert "ConditionExpression" in request or name not in {"PutItem", "UpdateItem"}
        assert "FilterExpression" not in request or "KeyConditionExpression" in request
    storage.close()


@pytest.mark.parametrize("resource", [USERS, ORDERS], ids=lambda resource: resource.name)
def test_a_history_costs_at_most_one_unit_per_change(
    emulator: str, resource: Resource[Any]
) -> None:
    """On average a change that is kept consumes at most one write unit more, as documented.

    All entries have the longest values that the API's own ids have. One change in six sends two
    requests more.
    """
    wire = Wire()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire)
    number = 20 * CHUNK_ENTRIES
    units, requests = [], []
    for act in (None, an_act("changed", "metadata")):
        user = a_user()
        order = an_order(user)
        created = None if act is None else an_act("created")
        storage.create(USERS, user, None, NOW, created)
        storage.create(ORDERS, order, None, NOW, created)
        ids = (user.user_id,) if resource is USERS else (user.user_id, order.order_id)
        wire.reset()
        for place in range(number):
            change = user_change(metadata=patch(place=str(place)))
            storage.change(resource, ids, replace(change, act=act))
        units.append(sum(wire.capacity.values()) / number)
        requests.append(len(wire.requests))
    assert 0 < units[1] - units[0] <= 1
    assert requests == [number, number + 2 * number // CHUNK_ENTRIES]
    storage.close()


def test_events_cost_no_write_unit(emulator: str) -> None:
    """A change that others hear of costs nothing for it, with its client's trace included.

    The table's stream is the outbox: one request for each change, and the units of the document.
    """
    wire = Wire()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire)
    units = []
    for traceparent in ("", TRACEPARENT):
        begin().traceparent = traceparent
        user = a_user()
        order = an_order(user)
        wire.reset()
        storage.create(USERS, user, None, NOW, an_act("created"))
        storage.create(ORDERS, order, None, NOW, an_act("created"))
        storage.change(USERS, (user.user_id,), user_change(name="Bea"))
        storage.change(ORDERS, (user.user_id, order.order_id), step("paid", "pending"))
        units.append([wire.capacity[place] for place in range(len(wire.requests))])
    begin()
    assert units[0] == units[1]
    assert units[0] == [5, 4, 2, 1]
    storage.close()


def test_reads_cost_the_same_in_a_larger_table(emulator: str) -> None:
    """Getting a user and reading a page cost the same with forty users and four hundred."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire)
    seen = []
    for count in (40, 360):
        users = [a_user() for _ in range(count)]
        for user in users:
            storage.create(USERS, user, None, NOW)
        wire.reset()
        storage.get(USERS, (users[0].user_id,))
        storage.list(USERS, (), Query(limit=20))
        storage.list(USERS, (), Query(limit=20, after=users[30].user_id))
        storage.list(USERS, (), Query(limit=20, to_id=users[30].user_id, ascending=True))
        seen.append(([name for name, _ in wire.requests], dict(wire.capacity)))
    assert seen[0] == seen[1]
    storage.close()


def test_a_page_has_a_bounded_number_of_queries(emulator: str) -> None:
    """If no item passes the filter, the page ends after six Queries with a position to continue."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire)
    users = [a_user() for _ in range(135)]
    for user in users:
        storage.create(USERS, user, None, NOW)
    oldest = storage.change(USERS, (users[0].user_id,), user_change(status="suspended"))
    wire.reset()
    query = Query(limit=1, filters={"status": "suspended"})
    page = storage.list(USERS, (), query)
    assert (page.items, len(wire.requests)) == ([], 6)
    assert page.position == users[135 - 2 * 63].user_id
    page = storage.list(
        USERS, (), Query(limit=1, after=page.position, filters={"status": "suspended"})
    )
    assert (page.items, page.position) == ([oldest], None)
    storage.close()


def test_a_page_of_large_items_takes_several_queries(emulator: str) -> None:
    """A page of orders of more than 1 MB takes several Queries."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire)
    user = a_user()
    storage.create(USERS, user, None, NOW)
    large = {f"{place:02}": "🦄" * 500 for place in range(50)}
    orders: list[Order] = [an_order(user, metadata=large) for _ in range(25)]
    for order in orders:
        storage.create(ORDERS, order, None, NOW)
    wire.reset()
    for ascending in (True, False):
        page = storage.list(ORDERS, (user.user_id,), Query(limit=25, ascending=ascending))
        assert page.items == (orders if ascending else orders[::-1])
        assert page.position is None
    assert len(wire.requests) > 4
    storage.close()


@pytest.mark.parametrize("engine", ["ministack", "dynamodb-local"], indirect=True)
@pytest.mark.parametrize("ascending", [False, True])
def test_shards_are_merged(
    new_storage: MakeStorage,
    ascending: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """Users of all shards are listed once each, in one order, filtered or not."""
    storage = new_storage(shards=3)
    users: list[User] = [a_user() for _ in range(20)]
    for user in users:
        storage.create(USERS, user, None, NOW)
    for user in users[::3]:
        storage.change(USERS, (user.user_id,), user_change(status="suspended"))
    for status, expected in ((None, users), ("suspended", users[::3])):
        for limit in (1, 4, 19, 20):
            seen: list[str] = []
            position = None
            for _ in range(40):
                page = storage.list(
                    USERS,
                    (),
                    Query(
                        limit=limit,
                        ascending=ascending,
                        after=position,
                        filters={} if status is None else {"status": status},
                    ),
                )
                seen += [user.user_id for user in page.items]
                position = page.position
                if position is None:
                    break
            ids = [user.user_id for user in expected]
            assert seen == (ids if ascending else ids[::-1])


def test_more_shards_keep_the_existing_users(emulator: str) -> None:
    """Users written to fewer shards are still listed after adding shards."""
    few, more = (
        DynamoDBStorage(emulator, RESOURCES, shards=1),
        DynamoDBStorage(emulator, RESOURCES, shards=4),
    )
    users = [a_user() for _ in range(12)]
    for place, user in enumerate(users):
        (more if place % 2 else few).create(USERS, user, None, NOW)
    assert more.list(USERS, (), Query(limit=20)).items == users[::-1]
    few.close()
    more.close()


def test_all_operations_share_one_client(emulator: str) -> None:
    """The client is created by the first operation, and reused."""
    made = []
    wire = Wire()

    def client(budget: float) -> object:
        made.append(budget)
        return wire(budget)

    storage = DynamoDBStorage(emulator, RESOURCES, client=client, budget=5)  # type: ignore[arg-type]
    assert made == []
    state = set_up(storage)
    storage.change(ORDERS, (state.user.user_id, state.order.order_id), step("paid", "pending"))
    assert made == [5]
    storage.close()
