"""The table's stream is the outbox: its records give the events that the other engines write."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import count
from typing import Any

import boto3
import pytest

from chalicelib.domain.caller import Caller
from chalicelib.domain.deliveries import Delivery, Message
from chalicelib.domain.errors import Problem
from chalicelib.domain.events import CloudEvent, Events
from chalicelib.domain.groups import GroupPatch, GroupService, NewGroup
from chalicelib.domain.orders import NewOrder, OrderLine, OrderPatch, OrderService, OrderStatus
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import MemberChanges
from chalicelib.domain.storage import Storage
from chalicelib.domain.users import NewUser, UserPatch, UserService
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.stream import DueDelivery, TableStream, due_delivery, patterns
from chalicelib.storage.factory import open_storage
from chalicelib.telemetry.activity import begin
from localdev.emulators import Emulators, environment
from tests.conftest import a_table, url_of
from tests.storage.conftest import CLIENTS, limits_of

SOURCE = "https://api.example.com"
BOSS = Caller(subject="boss", is_admin=True)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TIME = "2026-11-25T08:00:00.000Z"

Told = tuple[str, str, str, Any]


class Table:
    """A table with a stream on an emulator."""

    def __init__(self, name: str, engine: str) -> None:
        self.name = name
        client, limits = CLIENTS[engine], limits_of(engine)
        self.storage = DynamoDBStorage(name, RESOURCES, client=client, **limits)
        self._dynamodb = boto3.client("dynamodb")
        self._streams = boto3.client("dynamodbstreams")

    def close(self) -> None:
        """Close the clients."""
        for client in (self.storage, self._dynamodb, self._streams):
            client.close()

    def records(self) -> list[dict[str, Any]]:
        """Return all records of the stream, in the form in which Lambda gets them."""
        table = self._dynamodb.describe_table(TableName=self.name)["Table"]
        arn = table["LatestStreamArn"]
        found: list[Any] = []
        for shard in self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = self._streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                page = self._streams.get_records(ShardIterator=iterator)
                found += page["Records"]
                iterator = page["Records"] and page.get("NextShardIterator")
        for record in found:
            change = record["dynamodb"]
            at = change["ApproximateCreationDateTime"]
            change["ApproximateCreationDateTime"] = at.timestamp()
        found.sort(key=lambda record: int(record["dynamodb"]["SequenceNumber"]))
        return found

    def events(self) -> list[CloudEvent]:
        """Return the events of all records."""
        stream = TableStream(RESOURCES, Events(SOURCE))
        return [event for record in self.records() if (event := stream.event(record))]


@pytest.fixture(
    params=["ministack", pytest.param("dynamodb-local", marks=pytest.mark.slow)], name="table"
)
def _table(
    request: pytest.FixtureRequest, engines: Emulators, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Table]:
    """Return a new table with a stream."""
    for name, value in environment(url_of(engines, request.param)).items():
        monkeypatch.setenv(name, value)
    begin()
    with (
        closing(boto3.client("dynamodb")) as client,
        a_table(client, stream=True) as name,
        closing(Table(name, request.param)) as table,
    ):
        yield table


def live(storage: Storage, seed: int) -> None:
    """Carry out random acts on users and orders: the same ones for the same seed."""
    chance, clock, numbers = random.Random(seed), count(1_795_000_000_000, 1000), count(1)

    def new_id(prefix: str, _: int) -> str:
        return f"{prefix}{next(numbers):032x}"

    users = UserService(storage, lambda: next(clock), new_id, history=True)
    orders = OrderService(storage, lambda: next(clock), new_id, history=True)
    groups = GroupService(storage, lambda: next(clock), new_id, history=True)
    made: list[str] = []
    founded: list[str] = []
    bought: list[tuple[str, str]] = []

    def create_user() -> None:
        new = NewUser(name=f"Ann {len(made)}", email=f"ann{chance.randrange(30)}@example.com")
        made.append(users.create(BOSS, new, None).entity.user_id)

    def create_order() -> None:
        user = chance.choice(made)
        lines = [OrderLine(sku="book", quantity=chance.randrange(1, 9), unit_price=1250)]
        order = orders.create(BOSS, user, NewOrder(currency="EUR", items=lines), None).entity
        bought.append((user, order.order_id))

    def change_user() -> None:
        changes = chance.choice(
            [
                UserPatch(name=f"Bo {chance.randrange(9)}"),
                UserPatch(metadata={"plan": chance.choice(["a", "b", None])}),
                UserPatch(email=f"bo{chance.randrange(30)}@example.com"),
                UserPatch(status=chance.choice(["active", "suspended"])),
            ]
        )
        users.patch(BOSS, chance.choice(made), changes, None)

    def change_order() -> None:
        user, order = chance.choice(bought)
        steps: list[OrderStatus] = ["paid", "shipped", "delivered", "cancelled"]
        status = chance.choice(steps)
        body = chance.choice([OrderPatch(status=status), OrderPatch(metadata={"gift": "yes"})])
        orders.patch(BOSS, user, order, body, None)

    def delete_user() -> None:
        users.delete(BOSS, chance.choice(made), None)

    def create_group() -> None:
        new = NewGroup(display_name=f"Group {chance.randrange(9)}")
        members = (chance.choice(made), chance.choice(made))
        founded.append(groups.create(BOSS, new, None, members).entity.group_id)

    def change_group() -> None:
        body = chance.choice(
            [GroupPatch(), GroupPatch(display_name=f"Group {chance.randrange(9)}")]
        )
        members = MemberChanges((chance.choice(made),), (chance.choice(made),))
        groups.patch(BOSS, chance.choice(founded), body, None, members)

    acts = [
        create_group,
        change_group,
        change_group,
        create_user,
        create_order,
        create_order,
        change_user,
        change_order,
        change_order,
    ]
    create_user()
    for _ in range(120):
        # What the rules refuse makes no event; there may be nothing to choose from yet.
        with suppress(Problem, IndexError):
            chance.choice([*acts, delete_user])()


def told(events: Sequence[CloudEvent]) -> dict[str, list[Told]]:
    """Return what the events of each subject say, in order."""
    found: dict[str, list[Told]] = {}
    for event in events:
        data = json.loads(event.to_json())["data"]
        found.setdefault(event.subject, []).append(
            (str(event.sequence), event.type, event.partitionkey, data)
        )
    return found


@pytest.mark.parametrize("seed", [2, 3, 5])
def test_the_stream_tells_what_the_outbox_would(table: Table, seed: int) -> None:
    """A random history gives the same events as in memory: none missing, none more, in order."""
    memory: Any = open_storage("memory:", RESOURCES, events=Events(SOURCE))
    written: list[CloudEvent] = []

    def note(events: Sequence[CloudEvent]) -> Sequence[Message]:
        written.extend(events)
        return []

    live(memory, seed)
    while memory.outbox.relay(100, note):
        pass
    live(table.storage, seed)

    expected = told(written)
    assert told(table.events()) == expected
    kinds = {event.type for event in written}
    assert kinds >= {"user.created", "user.updated", "user.deleted", "order.created", "order.paid"}
    for steps in expected.values():
        assert [int(step[0]) for step in steps] == [*range(1, len(steps) + 1)]


def test_a_deletion_tells_when_it_was_and_the_ids_alone(table: Table) -> None:
    """The event of a deletion has the version after the last, and no personal data."""
    users = UserService(table.storage, history=True)
    user = users.create(BOSS, NewUser(name="Ann", email="ann@example.com"), None).entity
    users.delete(BOSS, user.user_id, None)

    deleted = table.events()[-1]
    assert (deleted.type, deleted.sequence) == ("user.deleted", f"{2:016d}")
    assert deleted.data == {"user_id": user.user_id}
    assert deleted.time >= user.updated_at


def test_only_the_request_that_wrote_is_traced(table: Table) -> None:
    """An event has the traceparent of its own request, and none where the client sent none."""
    clock = count(1_795_000_000_000, 1000)
    users = UserService(table.storage, lambda: next(clock), history=True)
    begin().traceparent = TRACE
    user = users.create(BOSS, NewUser(name="Ann", email="ann@example.com"), None).entity
    begin()
    users.patch(BOSS, user.user_id, UserPatch(name="Bo"), None)
    begin().traceparent = TRACE
    users.patch(BOSS, user.user_id, UserPatch(name="Cy"), None)
    users.patch(BOSS, user.user_id, UserPatch(email="cy@example.com"), None)
    begin()

    traces = [event.traceparent for event in table.events()]
    assert traces == [TRACE, traces[1], TRACE, TRACE]
    assert traces[1] != TRACE


def test_without_events_the_stream_tells_nothing(table: Table) -> None:
    """With EVENTS=off, no record makes an event."""
    UserService(table.storage, history=True).create(
        BOSS, NewUser(name="Ann", email="ann@example.com"), None
    )
    stream = TableStream(RESOURCES, None)
    assert {stream.event(record) for record in table.records()} == {None}


def pending(**changes: Any) -> Delivery:
    """Return a delivery that has not been tried."""
    fields: dict[str, Any] = {
        "delivery_id": "dlv_" + "0" * 32,
        "webhook_id": "whk_" + "0" * 32,
        "event_id": "usr_1_1",
        "event_type": "user.created",
        "status": "pending",
        "created_at": TIME,
        "requested_at": TIME,
        "next_attempt_at": TIME,
    }
    return Delivery(**{**fields, **changes})


def test_what_is_asked_for_is_queued_once(table: Table) -> None:
    """A new delivery and one that is asked for again are due; what an attempt leaves is not."""
    deliveries, later = table.storage.deliveries, "2026-11-25T09:00:00.000Z"
    deliveries.add([Message(pending(), "{}")])
    deliveries.replace(pending(attempts=1), pending())
    deliveries.replace(pending(attempts=2, status="succeeded"), pending(attempts=1))
    deliveries.replace(pending(requested_at=later), pending(attempts=2, status="succeeded"))

    due = [due_delivery(record) for record in table.records()]

    first = DueDelivery("whk_" + "0" * 32, "dlv_" + "0" * 32, TIME)
    assert due == [first, None, None, first._replace(requested_at=later)]


def matches(pattern: Any, value: Any) -> bool:
    """Return whether a value matches a pattern, of the kinds that are used here."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            matches(part, value.get(name)) for name, part in pattern.items()
        )
    return any(
        str(value).startswith(one["prefix"]) if isinstance(one, dict) else value == one
        for one in pattern
    )


