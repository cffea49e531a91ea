"""What the Lambda functions of events do with records and messages, and what they report.

A batch may succeed in part: the report names what has to come again.
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from chalicelib.domain.deliveries import Deliveries, Delivery, Message
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.service import milliseconds
from chalicelib.events.queue import QueuedDelivery
from chalicelib.telemetry.activity import current


class Queue(Protocol):
    """See WebhookQueue."""

    def send(self, deliveries: Sequence[QueuedDelivery]) -> None:
        """Queue deliveries."""

    def hide(self, receipt: str, seconds: float) -> None:
        """Let a received message come back later."""


Loop = Callable[[threading.Event], None]
"""What runs until an event is set."""

Record = Mapping[str, Any]
Report = dict[str, list[dict[str, str]]]

_log = logging.getLogger(__name__)

_THREADS = 10
"""As many messages as a batch has: they are sent at the same time."""


class StreamFunction:
    """Passes on what the records of the table's stream tell.

    - `event_of`, `due_delivery`: what a record tells; None for nothing.
    - `fan_out`: publishes events, and returns the deliveries that they make.
    - `deliveries`: keeps these. The stream then tells of them as well, as of every delivery that an
      administrator asks for, and `queue` gets them.
    """

    def __init__(
        self,
        event_of: Callable[[Record], CloudEvent | None],
        due_delivery: Callable[[Record], tuple[str, str, str] | None],
        fan_out: Callable[[Sequence[CloudEvent]], Sequence[Message]],
        deliveries: Deliveries,
        queue: Queue,
    ) -> None:
        self._event_of = event_of
        self._due_delivery = due_delivery
        self._fan_out = fan_out
        self._deliveries = deliveries
        self._queue = queue

    def __call__(self, event: Mapping[str, Any]) -> Report:
        """Pass on a batch of records, and report the first that could not be passed on.

        Lambda sends that one again, and all after it, so that the order is kept. A record may be
        passed on again after a failure. One that cannot be read never could be: it is logged, noted
        as the error of the activity, and left out, so that nothing waits behind it.
        """
        records = event["Records"]
        try:
            self._pass_on(records)
        except Exception:  # noqa: BLE001 - the next attempt tells what it is about
            return self._one_by_one(records)
        return {"batchItemFailures": []}

    def _one_by_one(self, records: Sequence[Record]) -> Report:
        """Pass on the records up to the one that fails."""
        for record in records:
            try:
                self._pass_on([record])
            except Exception as error:  # noqa: BLE001 - whatever it is, the record comes again
                number = record["dynamodb"]["SequenceNumber"]
                current().error = error
                current().detail = f": the record {number} failed and comes again"
                return _report([number])
        return _report([])

    def _pass_on(self, records: Sequence[Record]) -> None:
        told = [self._read(record) for record in records]
        events = [event for event, _ in told if event]
        due = [QueuedDelivery(*one) for _, one in told if one]
        messages = self._fan_out(events) if events else []
        if messages:
            self._deliveries.add(messages)
        if due:
            self._queue.send(due)
        current().detail = (
            f": {len(records)} records, {len(events)} events, {len(messages)} deliveries made,"
            f" {len(due)} queued"
        )

    def _read(self, record: Record) -> tuple[CloudEvent | None, tuple[str, str, str] | None]:
        try:
            return self._event_of(record), self._due_delivery(record)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            number = record["dynamodb"]["SequenceNumber"]
            _log.exception("The record %s of the stream cannot be read, and was left out", number)
            current().error = error
            return None, None


class QueueFunction:
    """Sends the deliveries that the messages of the queue name.

    - `deliveries`: where a delivery is read.
    - `attempt`: sends a delivery, keeps what has become of it, and returns that.
    - `now`: returns milliseconds since the Unix epoch.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        attempt: Callable[[Message], Delivery],
        queue: Queue,
        now: Callable[[], int] = milliseconds,
    ) -> None:
        self._deliveries = deliveries
        self._attempt = attempt
        self._queue = queue
        self._now = now

    def __call__(self, event: Mapping[str, Any]) -> Report:
        """Send a batch of deliveries at the same time, and report those that come again.

        They do after the time for which their message has been hidden, and those that met an
        unexpected failure after the queue's visibility time-out.
        """
        records = event["Records"]
        with ThreadPoolExecutor(_THREADS) as threads:
            # Each with the same activity, where the calls of storage are counted.
            futures = [threads.submit(copy_context().run, self._settle, one) for one in records]
            settled = [future.result() for future in futures]
        pending = [
            record["messageId"] for record, done in zip(records, settled, strict=True) if not done
        ]
        current().detail = f": {len(records)} deliveries, {len(pending)} come again"
        return _report(pending)

    def _settle(self, record: Record) -> bool:
        """Return whether a message has done its work."""
        try:
            asked = msgspec.json.decode(record["body"], type=QueuedDelivery)
            message = self._deliveries.get(asked.webhook_id, asked.delivery_id)
            if message is None or not _is_about(asked, message.delivery):
                return True
            delivery = message.delivery
            if self._wait(delivery) <= 0:
                delivery = self._attempt(message)
            if not _is_about(asked, delivery):
                return True
            self._queue.hide(record["receiptHandle"], self._wait(delivery))
        except Exception as error:  # noqa: BLE001 - the other deliveries are sent nevertheless
            current().error = error
        return False

    def _wait(self, delivery: Delivery) -> float:
        """Return in how many seconds a pending delivery is due."""
        if delivery.next_attempt_at is UNSET:
            return 0
        due = datetime.fromisoformat(delivery.next_attempt_at).timestamp()
        return due - self._now() / 1000


def _is_about(asked: QueuedDelivery, delivery: Delivery) -> bool:
    """Return whether a delivery is still to be sent as a message asks.

    If it was asked for again since, there is another message.
    """
    return delivery.status == "pending" and delivery.requested_at == asked.requested_at


def run_for(seconds: float, loops: Sequence[Loop]) -> None:
    """Run loops, each in a thread, and let them end after `seconds`; return when all have.

    Raises what a loop raises, or else the last error that they noted in the activity, so that the
    function fails, but not before it has done what it could.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(len(loops)) as threads:
        futures = [threads.submit(copy_context().run, loop, stop) for loop in loops]
        stop.wait(seconds)
        stop.set()
        for future in futures:
            future.result()
    error = current().error
    if error is not None:
        raise error


def _report(identifiers: Sequence[str]) -> Report:
    return {"batchItemFailures": [{"itemIdentifier": one} for one in identifiers]}
