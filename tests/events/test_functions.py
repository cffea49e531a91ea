"""The functions of events: what they pass on, and what they report."""

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.domain.deliveries import Deliveries, Delivery, Message
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.registry import RESOURCES
from chalicelib.events.functions import QueueFunction, StreamFunction, run_for
from chalicelib.events.queue import QueuedDelivery
from chalicelib.storage.factory import open_storage
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
        self.queue: Any = FakeQueue()
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
    assert stream.handle("e1", "d5", "!", "e2") == ["2"]
    assert stream.published == [["e1"]]
    assert [one.delivery_id for one in stream.queue.sent] == ["dlv_5"]
    assert isinstance(current().error, ValueError)
    assert current().detail == ": the record 2 failed and comes again"


def test_what_cannot_be_passed_on_is_found(stream: Stream) -> None:
    """Of a batch with one event that the bus refuses, exactly that one is reported."""
    stream.poison = {"e2"}
    assert stream.handle("e1", "e2", "e3") == ["1"]
    assert stream.published == [["e1"]]
    stream.poison = set()
    assert stream.handle("e2", "e3") == []
    assert stream.published == [["e1"], ["e2", "e3"]]


class Sender:
    """The queue's function, with waits and outcomes of attempts by delivery."""

    def __init__(self, deliveries: Deliveries) -> None:
        self.queue: Any = FakeQueue()
        self.waits: dict[str, float] = {}
        self.outcomes: dict[str, Any] = {}
        self.attempted: list[str] = []
        self._function = QueueFunction(deliveries, self._wait_of, self._attempt, self.queue)

    def handle(self, *bodies: object) -> list[str]:
        """Send what messages name, and return the ids of those that come again."""
        records = [
            {"messageId": str(number), "receiptHandle": f"r{number}", "body": json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
        return [
            one["itemIdentifier"]
            for one in self._function({"Records": records})["batchItemFailures"]
        ]

    def _wait_of(self, message: Message) -> float:
        return self.waits.get(message.delivery.id, 0)

    def _attempt(self, message: Message) -> float | None:
        self.attempted.append(message.delivery.id)
        current().calls += 1
        outcome = self.outcomes.get(message.delivery.id)
        return outcome() if callable(outcome) else outcome


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
    sender.outcomes = {"dlv_1": None, "dlv_2": 300.0}
    assert sender.handle(body(1), body(2)) == ["1"]
    assert sender.queue.hidden == {"r1": 300.0}
    assert current().detail == ": 2 deliveries, 1 come again"
    assert (current().error, current().calls) == (None, 2)


def test_what_is_not_due_waits(sender: Sender, deliveries: Deliveries) -> None:
    """A delivery whose time has not come is not sent, and its message is hidden until then."""
    deliveries.add([message(1)])
    sender.waits = {"dlv_1": 7200.5}
    assert sender.handle(body(1)) == ["0"]
    assert sender.queue.hidden == {"r0": 7200.5}
    assert sender.attempted == []


def test_messages_about_the_past_are_dropped(sender: Sender, deliveries: Deliveries) -> None:
    """What is no longer pending, was forgotten, or was asked for again since, is not sent."""
    deliveries.add([message(1, status="succeeded"), message(2, requested_at="later")])
    assert sender.handle(body(1), body(2), body(3)) == []
    assert sender.attempted == []


def test_one_failure_keeps_nothing_else(sender: Sender, deliveries: Deliveries) -> None:
    """A message that is none of ours, or whose delivery fails unexpectedly, comes again alone."""
    deliveries.add([message(1), message(2)])

    def fail() -> None:
        raise RuntimeError("broken")

    sender.outcomes = {"dlv_1": fail}
    assert sender.handle(body(1), body(2), {"nonsense": 1}) == ["0", "2"]
    assert sorted(sender.attempted) == ["dlv_1", "dlv_2"]
    assert sender.queue.hidden == {}
    assert current().error is not None


def test_a_slow_endpoint_delays_no_other(sender: Sender, deliveries: Deliveries) -> None:
    """The deliveries of a batch are sent at the same time: each waits for all the others here."""
    deliveries.add([message(number) for number in range(10)])
    meeting = threading.Barrier(10, timeout=10)

    def meet() -> None:
        meeting.wait()

    sender.outcomes = {f"dlv_{number}": meet for number in range(10)}
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
