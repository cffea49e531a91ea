"""Factories of events and deliveries, with defaults for what a test leaves out."""

import itertools
from typing import Any

from chalicelib.domain import ids
from chalicelib.domain.deliveries import Delivery, Message
from chalicelib.domain.events import CloudEvent
from tests.support.factories import NOW

TIME = "2026-11-18T11:06:40.000Z"
"""NOW as events and deliveries have it."""

_clock = itertools.count(NOW * 1000)


def new_webhook_id() -> str:
    """Return the id of a webhook, which sorts after all earlier ones."""
    return ids.new_id("whk_", next(_clock))


def at(seconds: float) -> str:
    """Return the time so many seconds after NOW."""
    return ids.timestamp(int((NOW + seconds) * 1000))


def an_event(**members: Any) -> CloudEvent:
    """Return the event of a user's creation."""
    user_id = ids.new_id("usr_", next(_clock))
    defaults: dict[str, Any] = {
        "id": f"{user_id}_1",
        "source": "https://api.example.com",
        "type": "user.created",
        "subject": f"/users/{user_id}",
        "time": TIME,
        "partitionkey": user_id,
        "sequence": f"{1:016}",
        "data": {"user": {"user_id": user_id, "name": "Zoë \U0001f335"}},
    }
    return CloudEvent(**defaults | members)


def a_delivery(webhook_id: str, **members: Any) -> Message:
    """Return a delivery that is due at NOW, with an id that sorts after all earlier ones."""
    event = an_event()
    defaults: dict[str, Any] = {
        "delivery_id": ids.new_id("dlv_", next(_clock)),
        "webhook_id": webhook_id,
        "event_id": event.id,
        "event_type": event.type,
        "status": "pending",
        "created_at": TIME,
        "requested_at": TIME,
        "next_attempt_at": TIME,
    }
    return Message(Delivery(**defaults | members), event.to_json())
