"""What an attempt makes of a delivery, wherever it was sent."""

import msgspec
from msgspec import UNSET

from chalicelib.domain import ids
from chalicelib.domain.deliveries import Deliveries, Delivery


def settled(
    delivery: Delivery, error: str, *, started: int, now: int, delay: float | None
) -> Delivery:
    """Return a delivery after an attempt from `started` to `now` (milliseconds).

    `error` says why it failed, "" if it did not, and `delay` in how many seconds the next attempt
    follows, None if none does.
    """
    failed = "failed" if delay is None else "pending"
    return msgspec.structs.replace(
        delivery,
        status=failed if error else "succeeded",
        attempts=delivery.attempts + 1,
        last_attempt_at=ids.timestamp(started),
        next_attempt_at=UNSET if delay is None else ids.timestamp(now + int(delay * 1000)),
        duration_ms=now - started,
        error=error or UNSET,
    )


def current(deliveries: Deliveries, delivery: Delivery) -> Delivery:
    """Return a delivery as somebody else has just made it; it may be gone by now."""
    found = deliveries.get(delivery.webhook_id, delivery.delivery_id)
    return delivery if found is None else found.delivery
