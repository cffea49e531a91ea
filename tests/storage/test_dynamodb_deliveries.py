"""Deliveries in DynamoDB: the items that the stream's reader relies on, and lost responses."""

import threading
import time
from collections.abc import Iterator

import boto3
import pytest
from msgspec import UNSET
from msgspec.structs import asdict, replace

from chalicelib.aws.errors import ServiceError
from chalicelib.aws.http_messages import Request, Response
from chalicelib.domain.deliveries import Message
from chalicelib.domain.registry import RESOURCES
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.telemetry.activity import begin
from tests.storage.wire import FakeClock, Wire, body_of, error, lost_after
from tests.support.event_factories import a_delivery, at, new_webhook_id
from tests.support.factories import NOW, a_record


@pytest.fixture
def wire() -> Wire:
    """Return what records requests."""
    return Wire()


@pytest.fixture
def storage(emulator: str, wire: Wire) -> Iterator[DynamoDBStorage]:
    """Return storage in an empty table, behind the wire."""
    made = DynamoDBStorage(emulator, RESOURCES, client=wire, clock=FakeClock().clock)
    yield made
    made.close()


def test_a_delivery_is_one_item(storage: DynamoDBStorage, emulator: str) -> None:
    """The item has native attributes, the payload, and the time at which DynamoDB removes it."""
    message = a_delivery(new_webhook_id())
    delivery = message.delivery
    storage.deliveries.add([message])

    client = boto3.client("dynamodb")
    (item,) = client.scan(TableName=emulator)["Items"]
    client.close()

    fields = {name: value for name, value in asdict(delivery).items() if value is not UNSET}
    expected = {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for name, value in fields.items()
        if name not in {"webhook_id", "delivery_id"}
    }
    assert item == expected | {
        "PK": {"S": f"DELIVERIES#{delivery.webhook_id}"},
        "SK": {"S": f"DELIVERY#{delivery.delivery_id}"},
        "payload": {"S": message.payload},
        "expires_at": {"N": str(delivery.expires_at)},
    }


def test_a_lost_response_changes_nothing(storage: DynamoDBStorage, wire: Wire) -> None:
    """What was carried out before its response was lost counts once, and as done."""
    message = a_delivery(new_webhook_id())
    delivery = message.delivery
    asked = replace(delivery, requested_at=at(60), next_attempt_at=at(60))
    done = replace(asked, status="succeeded", attempts=1, next_attempt_at=UNSET)

    wire.reset(lost_after, range(1))
    storage.deliveries.add([message])
    assert len(wire.requests) == 2
    for new, seen in ((asked, delivery), (done, asked)):
        wire.reset(lost_after, range(1))
        assert storage.deliveries.replace(new, seen)
        assert len(wire.requests) == 2

    wire.reset(lost_after, range(1))
    again = replace(done, status="pending", requested_at=at(90))
    assert storage.deliveries.request(Message(again, message.payload), done, a_record(), NOW)
    assert len(wire.requests) == 2

    wire.reset()
    expected = Message(again, message.payload)
    assert storage.deliveries.get(delivery.webhook_id, delivery.id) == expected


def test_many_deliveries_are_put_ten_at_a_time(storage: DynamoDBStorage, wire: Wire) -> None:
    """A batch of events with many webhooks does not wait for each put in turn."""
    messages = [a_delivery(new_webhook_id()) for _ in range(60)]
    lock, running, most = threading.Lock(), 0, 0

    def slow(_: Request) -> Response:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return Response(200, {}, b"{}")

    activity = begin()
    wire.reset(slow, range(60))
    storage.deliveries.add(messages)

    assert most == 10
    keys = {body["Item"]["SK"]["S"] for _, body in wire.requests}
    assert keys == {f"DELIVERY#{one.delivery.id}" for one in messages}
    assert activity.calls == 60


def test_a_failure_among_many_deliveries_can_be_repeated(
    storage: DynamoDBStorage, wire: Wire
) -> None:
    """The failure is raised; a repetition adds what is missing and leaves what is there."""
    webhook_id = new_webhook_id()
    messages = [a_delivery(webhook_id, event_id=f"usr_{number}_1") for number in range(30)]
    broken = messages[4].delivery.id
    refuse = error(400, "ValidationException")
    storage.deliveries.add(messages[:1])
    done = replace(messages[0].delivery, status="succeeded", attempts=1, next_attempt_at=UNSET)
    assert storage.deliveries.replace(done, messages[0].delivery)

    def fail(request: Request) -> Response:
        if body_of(request)["Item"]["SK"]["S"].endswith(broken):
            return refuse(request)
        return Response(200, {}, b"{}")

    wire.reset(fail, range(1000))
    with pytest.raises(ServiceError, match="ValidationException"):
        storage.deliveries.add(messages)
    wire.reset()
    storage.deliveries.add(messages)

    kept = [storage.deliveries.get(webhook_id, one.delivery.id) for one in messages]
    assert kept == [Message(done, messages[0].payload), *messages[1:]]
