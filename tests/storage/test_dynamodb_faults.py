"""Requests that fail: an act is done once or not at all, and its answer is right or Unavailable."""

import socket
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError, ConnectionClosedError

from chalicelib.domain.errors import OrderNotFound, Problem, Unavailable
from chalicelib.domain.storage import Storage
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from tests.storage.operations import OPERATIONS, Operation, set_up
from tests.storage.things import NOW, a_user, an_order, patch, step, user_change
from tests.storage.wire import FAULTS, Fault, Hours, Wire, error, send

FOREVER = 10_000
AFTER = {"lost after", "late after", "garbled after"}


class Table:
    """The table as it lies there, beside storage."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._client = boto3.client("dynamodb")

    def read(self) -> dict[tuple[str, str], Any]:
        """Return all items by key, without the marks of changes, which are random."""
        return {
            key: {name: value for name, value in item.items() if name != "marks"}
            for key, item in self.raw().items()
        }

    def raw(self) -> dict[tuple[str, str], Any]:
        """Return all items by key."""
        found = self._client.scan(TableName=self._name, ConsistentRead=True)
        assert "LastEvaluatedKey" not in found
        return {(item["PK"]["S"], item["SK"]["S"]): item for item in found["Items"]}

    def restore(self, items: dict[tuple[str, str], Any]) -> None:
        """Make the table what `raw` gave."""
        present = self.raw()
        for key in present.keys() - items.keys():
            item = present[key]
            place = {"PK": item["PK"], "SK": item["SK"]}
            self._client.delete_item(TableName=self._name, Key=place)
        for key, item in items.items():
            if present.get(key) != item:
                self._client.put_item(TableName=self._name, Item=item)

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()


def outcome_of(act: Callable[[], Any]) -> Any:
    """Return what `act` returns, or the kind of problem that it raises."""
    try:
        return act()
    except Problem as problem:
        return type(problem)


# One act of each kind of request is always tried; the others when there is time.
ALWAYS = {"create a user, with a key", "change a user", "get a user"}


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
def test_every_operation_bears_every_fault_at_every_request(
    emulator: str, operation: Operation
) -> None:
    """A fault that passes is not noticed; one that stays is Unavailable, with all done or none."""
    wire, hours, table = Wire(), Hours(), Table(emulator)
    storage = DynamoDBStorage(emulator, client=wire, clock=hours.clock)
    scene = set_up(storage)
    operation.prepare(storage, scene)
    before, nothing_done = table.raw(), table.read()

    wire.reset()
    expected = outcome_of(lambda: operation.act(storage, scene))
    all_done = table.read()

    for place in range(len(wire.requests)):
        for name, fault in FAULTS.items():
            table.restore(before)
            wire.reset(fault, (place,))
            outcome = outcome_of(lambda: operation.act(storage, scene))
            assert (name, outcome, table.read()) == (name, expected, all_done)

            table.restore(before)
            wire.reset(fault, range(place, FOREVER))
            outcome = outcome_of(lambda: operation.act(storage, scene))
            done = table.read()
            assert (name, outcome) == (name, Unavailable)
            assert done in (nothing_done, all_done)
            if name not in AFTER:
                assert done == nothing_done
            wire.reset()
    storage.close()
    table.close()


def intervene(act: Callable[[], Any]) -> Fault:
    """Let the request be carried out, then another's act, and lose the answer."""

    def fault(request: AWSPreparedRequest) -> AWSResponse:
        send(request)
        act()
        raise ConnectionClosedError(endpoint_url=request.url)

    return fault


@pytest.mark.parametrize("others", [1, 2, 3])
@pytest.mark.parametrize("versions", [None, frozenset({1})])
def test_a_lost_answer_is_known_again_after_other_changes(
    emulator: str, others: int, versions: frozenset[int] | None
) -> None:
    """A change whose answer was lost is not made again, nor refused, when others came after it."""
    wire, hours = Wire(), Hours()
    storage = DynamoDBStorage(emulator, client=wire, clock=hours.clock)
    other = DynamoDBStorage(emulator)
    user = a_user()
    storage.create_user(user, None, NOW)

    def meanwhile() -> None:
        for _ in range(others):
            other.change_user(user.user_id, user_change(name="Another's"))

    wire.reset(intervene(meanwhile), (0,))
    changed = storage.change_user(
        user.user_id, user_change(name="Mine", metadata=patch(mine="1"), versions=versions)
    )
    assert changed == other.get_user(user.user_id)
    assert (changed.name, changed.metadata["mine"]) == ("Another's", "1")
    assert changed.version == 2 + others
    storage.close()
    other.close()


