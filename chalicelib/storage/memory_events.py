"""The outbox and the deliveries of the engine that keeps everything in memory."""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET

from chalicelib.domain.deliveries import SETTLED, Delivery, Message
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.memory_records import MemoryRecords

_decode = msgspec.json.Decoder(CloudEvent).decode


class MemoryDeliveries:
    """See Deliveries and DeliveryQueue. The lock is that of `records`."""

    def __init__(self, records: MemoryRecords) -> None:
        self._records = records
        self._lock = records.lock
        # By webhook, then by id.
        self._messages: defaultdict[str, dict[str, Message]] = defaultdict(dict)

    def add(self, messages: Sequence[Message]) -> None:
        """See Deliveries."""
        with self._lock:
            for message in messages:
                own = self._messages[message.delivery.webhook_id]
                own.setdefault(message.delivery.id, message)

    def get(self, webhook_id: str, delivery_id: str) -> Message | None:
        """See Deliveries."""
        return self._messages.get(webhook_id, {}).get(delivery_id)

    def replace(self, delivery: Delivery, seen: Delivery) -> bool:
        """See Deliveries."""
        with self._lock:
            return self._replace(delivery, seen)

    def request(
        self,
        message: Message,
        seen: Delivery | None,
        record: IdempotencyRecord | None,
        now: int,
    ) -> bool:
        """See Deliveries."""
        delivery = message.delivery
        with self._lock:
            if record is not None and self._records.live(record.key, now):
                return False
            if seen is None:
                self._messages[delivery.webhook_id][delivery.id] = message
            elif not self._replace(delivery, seen):
                return False
            if record is not None:
                self._records.keep(record, delivery.id)
            return True

    def record(self, key: str, now: int) -> IdempotencyRecord | None:
        """See Deliveries."""
        with self._lock:
            return self._records.live(key, now)

    def due_webhooks(self, now: str) -> list[str]:
        """See DeliveryQueue."""
        with self._lock:
            return [
                webhook_id
                for webhook_id, own in sorted(self._messages.items())
                if any(_is_due(message.delivery, now) for message in own.values())
            ]

    def claim(self, webhook_id: str, now: str, until: str, limit: int) -> list[Message]:
        """See DeliveryQueue."""
        with self._lock:
            own = self._messages.get(webhook_id, {})
            due = [message for message in own.values() if _is_due(message.delivery, now)]
            due.sort(key=lambda it: (it.delivery.next_attempt_at, it.delivery.id))
            claimed = [
                Message(
                    msgspec.structs.replace(message.delivery, next_attempt_at=until),
                    message.payload,
                )
                for message in due[:limit]
            ]
            own.update((message.delivery.id, message) for message in claimed)
            return claimed

    def purge(self, now: int) -> None:
        """See DeliveryQueue."""
        with self._lock:
            for webhook_id, own in [*self._messages.items()]:
                kept = {key: one for key, one in own.items() if one.delivery.expires_at > now}
                if kept:
                    self._messages[webhook_id] = kept
                else:
                    del self._messages[webhook_id]

    def list(self, webhook_id: str, query: Query) -> Page[Delivery]:
        """See Deliveries."""
        with self._lock:
            own = self._messages.get(webhook_id, {})
            found = [own[key].delivery for key in sorted(own, reverse=not query.ascending)]
        after = query.after
        if after is not None:
            found = [
                one for one in found if (one.id > after if query.ascending else one.id < after)
            ]
        items = found[: query.limit]
        return Page(items, items[-1].id if len(found) > query.limit else None)

    def has_succeeded(self, webhook_id: str, since: str) -> bool:
        """See Deliveries."""
        with self._lock:
            own = [message.delivery for message in self._messages.get(webhook_id, {}).values()]
        return any(
            one.status == "succeeded"
            and one.last_attempt_at is not UNSET
            and one.last_attempt_at >= since
            for one in own
        )

    def _replace(self, delivery: Delivery, seen: Delivery) -> bool:
        own = self._messages.get(delivery.webhook_id, {})
        old = own.get(delivery.id)
        if old is None or _settled(old.delivery) != _settled(seen):
            return False
        own[delivery.id] = Message(delivery, old.payload)
        return True


class MemoryOutbox:
    """See Outbox."""

    def __init__(self, deliveries: MemoryDeliveries) -> None:
        self._deliveries = deliveries
        self._relaying = threading.Lock()
        # As JSON, so that `deliver` gets the same as from a database.
        self._events: list[str] = []

    def write(self, events: Sequence[CloudEvent]) -> None:
        """Keep events, in their order."""
        self._events.extend([event.to_json() for event in events])

    def relay(
        self, limit: int, deliver: Callable[[Sequence[CloudEvent]], Sequence[Message]]
    ) -> int:
        """See Outbox."""
        # A lock of its own: `deliver` reads the storage, and changes go on meanwhile, which only
        # append.
        with self._relaying:
            events = [_decode(text) for text in self._events[:limit]]
            if events:
                self._deliveries.add(deliver(events))
                del self._events[: len(events)]
            return len(events)

    def oldest(self) -> str | None:
        """See Outbox."""
        events = self._events[:1]
        return _decode(events[0]).time if events else None


def _settled(delivery: Delivery) -> list[object]:
    return [getattr(delivery, name) for name in SETTLED]


def _is_due(delivery: Delivery, now: str) -> bool:
    attempt = delivery.next_attempt_at
    return delivery.status == "pending" and attempt is not UNSET and attempt <= now
