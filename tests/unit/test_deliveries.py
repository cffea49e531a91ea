"""What administrators ask of deliveries, while senders are at work."""

import pytest
from msgspec.structs import replace

from chalicelib.domain.deliveries import DeliveryService, Message
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.idempotency import LIFETIME, IdempotencyKey
from chalicelib.storage.memory_events import MemoryDeliveries
from chalicelib.storage.memory_records import MemoryRecords
from tests.events.webhook_storage import Webhooks


class Busy(MemoryDeliveries):
    """Deliveries of which attempts end just after they were read, `endings` times."""

    def __init__(self, endings: int) -> None:
        super().__init__(MemoryRecords())
        self.endings = endings

    def get(self, webhook_id: str, delivery_id: str) -> Message | None:
        """See Deliveries."""
        found = super().get(webhook_id, delivery_id)
        if found is not None and self.endings:
            self.endings -= 1
            seen = found.delivery
            assert self.replace(replace(seen, attempts=seen.attempts + 1), seen)
        return found


def asked_again(endings: int) -> Message | None:
    """Ask for a delivery whose attempts end meanwhile, and return it as it is then."""
    webhooks, deliveries = Webhooks(), Busy(endings)
    message = webhooks.delivery(webhooks.add())
    deliveries.add([message])
    path = message.delivery.webhook_id, message.delivery.delivery_id
    webhooks.clock.pass_seconds(60)
    service = DeliveryService(lambda: deliveries, webhooks.service, "urn:test", webhooks.clock)
    returned = service.send_again(*path, None).result
    found = deliveries.get(*path)
    assert found is not None
    assert returned.requested_at == found.delivery.requested_at
    return found


@pytest.mark.parametrize("endings", [0, 1, 5])
def test_sending_again_is_not_lost_to_an_attempt_that_ends(endings: int) -> None:
    """What is asked for is kept, although attempts end between its read and its write."""
    found = asked_again(endings)
    assert found is not None
    delivery = found.delivery
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    assert delivery.requested_at > delivery.created_at
    assert delivery.next_attempt_at == delivery.requested_at


@pytest.mark.parametrize("endings", [0, 3])
def test_a_repeated_request_starts_over_once(endings: int) -> None:
    """However the delivery changes meanwhile, the request's retry only gets its first response."""
    webhooks, deliveries = Webhooks(), Busy(endings)
    message = webhooks.delivery(webhooks.add())
    deliveries.add([message])
    path = message.delivery.webhook_id, message.delivery.delivery_id
    service = DeliveryService(lambda: deliveries, webhooks.service, "urn:test", webhooks.clock)
    key = IdempotencyKey("boss", "a key", "/the/path")
    first = service.send_again(*path, key)
    asked = deliveries.get(*path)
    assert asked is not None
    done = replace(asked.delivery, status="succeeded", attempts=1)
    assert deliveries.replace(done, asked.delivery)

    webhooks.clock.pass_seconds(LIFETIME - 1)
    repeated = service.send_again(*path, key)
    assert (repeated.result, repeated.replayed) == (first.result, True)
    assert deliveries.get(*path) == Message(done, message.payload)

    webhooks.clock.pass_seconds(1)
    assert not service.send_again(*path, key).replayed


def test_asking_again_ends() -> None:
    """If the delivery changes each time, the caller is told to try later."""
    with pytest.raises(Unavailable):
        asked_again(10**6)
