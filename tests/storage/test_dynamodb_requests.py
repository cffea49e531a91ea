"""What each operation sends to DynamoDB and consumes there, and that the document says so."""

from contextlib import suppress

import pytest

from chalicelib.domain.errors import Problem
from chalicelib.domain.model import Order, User
from chalicelib.domain.storage import Query, UserQuery
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from localdev.engines import Engines, environment
from tests.conftest import url_of
from tests.storage.capacity import committed, measure, measured, table_of
from tests.storage.conftest import MakeStorage
from tests.storage.operations import OPERATIONS, Operation, set_up
from tests.storage.things import NOW, a_user, an_order, step, user_change
from tests.storage.wire import Wire

SECOND_REQUESTS = {
    "patch metadata that is nearly full": ["UpdateItem", "UpdateItem"],
    "change a user's e-mail": ["UpdateItem", "TransactWriteItems"],
    "delete a user": ["GetItem", "TransactWriteItems"],
    "list 5 users, filter drops half": ["Query", "Query"],
    "find a user by e-mail": ["GetItem", "GetItem"],
    "close an order": ["GetItem", "TransactWriteItems"],
}


def test_the_documents_table_is_what_is_measured(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The committed table is the one measured now (otherwise: python -m tests.storage.capacity)."""

    def use(endpoint: str) -> None:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)

    costs = measured(url_of(engines, "ministack"), url_of(engines, "dynamodb-local"), use)
    assert table_of(costs) == committed()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_act_is_one_request(emulator: str, operation: Operation) -> None:
    """One request is enough for every act but those that are known to need a second one."""
    cost = measure(emulator, operation)
    if operation.name in SECOND_REQUESTS:
        assert cost.requests == SECOND_REQUESTS[operation.name]
    else:
        assert len(cost.requests) == 1


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_act_uses_only_requests_that_policies_can_grant(
    emulator: str, operation: Operation
) -> None:
    """No Scan, no ConditionCheck, no PartiQL; and nothing is changed without a condition."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, client=wire)
    scene = set_up(storage)
    operation.prepare(storage, scene)
    wire.reset()
    with suppress(Problem):
        operation.act(storage, scene)
    for name, request in wire.requests:
        assert name in {"GetItem", "Query", "UpdateItem", "TransactWriteItems"}
        writes = request.get("TransactItems", [])
        assert {kind for write in writes for kind in write} <= {"Put", "Update", "Delete"}
        assert all("ConditionExpression" in write[kind] for write in writes[:1] for kind in write)
        assert "ConditionExpression" in request or name != "UpdateItem"
        assert "FilterExpression" not in request or "KeyConditionExpression" in request
    storage.close()


def test_reads_cost_the_same_however_much_is_there(emulator: str) -> None:
    """Getting a user and reading a page cost the same among forty users as among four hundred."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, client=wire)
    seen = []
    for count in (40, 360):
        users = [a_user() for _ in range(count)]
        for user in users:
            storage.create_user(user, None, NOW)
        wire.reset()
        storage.get_user(users[0].user_id)
        storage.list_users(UserQuery(limit=20))
        storage.list_users(UserQuery(limit=20, after=users[30].user_id))
        storage.list_users(UserQuery(limit=20, to_id=users[30].user_id, ascending=True))
        seen.append(([name for name, _ in wire.requests], dict(wire.capacity)))
    assert seen[0] == seen[1]
    storage.close()


def test_a_page_reads_a_bounded_number_of_times(emulator: str) -> None:
    """A filter that nothing passes ends the page after six Queries, and says where to go on."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, client=wire)
    users = [a_user() for _ in range(135)]
    for user in users:
        storage.create_user(user, None, NOW)
    oldest = storage.change_user(users[0].user_id, user_change(status="suspended"))
    wire.reset()
    query = UserQuery(limit=1, status="suspended")
    page = storage.list_users(query)
    assert (page.things, len(wire.requests)) == ([], 6)
    assert page.position == users[135 - 2 * 63].user_id
    page = storage.list_users(UserQuery(limit=1, status="suspended", after=page.position))
    assert (page.things, page.position) == ([oldest], None)
    storage.close()


def test_a_page_of_large_items_goes_over_a_querys_size(emulator: str) -> None:
    """Orders of together more than 1 MB come on one page, in several Queries."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, client=wire)
    user = a_user()
    storage.create_user(user, None, NOW)
    large = {f"{place:02}": "🦄" * 500 for place in range(50)}
    orders: list[Order] = [an_order(user, metadata=large) for _ in range(25)]
    for order in orders:
        storage.create_order(order, None, NOW)
    wire.reset()
    for ascending in (True, False):
        page = storage.list_orders(user.user_id, Query(limit=25, ascending=ascending))
        assert page.things == (orders if ascending else orders[::-1])
        assert page.position is None
    assert len(wire.requests) > 4
    storage.close()


@pytest.mark.parametrize("engine", ["ministack", "dynamodb-local"], indirect=True)
@pytest.mark.parametrize("ascending", [False, True])
def test_shards_are_merged(
    new_storage: MakeStorage,
    ascending: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """Users of all shards come in one order, filtered or not, each once."""
    storage = new_storage(shards=3)
    users: list[User] = [a_user() for _ in range(20)]
    for user in users:
        storage.create_user(user, None, NOW)
    for user in users[::3]:
        storage.change_user(user.user_id, user_change(status="suspended"))
    for status, expected in ((None, users), ("suspended", users[::3])):
        for limit in (1, 4, 19, 20):
            seen: list[str] = []
            position = None
            for _ in range(40):
                page = storage.list_users(
                    UserQuery(limit=limit, ascending=ascending, status=status, after=position)
                )
                seen += [user.user_id for user in page.things]
                position = page.position
                if position is None:
                    break
            ids = [user.user_id for user in expected]
            assert seen == (ids if ascending else ids[::-1])


def test_more_shards_keep_the_users_that_are_there(emulator: str) -> None:
    """Users that were written over fewer shards are still listed when there are more."""
    few, more = DynamoDBStorage(emulator, shards=1), DynamoDBStorage(emulator, shards=4)
    users = [a_user() for _ in range(12)]
    for place, user in enumerate(users):
        (more if place % 2 else few).create_user(user, None, NOW)
    assert more.list_users(UserQuery(limit=20)).things == users[::-1]
    few.close()
    more.close()


def test_one_client_serves_all_acts(emulator: str) -> None:
    """The client is made with the first act, not before, and kept."""
    made = []
    wire = Wire()

    def client(budget: float) -> object:
        made.append(budget)
        return wire(budget)

    storage = DynamoDBStorage(emulator, client=client, budget=5)  # type: ignore[arg-type]
    assert made == []
    scene = set_up(storage)
    storage.change_order(scene.user.user_id, scene.order.order_id, step("paid", "pending"))
    assert made == [5]
    storage.close()
