"""Fan-out: the bus gets every event, and each webhook those that it asked for."""

from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.domain.deliveries import BUS, Message
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.ids import new_id, timestamp
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Change
from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.domain.webhook_secrets import WebhookSecrets
from chalicelib.domain.webhooks import WEBHOOKS, Webhook
from chalicelib.events.fan_out import FanOut
from chalicelib.storage.memory import MemoryStorage
from chalicelib.telemetry.activity import begin
from tests.support.event_factories import an_event
from tests.support.factories import LATER, NOW
from tests.support.resource_case import TIMES

SECONDS = NOW * 1000 + 5_250


class CountingStorage(MemoryStorage):
    """Storage that counts how often lists are read."""

    lists = 0

    def list(self, *arguments: Any, **options: Any) -> Any:
        """Read a list."""
        self.lists += 1
        return super().list(*arguments, **options)


@pytest.fixture
def storage() -> CountingStorage:
    """Return an empty storage."""
    return CountingStorage(RESOURCES)


def fan_out(storage: MemoryStorage, **options: Any) -> FanOut:
    """Return what passes events on to the webhooks in the storage."""
    secrets = WebhookSecrets(lambda: b"k" * 32)
    endpoints = WebhookEndpoints(storage, history=False, secrets=secrets)
    return FanOut(endpoints, now=lambda: SECONDS, **options)


def a_webhook(storage: MemoryStorage, *event_types: str, **fields: Any) -> Webhook:
    """Keep a webhook."""
    defaults: dict[str, Any] = {
        "webhook_id": new_id("whk_", NOW * 1000),
        "url": "https://hooks.example.com",
        "event_types": [*event_types],
        "status": "enabled",
        "metadata": {},
        "secret_version": 1,
        "previous_secrets": [],
    }
    webhook = Webhook(**TIMES | defaults | fields)
    storage.create(WEBHOOKS, webhook, None, NOW)
    return webhook


def pairs(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Return the event and the webhook of each delivery."""
    return [(one.delivery.event_id, one.delivery.webhook_id) for one in messages]


def test_each_webhook_gets_what_it_asked_for(storage: CountingStorage) -> None:
    """An event goes to the enabled webhooks that name its type, or none; in the events' order."""
    every, paid = a_webhook(storage), a_webhook(storage, "order.paid", "user.deleted")
    off = a_webhook(storage, status="disabled")
    created, payment = an_event(), an_event(type="order.paid")

    messages = fan_out(storage)([payment, created])

    assert sorted(pairs(messages)[:2]) == sorted(
        [(payment.id, every.webhook_id), (payment.id, paid.webhook_id)]
    )
    assert pairs(messages)[2:] == [(created.id, every.webhook_id)]
    assert off.webhook_id not in {webhook for _, webhook in pairs(messages)}


def test_a_new_delivery_is_due_at_once(storage: CountingStorage) -> None:
    """A delivery has the event as its payload, and is to be sent now."""
    webhook, event = a_webhook(storage), an_event(type="user.updated")

    (message,) = fan_out(storage)([event])

    delivery = message.delivery
    assert message.payload == event.to_json()
    assert (delivery.webhook_id, delivery.event_id) == (webhook.webhook_id, event.id)
    assert (delivery.event_type, delivery.status) == ("user.updated", "pending")
    assert delivery.next_attempt_at == delivery.created_at == timestamp(SECONDS)
    assert delivery.attempts == 0


def test_a_repetition_makes_the_same_deliveries(storage: CountingStorage) -> None:
    """The same event and webhook always make the same id, and no others do."""
    for _ in range(3):
        a_webhook(storage)
    events = [an_event() for _ in range(3)]
    deliver = fan_out(storage)

    first, second = deliver(events), deliver(events)

    made = [message.delivery.id for message in first]
    assert made == [message.delivery.id for message in second]
    assert len(set(made)) == 9


def test_webhooks_are_read_once_for_many_events(storage: CountingStorage) -> None:
    """All events of a call go to the same webhooks, which are read once, on every page."""
    webhooks = {a_webhook(storage).webhook_id for _ in range(150)}
    deliver = fan_out(storage)

    messages = deliver([an_event() for _ in range(3)])

    assert {webhook for _, webhook in pairs(messages)} == webhooks
    assert len(messages) == 450
    assert storage.lists == 2


def test_a_change_of_a_webhook_counts_at_the_next_call(storage: CountingStorage) -> None:
    """A webhook that is disabled, or created, gets no more events, or from now on."""
    old, deliver = a_webhook(storage), fan_out(storage)
    assert len(deliver([an_event()])) == 1
    change = Change(values={"status": "disabled"}, updated_at=LATER)
    storage.change(WEBHOOKS, (old.webhook_id,), change)
    new = a_webhook(storage)

    assert [webhook for _, webhook in pairs(deliver([an_event()]))] == [new.webhook_id]


def test_the_bus_gets_every_event(storage: CountingStorage) -> None:
    """All events are published, in order, whether a webhook receives them or not."""
    published: list[CloudEvent] = []
    deliver = fan_out(storage, publish=published.extend)
    events = [an_event() for _ in range(3)]

    assert deliver(events) == []
    assert deliver([]) == []
    assert published == events


def test_a_bus_that_fails_delays_no_webhook(storage: CountingStorage) -> None:
    """What the bus does not take is a delivery to it, behind those to webhooks; nothing is lost."""
    webhook, activity, tried = a_webhook(storage), begin(), 0

    def publish(_: Sequence[CloudEvent]) -> None:
        nonlocal tried
        tried += 1
        raise ConnectionError

    events = [an_event() for _ in range(2)]
    deliver = fan_out(storage, publish=publish)
    messages = deliver(events)

    assert pairs(messages) == [
        (event.id, receiver) for receiver in (webhook.webhook_id, BUS) for event in events
    ]
    assert [one.payload for one in messages[2:]] == [event.to_json() for event in events]
    assert isinstance(activity.error, ConnectionError)
    # Waiting for a broken bus again and again would hold up webhooks.
    assert pairs(deliver(events)) == pairs(messages)
    assert tried == 1


def test_a_bus_that_failed_is_tried_again(storage: CountingStorage) -> None:
    """After 30 seconds events go straight to the bus again."""
    published: list[CloudEvent] = []
    failures, now = [ConnectionError()], SECONDS

    def publish(events: Sequence[CloudEvent]) -> None:
        if failures:
            raise failures.pop()
        published.extend(events)

    secrets = WebhookSecrets(lambda: b"k" * 32)
    endpoints = WebhookEndpoints(storage, history=False, secrets=secrets)
    deliver = FanOut(endpoints, publish, now=lambda: now)
    event = an_event()
    assert pairs(deliver([event])) == [(event.id, BUS)]
    now += 29_999
    assert pairs(deliver([event])) == [(event.id, BUS)]
    now += 1
    assert deliver([event]) == []
    assert published == [event]
