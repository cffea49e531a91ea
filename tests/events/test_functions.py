"""The functions of events: what they pass on, and what they report."""

import json
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import pytest

from chalicelib.domain.deliveries import Deliveries, Delivery, Message
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.registry import RESOURCES
from chalicelib.events.functions import QueueFunction, StreamFunction, run_for
from chalicelib.events.queue import QueuedDelivery
from chalicelib.events.relay import Relay
from chalicelib.storage.factory import open_storage
from chalicelib.storage.memory import MemoryStorage
from chalicelib.telemetry.activity import Activity, begin, current

TIME = "2026-11-25T08:00:00.000Z"
Call = tuple[Any, ...]


class FakeQueue:
    """A queue that notes what it is asked for, and fails where it is told to."""

    def __init__(self) -> None:
        self.sent: list[QueuedDelivery] = []
        self.hidden: dict[str, float] = {}

    def send(self, deliveries: Sequence[QueuedDelivery]) -> None:
        """See WebhookQueue."""
        self.sent += deliveries

    def hide(self, receipt: str, seconds: float) -> None:
        """See WebhookQueue."""
        self.hidden[receipt] = seconds


@pytest.fixture
def activity() -> Activity:
    """Begin an invocation."""
    return begin()


@pytest.fixture
def deliveries() -> Deliveries:
    """Return a storage of deliveries."""
    return open_storage("memory:", RESOURCES).deliveries


def message(number: int, **changes: Any) -> Message:
    """Return a pending delivery."""
    fields: dict[str, Any] = {
        "delivery_id": f"dlv_{number}",
        "webhook_id": "whk_1",
        "event_id": f"usr_{number}_1",
        "event_type": "user.created",
        "status": "pending",
        "created_at": TIME,
        "requested_at": TIME,
        "next_attempt_at": TIME,
    }
    return Message(Delivery(**{**fields, **changes}), "{}")


class Stream:
    """The stream's function, whose records are texts.

    `e<n>` is a change, `d<n>` a delivery that is due, `x` nothing, and `!` a record that cannot be
    read; an event in `poison` cannot be passed on.
    """

    def __init__(self, deliveries: Deliveries) -> None:
        self.queue = FakeQueue()
        self.published: list[list[str]] = []
        self.poison: set[str] = set()
        self._function = StreamFunction(
            self._event_of, self._due, self._fan_out, deliveries, self.queue
        )

    def handle(self, *records: str) -> list[str]:
        """Pass on records, and return the numbers of those that are reported."""
        event = {
            "Records": [
                {"text": text, "dynamodb": {"SequenceNumber": str(number)}}
                for number, text in enumerate(records)
            ]
        }
        failures = self._function(event)["batchItemFailures"]
        return [one["itemIdentifier"] for one in failures]

    def _event_of(self, record: Any) -> CloudEvent | None:
        text = record["text"]
        if text == "!":
            raise ValueError("unreadable")
        if not text.startswith("e"):
            return None
        return CloudEvent(
            id=text, source="s", type="user.created", subject="/u", time=TIME, partitionkey="u",
            data={},
        )  # fmt: skip

    def _due(self, record: Any) -> tuple[str, str, str] | None:
        text = record["text"]
        return ("whk_1", f"dlv_{text[1:]}", TIME) if text.startswith("d") else None

    def _fan_out(self, events: Sequence[CloudEvent]) -> list[Message]:
        names = [event.id for event in events]
        if self.poison & set(names):
            raise RuntimeError("the bus refuses it")
        self.published.append(names)
        return [message(int(name[1:])) for name in names]


@pytest.fixture
def stream(activity: Activity, deliveries: Deliveries) -> Stream:
    """Return the stream's function."""
    del activity
    return Stream(deliveries)


def test_a_batch_is_passed_on_at_once(stream: Stream, deliveries: Deliveries) -> None:
    """All events of a batch go out together, and what is due is queued with its request's time."""
    assert stream.handle("e1", "x", "d7", "e2") == []
    assert stream.published == [["e1", "e2"]]
    assert stream.queue.sent == [QueuedDelivery("whk_1", "dlv_7", TIME)]
    assert deliveries.get("whk_1", "dlv_2") is not None
    assert current().detail == ": 4 records, 2 events, 2 deliveries made, 1 queued"
    assert current().error is None


def test_a_batch_about_nothing_reads_no_webhooks(stream: Stream) -> None:
    """A user's item that only counts an order asks nothing of storage."""
    assert stream.handle("x", "x") == []
    assert stream.published == []


def test_the_first_record_that_fails_is_reported(stream: Stream) -> None:
    """What comes before it is passed on, and nothing behind it: the order is kept."""
    stream.poison = {"e3"}
    assert stream.handle("e1", "d5", "e3", "e2") == ["2"]
    assert stream.published == [["e1"]]
    assert [one.delivery_id for one in stream.queue.sent] == ["dlv_5"]
    assert isinstance(current().error, RuntimeError)
    assert current().detail == ": the record 2 failed and comes again"


