"""Failing requests: an operation happens once or not at all, and reports it correctly."""

import socket
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from msgspec.structs import replace

from chalicelib.aws.errors import NoResponse, ServiceError
from chalicelib.aws.http_messages import Request, Response
from chalicelib.domain.errors import Problem, Unavailable
from chalicelib.domain.orders import ORDERS, OrderNotFound
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, User
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.history_items import CHUNK_ENTRIES
from tests.storage.operations import OPERATIONS, Operation, kept, set_up
from tests.storage.wire import FAULTS, FakeClock, Fault, Wire, error, send
from tests.support.factories import NOW, a_user, an_act, an_order, patch, step, user_change

FOREVER = 10_000
AFTER = {name for name in FAULTS if name.endswith(" after")}


class Table:
    """The table's content, read and written without storage."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._client = boto3.client("dynamodb")

    def read(self) -> dict[tuple[str, str], Any]:
        """Return all items by key, without their write tokens, which are random.

        An entity's history is one value, wherever its entries lie; an entry that was kept twice
        for one version is in it twice, unless it is the same.
        """
        found: dict[tuple[str, str], Any] = {}
        histories: dict[tuple[str, str], set[str]] = {}
        for (partition, sort), item in self.raw().items():
            owner = partition, sort
            if partition.startswith("HISTORY#"):
                owner = partition.removeprefix("HISTORY#"), sort.rpartition("#")[0]
            else:
                kept_elsewhere = {"marks", "history", "latest_entry"}
                found[owner] = {name: item[name] for name in item.keys() - kept_elsewhere}
            histories.setdefault(owner, set()).update(entries_in(item))
        for owner, entries in histories.items():
            found[f"history of {owner[0]}", owner[1]] = sorted(entries)
        return found

    def raw(self) -> dict[tuple[str, str], Any]:
        """Return all items by key."""
        found = self._client.scan(TableName=self._name, ConsistentRead=True)
        assert "LastEvaluatedKey" not in found
        return {(item["PK"]["S"], item["SK"]["S"]): item for item in found["Items"]}

    def restore(self, items: dict[tuple[str, str], Any]) -> None:
        """Restore what `raw` returned."""
        present = self.raw()
        for key in present.keys() - items.keys():
            item = present[key]
            place = {"PK": item["PK"], "SK": item["SK"]}
            self._client.delete_item(TableName=self._name, Key=place)
        for key, item in items.items():
            if present.get(key) != item:
                self._client.put_item(TableName=self._name, Item=item)

    def close(self) -> None:
        """Close connections."""
        self._client.close()


def entries_in(item: Any) -> list[str]:
    """Return the entries of a history that lie in an item, each as one text."""
    elements = [
        str(element)
        for name in ("entries", "history", "latest_entry")
        for element in item.get(name, {"L": []})["L"]
    ]
    return [
        f"{version} {text}" for version, text in zip(elements[::2], elements[1::2], strict=True)
    ]


def outcome_of(operation: Callable[[], Any]) -> Any:
    """Return the result of `operation`, or the type of its problem."""
    try:
        return operation()
    except Problem as problem:
        return type(problem)


# One operation of each kind of request always runs; the others are slow tests.
ALWAYS = {
    "create a user, with a key",
    "change a user",
    "change a user, every sixth time",
    "get a user",
}


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(
            operation,
            id=operation.name,
            marks=() if operation.name in ALWAYS else pytest.mark.slow,
        )
        for operation in OPERATIONS
    ],
)
def test_every_operation_survives_every_fault(emulator: str, operation: Operation) -> None:
    """A temporary fault goes unnoticed; a lasting one is Unavailable, with all done or nothing.

    Once the essential requests are done, a lasting one goes unnoticed too.
    """
    wire, hours, table = Wire(), FakeClock(), Table(emulator)
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire, clock=hours.clock)
    state = set_up(storage)
    operation.prepare(storage, state)
    before, nothing_done = table.raw(), table.read()

    wire.reset()
    expected = outcome_of(lambda: operation.run(storage, state))
    all_done = table.read()

    for place in range(len(wire.requests)):
        for name, fault in FAULTS.items():
            table.restore(before)
            wire.reset(fault, (place,))
            outcome = outcome_of(lambda: operation.run(storage, state))
            assert (name, outcome, table.read()) == (name, expected, all_done)

            table.restore(before)
            wire.reset(fault, range(place, FOREVER))
            outcome = outcome_of(lambda: operation.run(storage, state))
            done = table.read()
            if operation.essential is not None and place >= operation.essential:
                assert (name, outcome, done) == (name, expected, all_done)
            else:
                assert (name, outcome) == (name, Unavailable)
                if not operation.is_done_in_parts:
                    assert done in (nothing_done, all_done)
                    if name not in AFTER:
                        assert done == nothing_done
            wire.reset()
    storage.close()
    table.close()


def intervene(operation: Callable[[], Any]) -> Fault:
    """Run the request, then another operation, and lose the response."""

    def fault(request: Request) -> Response:
        send(request)
        operation()
        raise NoResponse

    return fault


@pytest.mark.parametrize("others", [1, 2, 3])
@pytest.mark.parametrize("versions", [None, frozenset({1})])
def test_a_lost_response_is_recognized_after_other_changes(
    emulator: str, others: int, versions: frozenset[int] | None
) -> None:
    """A change whose response was lost is neither repeated nor refused after later changes."""
    wire, hours = Wire(), FakeClock()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire, clock=hours.clock)
    other = DynamoDBStorage(emulator, RESOURCES)
    user = a_user()
    storage.create(USERS, user, None, NOW)

    def meanwhile() -> None:
        for _ in range(others):
            other.change(USERS, (user.user_id,), user_change(name="Another's"))

    wire.reset(intervene(meanwhile), (0,))
    changed = storage.change(
        USERS,
        (user.user_id,),
        user_change(name="Mine", metadata=patch(mine="1"), versions=versions),
    )
    assert changed == other.get(USERS, (user.user_id,))
    assert (changed.name, changed.metadata["mine"]) == ("Another's", "1")
    assert changed.version == 2 + others
    storage.close()
    other.close()


def test_a_lost_transition_succeeds_after_later_ones(emulator: str) -> None:
    """A transition whose response was lost succeeds, although the status changed since."""
    wire, hours = Wire(), FakeClock()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire, clock=hours.clock)
    other = DynamoDBStorage(emulator, RESOURCES)
    user = a_user()
    order = an_order(user)
    storage.create(USERS, user, None, NOW)
    storage.create(ORDERS, order, None, NOW)

    def ship() -> None:
        other.change(ORDERS, (user.user_id, order.order_id), step("shipped", "paid"))

    wire.reset(intervene(ship), (0,))
    changed = storage.change(ORDERS, (user.user_id, order.order_id), step("paid", "pending"))
    assert (changed.status, changed.version) == ("shipped", 3)
    storage.close()
    other.close()


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException"])
def test_permanent_errors_are_not_retried(emulator: str, code: str) -> None:
    """An error that a retry cannot help is raised after one request."""
    wire, hours = Wire(), FakeClock()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire, clock=hours.clock)
    for operation in OPERATIONS[:3]:
        state = set_up(storage)
        wire.reset(error(400, code), range(FOREVER))
        with pytest.raises(ServiceError, match=code):
            operation.run(storage, state)
        assert len(wire.requests) == 1
        wire.reset()
    assert hours.pauses == []
    storage.close()


def test_a_missing_table_is_not_retried(emulator: str) -> None:
    """A missing table is raised without waiting."""
    storage = DynamoDBStorage(f"{emulator}-not", RESOURCES)
    with pytest.raises(ServiceError, match="ResourceNotFoundException"):
        storage.check()
    storage.close()


@pytest.mark.parametrize("budget", [1.0, 8.0, 20.0])
def test_an_operation_ends_within_its_budget(emulator: str, budget: float) -> None:
    """Retries have random pauses, and none starts that could end too late."""
    wire, hours = Wire(), FakeClock()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire, clock=hours.clock, budget=budget)
    wire.reset(error(400, "ThrottlingException"), range(FOREVER))
    with pytest.raises(Unavailable):
        storage.check()
    assert len(wire.requests) == len(hours.pauses) + 1
    assert hours.seconds <= budget * 5 / 8
    assert len(set(hours.pauses)) == len(hours.pauses)
    assert max(hours.pauses) <= 1
    assert max(hours.pauses[:1]) <= 0.025
    storage.close()


def test_a_server_that_never_responds_is_unavailable(
    emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is Unavailable within the budget, by the socket's timeouts."""
    assert emulator
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        storage = DynamoDBStorage("users", RESOURCES, budget=1.6)
        storage.close()
        operation = storage.check
        start = time.monotonic()
        with pytest.raises(Unavailable):
            operation()
        assert time.monotonic() - start < 2.5
        storage.close()


