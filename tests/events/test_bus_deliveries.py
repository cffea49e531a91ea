"""Deliveries to the bus: what it did not take at first gets there, or is given up with an error."""

import logging
from collections.abc import Sequence

import msgspec
import pytest
from msgspec import UNSET

from chalicelib.domain.deliveries import BUS, Delivery, Message, new_delivery
from chalicelib.domain.events import CloudEvent
from chalicelib.events.bus_deliveries import BusDeliveries
from chalicelib.events.fan_out import FanOut
from chalicelib.events.functions import run_for
from chalicelib.events.relay import Relay
from chalicelib.events.schedule import Schedule
from chalicelib.events.worker import DeliveryWorker
from chalicelib.telemetry.activity import begin
from tests.events.webhook_storage import Clock, Webhooks
from tests.support.event_factories import an_event


class Bus:
    """A bus that fails while it is told to."""

    def __init__(self) -> None:
        self.fails = False
        self.got: list[CloudEvent] = []

    def publish(self, events: Sequence[CloudEvent]) -> None:
        """Take events."""
        if self.fails:
            raise ConnectionError("no bus")
        self.got += events


class Setting:
    """A bus, and deliveries to it and to webhooks."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.webhooks = Webhooks()
        self.clock: Clock = self.webhooks.clock
        self.to_webhooks: list[Message] = []
        self.sender = self.made(self.bus)

    def made(self, bus: Bus | None) -> BusDeliveries:
        """Return what attempts deliveries."""
        publish = bus.publish if bus else None
        return BusDeliveries(publish, self.webhooks.storage.deliveries, self.other, now=self.clock)

    def other(self, message: Message) -> Delivery:
        """Attempt a delivery to a webhook."""
        self.to_webhooks.append(message)
        return message.delivery

    def kept(self) -> Message:
        """Keep an event that the bus has not taken."""
        message = new_delivery(an_event(), None, self.clock())
        self.webhooks.storage.deliveries.add([message])
        return message


@pytest.fixture
def setting() -> Setting:
    """Return an empty setting."""
    return Setting()


def test_the_bus_gets_what_it_did_not_take(setting: Setting) -> None:
    """The event is published as it was, and its delivery has succeeded; webhooks are not asked."""
    message = setting.kept()

    delivery = setting.sender.attempt(message)

    assert [event.to_json() for event in setting.bus.got] == [message.payload]
    assert (delivery.status, delivery.attempts) == ("succeeded", 1)
    assert delivery.next_attempt_at is UNSET
    assert setting.webhooks.now(message).delivery == delivery
    assert setting.to_webhooks == []


def test_webhooks_get_the_rest(setting: Setting) -> None:
    """A delivery to a webhook goes to what sends to webhooks, and not to the bus."""
    message = setting.webhooks.delivery(setting.webhooks.add())
    assert setting.sender.attempt(message) == message.delivery
    assert setting.to_webhooks == [message]
    assert setting.bus.got == []


def test_a_bus_that_never_works_is_given_up(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten attempts in about three days fail, each with its error; then the end is logged."""
    caplog.set_level(logging.ERROR)
    setting.bus.fails = True
    message, started = setting.kept(), setting.clock()
    while message.delivery.status == "pending":
        activity = begin()
        assert not caplog.records
        setting.clock.until(message.delivery.next_attempt_at)
        message = msgspec.structs.replace(message, delivery=setting.sender.attempt(message))
        assert isinstance(activity.error, ConnectionError)
        assert setting.webhooks.now(message) == message

    assert message.delivery.status == "failed"
    assert message.delivery.error == "The bus did not take it: no bus"
    assert message.delivery.attempts == 10
    assert 2.5 < (setting.clock() - started) / 86_400_000 < 4
    [record] = caplog.records
    assert record.getMessage() == (
        f"The bus does not get the event {message.delivery.event_id}:"
        " The bus did not take it: no bus"
    )


def test_without_a_bus_nothing_waits_for_it(setting: Setting) -> None:
    """If the setting names no bus any more, what waits for it is given up at once."""
    delivery = setting.made(None).attempt(setting.kept())
    assert (delivery.status, delivery.error) == ("failed", "There is no bus any more.")
    assert delivery.next_attempt_at is UNSET


def test_a_delivery_that_is_gone_is_done(setting: Setting) -> None:
    """A delivery that expires during its attempt is not kept anew."""
    message = new_delivery(an_event(), None, setting.clock())
    assert setting.sender.attempt(message).status == "succeeded"
    assert setting.webhooks.storage.deliveries.get(BUS, message.delivery.id) is None


def test_the_queue_in_the_database_serves_the_bus(setting: Setting) -> None:
    """A worker sends what is due to the bus, as it does to webhooks."""
    begin()
    setting.kept()
    setting.webhooks.delivery(setting.webhooks.add())
    worker = DeliveryWorker(setting.webhooks.storage.deliveries, setting.sender, now=setting.clock)
    run_for(0.3, [worker.run])
    assert (len(setting.bus.got), len(setting.to_webhooks)) == (1, 1)


def test_a_failing_bus_fails_the_function(setting: Setting) -> None:
    """A function that runs for a while ends in the error of the bus, after it has sent the rest."""
    begin()
    setting.bus.fails = True
    setting.kept()
    setting.webhooks.delivery(setting.webhooks.add())
    worker = DeliveryWorker(setting.webhooks.storage.deliveries, setting.sender, now=setting.clock)
    with pytest.raises(ConnectionError, match="no bus"):
        run_for(0.3, [worker.run])
    assert len(setting.to_webhooks) == 1


def test_a_bus_that_was_away_gets_everything(setting: Setting) -> None:
    """While the bus is away webhooks get what happens; when it is back, it gets all of it too."""
    storage, endpoints = setting.webhooks.storage, setting.webhooks.endpoints
    setting.webhooks.add()
    soon = Schedule((0.05,) * 1000)
    sender = BusDeliveries(setting.bus.publish, storage.deliveries, setting.other, schedule=soon)
    loops = [
        Relay(storage.outbox, FanOut(endpoints, setting.bus.publish)).run,
        DeliveryWorker(storage.deliveries, sender).run,
    ]
    events = [an_event() for _ in range(5)]
    storage.outbox.write(events)

    begin()
    setting.bus.fails = True
    with pytest.raises(ConnectionError):
        run_for(0.5, loops)
    expected = {event.id for event in events}
    assert {message.delivery.event_id for message in setting.to_webhooks} == expected
    assert setting.bus.got == []

    begin()
    setting.bus.fails = False
    run_for(1, loops)
    assert {event.id for event in setting.bus.got} == expected
