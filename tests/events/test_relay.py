"""The relay: empties the outbox, and goes on whatever fails."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import pytest

from chalicelib.domain.deliveries import Message
from chalicelib.domain.events import CloudEvent
from chalicelib.events.relay import Relay
from chalicelib.storage.memory_events import MemoryDeliveries, MemoryOutbox
from chalicelib.storage.memory_records import MemoryRecords
from chalicelib.telemetry.activity import begin
from tests.support.event_factories import TIME, an_event

PATIENCE = 10


@pytest.fixture
def outbox() -> MemoryOutbox:
    """Return an empty outbox."""
    return MemoryOutbox(MemoryDeliveries(MemoryRecords()))


class Receiver:
    """Gets events; fails as often as `failures` says."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.got: list[str] = []
        self.sizes: list[int] = []

    def __call__(self, events: Sequence[CloudEvent]) -> list[Message]:
        """Receive events."""
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no bus")
        self.got += [event.id for event in events]
        self.sizes.append(len(events))
        return []


def filled(outbox: MemoryOutbox, number: int) -> list[str]:
    """Write so many events, and return their ids."""
    events = [an_event() for _ in range(number)]
    outbox.write(events)
    return [event.id for event in events]


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_an_outbox_is_drained(outbox: MemoryOutbox) -> None:
    """Everything is passed on in order, in batches, and counted; then nothing is left."""
    receiver, expected = Receiver(), filled(outbox, 250)
    relay = Relay(outbox, receiver)

    assert relay.drain() == 250
    assert relay.drain() == 0
    assert receiver.got == expected
    assert max(receiver.sizes) == 100


def test_a_failure_ends_a_drain(outbox: MemoryOutbox) -> None:
    """The failure is the caller's to handle, and the events are there for the next time."""
    receiver, expected = Receiver(failures=1), filled(outbox, 3)
    relay = Relay(outbox, receiver)

    with pytest.raises(ConnectionError):
        relay.drain()
    assert relay.drain() == 3
    assert receiver.got == expected


def test_a_thread_relays_what_comes(outbox: MemoryOutbox, caplog: pytest.LogCaptureFixture) -> None:
    """The loop passes on what is written meanwhile, outlives failures, and stops when asked."""
    caplog.set_level(logging.WARNING)
    receiver, stop = Receiver(failures=2), threading.Event()
    thread = threading.Thread(target=Relay(outbox, receiver).run, args=(stop, 0.01))
    expected = filled(outbox, 2)
    thread.start()
    try:
        until(lambda: receiver.got == expected)
        expected += filled(outbox, 150)
        until(lambda: receiver.got == expected)
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    messages = [record.getMessage() for record in caplog.records]
    assert (
        messages
        == ["Events stay in the outbox, to be relayed later: ConnectionError('no bus')"] * 2
    )


def test_a_thread_stops_although_it_waits(outbox: MemoryOutbox) -> None:
    """A loop that waits for its next turn ends at once when it is asked to."""
    stop = threading.Event()
    thread = threading.Thread(target=Relay(outbox, Receiver()).run, args=(stop, 60.0))
    thread.start()
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.parametrize(("failures", "age"), [(0, 0), (10**6, 90)])
def test_a_relay_says_how_old_the_oldest_event_is(
    outbox: MemoryOutbox, failures: int, age: int
) -> None:
    """At its end the activity has the age of what is left, in seconds; 0 if nothing is."""
    activity, stop = begin(), threading.Event()
    filled(outbox, 2)
    written = int(datetime.fromisoformat(TIME).timestamp() * 1000)
    receiver = Receiver(failures)

    def until_asked(events: Sequence[CloudEvent]) -> list[Message]:
        stop.set()
        return receiver(events)

    Relay(outbox, until_asked, lambda: written + 90_500).run(stop, 0.01)

    assert activity.outbox_age == age