def test_a_refused_connection_is_unavailable(
    emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused connection is retried, then Unavailable."""
    assert emulator
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    hours = FakeClock()
    storage: Storage = DynamoDBStorage("users", RESOURCES, clock=hours.clock)
    with pytest.raises(Unavailable):
        storage.change(ORDERS, ("usr_1", "ord_1"), step("paid", "pending"))
    assert len(hours.pauses) > 3
    storage.close()


def test_an_order_deleted_during_a_retry_is_not_found(emulator: str) -> None:
    """A transition of an order that is gone at the retry is not found."""
    storage = DynamoDBStorage(emulator, RESOURCES)
    user = a_user()
    storage.create(USERS, user, None, NOW)
    with pytest.raises(OrderNotFound):
        storage.change(ORDERS, (user.user_id, "ord_1"), step("cancelled", "pending"))
    storage.close()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", [1, 2], ids=["chunk", "removal"])
def test_an_interrupted_move_is_done_by_a_later_change(
    emulator: str, fault: str, place: int
) -> None:
    """Wherever the move of entries stops, nothing is lost or doubled, and the next change moves.

    The change that could not move them has succeeded, without a pause.
    """
    wire, hours, table = Wire(), FakeClock(), Table(emulator)
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire, clock=hours.clock)
    user = a_user()
    ids = (user.user_id,)
    storage.create(USERS, user, None, NOW, an_act("created"))
    versions = [1]
    for _ in range(CHUNK_ENTRIES - 1):
        storage.change(USERS, ids, kept(user_change(name="Bea")))
    for number in range(3):
        wire.reset(FAULTS[fault], range(place, FOREVER))
        changed = storage.change(USERS, ids, kept(user_change(name=f"N{number}")))
        assert number > 0 or len(wire.requests) == place + 1
        wire.reset()
        versions = [*range(1, changed.version + 1)]
        for limit in (1, 4, 100):
            assert history_of(storage, user, limit, ascending=True) == versions
            assert history_of(storage, user, limit, ascending=False) == versions[::-1]

    storage.change(USERS, ids, kept(user_change(name="Last")))

    item = table.raw()[f"USER#{user.user_id}", "USER"]
    assert len(entries_in(item)) <= CHUNK_ENTRIES
    assert history_of(storage, user, 4, ascending=True) == [*versions, versions[-1] + 1]
    assert hours.pauses == []
    storage.close()
    table.close()


@pytest.mark.parametrize("place", [1, 2], ids=["chunk", "removal"])
def test_a_deletion_during_a_move_keeps_all_entries(emulator: str, place: int) -> None:
    """A deletion between the requests of a move leaves the whole history, its own entry last."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire)
    other = DynamoDBStorage(emulator, RESOURCES)
    user = a_user()
    storage.create(USERS, user, None, NOW, an_act("created"))
    for _ in range(CHUNK_ENTRIES - 1):
        storage.change(USERS, (user.user_id,), kept(user_change(name="Bea")))

    def delete_before(request: Request) -> Response:
        other.delete(USERS, (user.user_id,), None, NOW, an_act("deleted"))
        return send(request)

    wire.reset(delete_before, (place,))
    changed = storage.change(USERS, (user.user_id,), kept(user_change(name="Last")))
    wire.reset()

    versions = [*range(1, changed.version + 2)]
    assert history_of(storage, user, 4, ascending=True) == versions
    assert history_of(storage, user, 4, ascending=False) == versions[::-1]
    assert storage.history(USERS, (user.user_id,), Query(limit=1)).items[0].action == "deleted"
    storage.close()
    other.close()


def history_of(storage: Storage, user: User, limit: int, *, ascending: bool) -> list[int]:
    """Return the versions in the history of a user, page by page."""
    found: list[int] = []
    query = Query(limit=limit, ascending=ascending)
    while True:
        page = storage.history(USERS, (user.user_id,), query)
        found += [entry.version for entry in page.items]
        assert len(found) == len(set(found))
        if page.position is None:
            return found
        query = Query(limit=limit, ascending=ascending, after=page.position)


def test_a_history_is_read_whole_while_entries_move(emulator: str) -> None:
    """Entries that leave the item between the two reads of a history are read once each."""
    wire = Wire()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire)
    other = DynamoDBStorage(emulator, RESOURCES)
    user = a_user()
    storage.create(USERS, user, None, NOW, an_act("created"))
    for _ in range(2 * CHUNK_ENTRIES - 1):
        storage.change(USERS, (user.user_id,), kept(user_change(name="Bea")))

    def change_before(request: Request) -> Response:
        other.change(USERS, (user.user_id,), kept(user_change(name="Meanwhile")))
        return send(request)

    versions = [*range(1, 2 * CHUNK_ENTRIES + 1)]
    for ascending in (True, False):
        wire.reset(change_before, (1,))
        query = Query(limit=100, ascending=ascending)
        read = [entry.version for entry in storage.history(USERS, (user.user_id,), query).items]
        ordered = read if ascending else read[::-1]
        assert ordered[: len(versions)] == versions
        assert ordered == [*range(1, len(ordered) + 1)]
        versions.append(len(versions) + 1)
    storage.close()
    other.close()