def test_a_lost_step_is_not_illegal_when_the_order_went_on(emulator: str) -> None:
    """A step whose answer was lost succeeds although the order has left its state since."""
    wire, hours = Wire(), Hours()
    storage = DynamoDBStorage(emulator, client=wire, clock=hours.clock)
    other = DynamoDBStorage(emulator)
    user = a_user()
    order = an_order(user)
    storage.create_user(user, None, NOW)
    storage.create_order(order, None, NOW)

    def ship() -> None:
        other.change_order(user.user_id, order.order_id, step("shipped", "paid"))

    wire.reset(intervene(ship), (0,))
    changed = storage.change_order(user.user_id, order.order_id, step("paid", "pending"))
    assert (changed.status, changed.version) == ("shipped", 3)
    storage.close()
    other.close()


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException"])
def test_faults_of_ours_are_not_tried_again(emulator: str, code: str) -> None:
    """What no second attempt can mend is raised as it is, after one request."""
    wire, hours = Wire(), Hours()
    storage = DynamoDBStorage(emulator, client=wire, clock=hours.clock)
    for operation in OPERATIONS[:3]:
        scene = set_up(storage)
        wire.reset(error(400, code), range(FOREVER))
        with pytest.raises(ClientError, match=code):
            operation.act(storage, scene)
        assert len(wire.requests) == 1
        wire.reset()
    assert hours.pauses == []
    storage.close()


def test_a_missing_table_is_a_fault_of_ours(emulator: str) -> None:
    """A table that is not there is no reason to wait."""
    storage = DynamoDBStorage(f"{emulator}-not")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        storage.check()
    storage.close()


@pytest.mark.parametrize("budget", [1.0, 8.0, 20.0])
def test_an_act_ends_within_its_budget(emulator: str, budget: float) -> None:
    """Attempts are spread by pauses of random length, and none starts that could end too late."""
    wire, hours = Wire(), Hours()
    storage = DynamoDBStorage(emulator, client=wire, clock=hours.clock, budget=budget)
    wire.reset(error(400, "ThrottlingException"), range(FOREVER))
    with pytest.raises(Unavailable):
        storage.check()
    assert len(wire.requests) == len(hours.pauses) + 1
    assert hours.seconds <= budget * 5 / 8
    assert len(set(hours.pauses)) == len(hours.pauses)
    assert max(hours.pauses) <= 1
    assert max(hours.pauses[:1]) <= 0.025
    storage.close()


def test_a_server_that_never_answers_is_given_up(
    emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is Unavailable before the budget is spent, by the socket's own timeouts."""
    assert emulator
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        storage = DynamoDBStorage("users", budget=1.6)
        storage.close()
        act = storage.check
        start = time.monotonic()
        with pytest.raises(Unavailable):
            act()
        assert time.monotonic() - start < 2.5
        storage.close()


def test_nobody_listening_is_unavailable(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is tried again, then Unavailable."""
    assert emulator
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    hours = Hours()
    storage: Storage = DynamoDBStorage("users", clock=hours.clock)
    with pytest.raises(Unavailable):
        storage.change_order("usr_1", "ord_1", step("paid", "pending"))
    assert len(hours.pauses) > 3
    storage.close()


def test_an_order_deleted_meanwhile_is_honest(emulator: str) -> None:
    """A step of an order that is gone when it is tried again is not found."""
    storage = DynamoDBStorage(emulator)
    user = a_user()
    storage.create_user(user, None, NOW)
    with pytest.raises(OrderNotFound):
        storage.change_order(user.user_id, "ord_1", step("cancelled", "pending"))
    storage.close()
