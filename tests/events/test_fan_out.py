"""Fan-out: the bus gets every event, and each webhook those that it asked for."""

from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.domain.deliveries import Message
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.ids import new_id, timestamp
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Change
from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.domain.webhook_secrets import WebhookSecrets
from chalicelib.domain.webhooks import WEBHOOKS, Webhook
from chalicelib.events.fan_out import FanOut
from chalicelib.storage.memory import MemoryStorage
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


def test_a_bus_that_fails_makes_no_deliveries(storage: CountingStorage) -> None:
    """If events cannot be published, the call fails, so that all is done again."""
    a_webhook(storage)

    def publish(_: Sequence[CloudEvent]) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        fan_out(storage, publish=publish)([an_event()])