@pytest.mark.parametrize("versions", [None, frozenset({1})])
def test_a_lost_response_leaves_one_entry(emulator: str, versions: frozenset[int] | None) -> None:
    """A change whose response was lost, and that others followed, has one entry."""
    wire, hours = Wire(), FakeClock()
    storage = DynamoDBStorage(emulator, RESOURCES, client=wire, clock=hours.clock)
    other = DynamoDBStorage(emulator, RESOURCES)
    user = a_user()
    storage.create(USERS, user, None, NOW, an_act("created"))

    def meanwhile() -> None:
        other.change(USERS, (user.user_id,), kept(user_change(name="Another's")))

    wire.reset(intervene(meanwhile), (0,))
    mine = replace(
        user_change(name="Mine", versions=versions), act=an_act("changed", request_id="mine")
    )
    storage.change(USERS, (user.user_id,), mine)
    wire.reset()

    page = storage.history(USERS, (user.user_id,), Query(limit=9, ascending=True))
    assert [entry.version for entry in page.items] == [1, 2, 3]
    assert [entry.request_id for entry in page.items].count("mine") == 1
    assert page.items[1].request_id == "mine"
    storage.close()
    other.close()


def test_changes_that_are_transactions_move_entries_too(emulator: str) -> None:
    """An item that only transactions change, which return no item, keeps few entries as well."""
    storage, table = DynamoDBStorage(emulator, RESOURCES), Table(emulator)
    user = a_user()
    storage.create(USERS, user, None, NOW, an_act("created"))
    number = 3 * CHUNK_ENTRIES
    for place in range(number):
        change = kept(user_change(email=f"ann{place}@example.com"))
        storage.change(USERS, (user.user_id,), change)
        item = table.raw()[f"USER#{user.user_id}", "USER"]
        assert len(entries_in(item)) <= CHUNK_ENTRIES + 1

    assert history_of(storage, user, 4, ascending=True) == [*range(1, number + 2)]
    storage.close()
    table.close()