def test_the_patterns_leave_out_what_needs_no_function(table: Table) -> None:
    """Lambda selects users, orders and deliveries that are due: every record that tells something.

    Claims, idempotency records, histories, groups, webhooks and tried deliveries start no function.
    """
    live(table.storage, 4)
    deliveries = table.storage.deliveries
    deliveries.add([Message(pending(), "{}")])
    deliveries.replace(pending(attempts=1), pending())
    deliveries.replace(pending(attempts=2, status="succeeded"), pending(attempts=1))
    stream = TableStream(RESOURCES, Events(SOURCE))
    selected: Callable[[Any], bool] = lambda record: any(  # noqa: E731 - one expression
        matches(one, record) for one in patterns(RESOURCES)
    )

    records = table.records()

    for record in records:
        if stream.event(record) or due_delivery(record):
            assert selected(record), record
    kinds = {
        (change["Keys"]["PK"]["S"].partition("#")[0], change["Keys"]["SK"]["S"].partition("#")[0])
        for record in records
        if selected(record) and (change := record["dynamodb"])
    }
    assert kinds == {("USER", "USER"), ("USER", "ORDER"), ("DELIVERIES", "DELIVERY")}
    assert sum(selected(one) for one in records if due_delivery(one)) == 1
    left_out = {
        record["dynamodb"]["Keys"]["PK"]["S"].partition("#")[0]
        for record in records
        if not selected(record)
    }
    assert left_out >= {"EMAIL", "HISTORY", "DELIVERIES", "GROUPS", "GROUP", "GROUP_NAME", "USER"}