def test_what_cannot_be_read_holds_up_nothing(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that cannot be read is logged as an error at once, and those behind it go on."""
    assert stream.handle("e1", "!", "d5", "e2") == []
    assert stream.published == [["e1", "e2"]]
    assert [one.delivery_id for one in stream.queue.sent] == ["dlv_5"]
    assert isinstance(current().error, ValueError)
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage() == "The record 1 of the stream cannot be read, and was left out"
    assert record.exc_info


def test_what_cannot_be_passed_on_is_found(stream: Stream) -> None:
    """Of a batch with one event that the bus refuses, exactly that one is reported."""
    stream.poison = {"e2"}
    assert stream.handle("e1", "e2", "e3") == ["1"]
    assert stream.published == [["e1"]]
    stream.poison = set()
    assert stream.handle("e2", "e3") == []
    assert stream.published == [["e1"], ["e2", "e3"]]


class Sender:
    """The queue's function, with what becomes of deliveries, by their ids. The time is TIME."""

    def __init__(self, deliveries: Deliveries) -> None:
        self.queue = FakeQueue()
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.on_attempt: Callable[[str], None] = lambda _: None
        self.attempted: list[str] = []
        now = int(datetime.fromisoformat(TIME).timestamp() * 1000)
        self._function = QueueFunction(deliveries, self._attempt, self.queue, lambda: now)

    def handle(self, *bodies: object) -> list[str]:
        """Send what messages name, and return the ids of those that come again."""
        records = [
            {"messageId": str(number), "receiptHandle": f"r{number}", "body": json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
        report = self._function({"Records": records})
        return [one["itemIdentifier"] for one in report["batchItemFailures"]]

    def _attempt(self, message: Message) -> Delivery:
        delivery_id = message.delivery.id
        self.attempted.append(delivery_id)
        current().calls += 1
        self.on_attempt(delivery_id)
        changes = self.outcomes.get(delivery_id, {"status": "succeeded"})
        return msgspec.structs.replace(message.delivery, **changes)


@pytest.fixture
def sender(activity: Activity, deliveries: Deliveries) -> Sender:
    """Return the queue's function."""
    del activity
    return Sender(deliveries)


def body(number: int, requested_at: str = TIME) -> dict[str, str]:
    """Return what a message says."""
    return {"webhook_id": "whk_1", "delivery_id": f"dlv_{number}", "requested_at": requested_at}


def test_settled_deliveries_leave_the_queue(sender: Sender, deliveries: Deliveries) -> None:
    """A delivery that succeeded or was given up is done; one that failed comes back when due."""
    deliveries.add([message(1), message(2)])
    sender.outcomes = {"dlv_2": {"next_attempt_at": "2026-11-25T08:05:00.000Z"}}
    assert sender.handle(body(1), body(2)) == ["1"]
    assert sender.queue.hidden == {"r1": 300}
    assert current().detail == ": 2 deliveries, 1 come again"
    assert (current().error, current().calls) == (None, 2)


def test_what_is_not_due_waits(sender: Sender, deliveries: Deliveries) -> None:
    """A delivery whose time has not come is not sent, and its message is hidden until then."""
    deliveries.add([message(1, next_attempt_at="2026-11-25T10:00:00.500Z")])
    assert sender.handle(body(1)) == ["0"]
    assert sender.queue.hidden == {"r0": 7200.5}
    assert sender.attempted == []


def test_what_was_asked_for_again_meanwhile_has_its_own_message(
    sender: Sender, deliveries: Deliveries
) -> None:
    """After an attempt during which the delivery was asked for again, its message is done."""
    deliveries.add([message(1)])
    sender.outcomes = {"dlv_1": {"requested_at": "2026-11-25T08:00:01.000Z"}}
    assert sender.handle(body(1)) == []
    assert sender.queue.hidden == {}


def test_messages_about_the_past_are_dropped(sender: Sender, deliveries: Deliveries) -> None:
    """What is no longer pending, was forgotten, or was asked for again since, is not sent."""
    deliveries.add([message(1, status="succeeded"), message(2, requested_at="later")])
    assert sender.handle(body(1), body(2), body(3)) == []
    assert sender.attempted == []


def test_one_failure_keeps_nothing_else(sender: Sender, deliveries: Deliveries) -> None:
    """A message that is none of ours, or whose delivery fails unexpectedly, comes again alone."""
    deliveries.add([message(1), message(2)])

    def fail(delivery_id: str) -> None:
        if delivery_id == "dlv_1":
            raise RuntimeError("broken")

    sender.on_attempt = fail
    assert sender.handle(body(1), body(2), {"nonsense": 1}) == ["0", "2"]
    assert sorted(sender.attempted) == ["dlv_1", "dlv_2"]
    assert sender.queue.hidden == {}
    assert current().error is not None


def test_a_slow_endpoint_delays_no_other(sender: Sender, deliveries: Deliveries) -> None:
    """The deliveries of a batch are sent at the same time: each waits for all the others here."""
    deliveries.add([message(number) for number in range(10)])
    meeting = threading.Barrier(10, timeout=10)

    def meet(_: str) -> None:
        meeting.wait()

    sender.on_attempt = meet
    assert sender.handle(*[body(number) for number in range(10)]) == []


def test_loops_end_in_time() -> None:
    """Loops run until the time is over, and a failure of one is raised once all have ended."""
    ended = []

    def loop(stop: threading.Event) -> None:
        stop.wait(10)
        ended.append(stop.is_set())

    run_for(0.01, [loop, loop])
    assert ended == [True, True]

    def broken(_: threading.Event) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run_for(0.01, [broken, loop])
    assert len(ended) == 3


def test_failures_of_storage_fail_the_function(activity: Activity) -> None:
    """A relay and a worker that outlive failures end in an error, so that an alarm goes off."""
    outbox = MemoryStorage(RESOURCES).outbox
    user = CloudEvent(
        id="e1", source="s", type="user.created", subject="/u", time=TIME, partitionkey="u", data={}
    )
    failures = [ConnectionError("no database")]
    passed: list[CloudEvent] = []

    def deliver(events: Sequence[CloudEvent]) -> list[Message]:
        if failures:
            raise failures.pop()
        passed.extend(events)
        return []

    outbox.write([user])
    with pytest.raises(ConnectionError, match="no database"):
        run_for(1, [Relay(outbox, deliver).run])
    assert [one.id for one in passed] == ["e1"]

    activity.error = None
    run_for(0.05, [Relay(outbox, deliver).run])
