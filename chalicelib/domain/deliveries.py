"""Deliveries: the sending of an event to a webhook, and what has become of it."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, runtime_checkable
from uuid import uuid4

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain import ids
from chalicelib.domain.errors import Conflict, NotFound, Unavailable
from chalicelib.domain.events import TEST_EVENT, CloudEvent, EventId, EventType
from chalicelib.domain.fields import Timestamp, id_field
from chalicelib.domain.idempotency import Done, IdempotencyKey, IdempotencyRecord
from chalicelib.domain.pagination import PageQuery
from chalicelib.domain.service import milliseconds
from chalicelib.domain.storage import Page, Query, Storage
from chalicelib.domain.webhooks import Webhook, WebhookId, WebhookService

LIFETIME = 7 * 24 * 60 * 60
"""How long a delivery is kept after sending was last asked for, in seconds."""

BUS = "bus"
"""In place of a webhook's id: the deliveries of what the event bus did not take at first."""

_TRIES = 10


class DeliveryNotFound(NotFound):
    """The webhook has no such delivery, or it was too long ago."""

    name = "delivery-not-found"
    title = "Delivery not found"
    explanation = "The webhook has no delivery with this id; deliveries are kept for seven days."
    detail = "This webhook has no delivery with this id."


class WebhookDisabled(Conflict):
    """Nothing is sent to a disabled webhook."""

    name = "webhook-disabled"
    title = "Webhook disabled"
    explanation = "Nothing is sent to a disabled webhook, until an administrator enables it again."
    detail = "The webhook is disabled; set its status to 'enabled' first."


SETTLED = ("requested_at", "attempts", "status")
"""What differs of a delivery once an attempt has ended, or sending was asked for again."""

DeliveryId = Annotated[
    str, id_field("dlv_", "delivery", "019a9d3d2f187a4b8c1d2e3f4a5b6c7d", DeliveryNotFound)
]
DeliveryStatus = Annotated[
    Literal["pending", "succeeded", "failed"],
    Meta(
        title="DeliveryStatus",
        description=(
            "Whether it is still to be sent, was received with a status of 2xx, or was given up."
        ),
    ),
]


class Delivery(Struct, frozen=True, kw_only=True):
    """The sending of one event to one webhook, as administrators read it."""

    delivery_id: DeliveryId
    webhook_id: WebhookId
    event_id: EventId
    event_type: EventType
    status: DeliveryStatus
    attempts: Annotated[int, Meta(ge=0, description="How often it was tried.", examples=[1])] = 0
    created_at: Timestamp
    requested_at: Annotated[
        Timestamp, Meta(description="When sending was last asked for: at first, or again.")
    ]
    next_attempt_at: (
        Annotated[Timestamp, Meta(description="When it will be tried next, while it is pending.")]
        | UnsetType
    ) = UNSET
    last_attempt_at: (
        Annotated[Timestamp, Meta(description="When it was last tried.")] | UnsetType
    ) = UNSET
    response_status: (
        Annotated[
            int,
            Meta(description="The status of the last response, if there was one.", examples=[204]),
        ]
        | UnsetType
    ) = UNSET
    duration_ms: (
        Annotated[
            int,
            Meta(
                ge=0, description="How long the last attempt took, in milliseconds.", examples=[85]
            ),
        ]
        | UnsetType
    ) = UNSET
    error: (
        Annotated[
            str,
            Meta(
                description="Why the last attempt failed.",
                examples=["The endpoint did not respond within 15 seconds."],
            ),
        ]
        | UnsetType
    ) = UNSET

    @property
    def id(self) -> str:
        """The delivery's id."""
        return self.delivery_id

    @property
    def expires_at(self) -> int:
        """When storage forgets the delivery, in seconds since the Unix epoch."""
        return int(datetime.fromisoformat(self.requested_at).timestamp()) + LIFETIME


class DeliveryWithEvent(Delivery, frozen=True, kw_only=True):
    """A delivery with the event that it sends."""

    event: CloudEvent


class Message(Struct, frozen=True):
    """A delivery, and `payload`, the JSON text of its event: the exact body that is sent."""

    delivery: Delivery
    payload: str


class Deliveries(Protocol):
    """The port to storage for deliveries; each method is atomic. Raises Unavailable.

    Deliveries are forgotten once they have expired (see `Delivery.expires_at`).
    """

    def add(self, messages: Sequence[Message]) -> None:
        """Keep deliveries; those whose ids are known stay as they are."""

    def get(self, webhook_id: str, delivery_id: str) -> Message | None:
        """Return a delivery as last written, None if there is none."""

    def list(self, webhook_id: str, query: Query) -> Page[Delivery]:
        """Return a page of a webhook's deliveries, in the order of their ids.

        Of the query, `limit`, `ascending` and `after` count.
        """

    def replace(self, delivery: Delivery, seen: Delivery) -> bool:
        """Keep what has become of a delivery, unless it has changed since it was `seen`.

        Return whether all that `SETTLED` names was still as seen; if not, nothing changes.
        """

    def request(
        self,
        message: Message,
        seen: Delivery | None,
        record: IdempotencyRecord | None,
        now: int,
    ) -> bool:
        """Keep a delivery that is asked for, together with `record`; a new one if none was `seen`.

        Return whether it was kept. If a live record (one that expires after `now`, in seconds) has
        the key already, or the delivery has changed since (see `replace`), nothing is written.
        """

    def record(self, key: str, now: int) -> IdempotencyRecord | None:
        """Return the live record of a key at `now` (seconds), None if there is none."""

    def has_succeeded(self, webhook_id: str, since: str) -> bool:
        """Return whether any of a webhook's deliveries succeeded at a time or later.

        An engine may look at no more than the latest tens of thousands of them.
        """


class DeliveryQueue(Protocol):
    """What an engine that queues deliveries itself adds. All times are RFC 3339 UTC texts."""

    def due_webhooks(self, now: str) -> list[str]:
        """Return the ids of the webhooks with a pending delivery whose time has come."""

    def claim(self, webhook_id: str, now: str, until: str, limit: int) -> list[Message]:
        """Return up to `limit` of the webhook's due deliveries, the longest due first.

        Nobody else gets them before `until`, which becomes their `next_attempt_at`.
        """

    def purge(self, now: int) -> None:
        """Remove what has expired at `now`, in seconds since the Unix epoch."""


class Outbox(Protocol):
    """Events that were written together with changes and have not been passed on yet."""

    def relay(
        self, limit: int, deliver: Callable[[Sequence[CloudEvent]], Sequence[Message]]
    ) -> int:
        """Pass on up to `limit` events, in order for each subject, and return how many.

        `deliver` gets the events and returns the deliveries that they make, which are kept in the
        transaction that removes the events. If it raises, the events stay. Two relays at once
        never get the same event, nor one an event whose predecessor the other one has.
        """

    def oldest(self) -> str | None:
        """Return the time of the event that was written first, None if there is none."""


class EventfulStorage(Storage, Protocol):
    """Storage that also keeps what is sent to webhooks: every engine."""

    @property
    def deliveries(self) -> Deliveries:
        """The deliveries."""


class QueuedDeliveries(Deliveries, DeliveryQueue, Protocol):
    """Deliveries in a database that is their queue as well."""


@runtime_checkable
class QueueingStorage(EventfulStorage, Protocol):
    """Storage that queues events and deliveries itself: SQL and memory.

    `isinstance` tells it from DynamoDB, whose stream is the outbox and where SQS is the queue.
    """

    @property
    def deliveries(self) -> QueuedDeliveries:
        """The deliveries, and their queue."""

    @property
    def outbox(self) -> Outbox:
        """The events that have not been passed on."""


def new_delivery(event: CloudEvent, webhook: Webhook | None, now: int) -> Message:
    """Return an event's first delivery to a webhook, None for the bus, at `now` (milliseconds).

    Its id follows from both, so that a repetition makes no second one.
    """
    webhook_id = BUS if webhook is None else webhook.webhook_id
    made_at = int(datetime.fromisoformat(event.time).timestamp() * 1000)
    digest = hashlib.sha256(f"{event.id}\n{webhook_id}".encode()).hexdigest()
    timestamp = ids.timestamp(now)
    delivery = Delivery(
        # In UUIDv8's form, whose time makes ids sort as others do (RFC 9562 §5.8).
        delivery_id=f"dlv_{made_at:012x}8{digest[:3]}8{digest[3:18]}",
        webhook_id=webhook_id,
        event_id=event.id,
        event_type=event.type,
        status="pending",
        created_at=timestamp,
        requested_at=timestamp,
        next_attempt_at=timestamp,
    )
    return Message(delivery, event.to_json())


def new_test_event(webhook_id: str, source: str, now: int) -> CloudEvent:
    """Return an event by which an administrator tests a webhook, at `now` (milliseconds)."""
    return CloudEvent(
        id=f"test_{uuid4().hex}",
        source=source,
        type=TEST_EVENT,
        subject=f"/webhooks/{webhook_id}",
        time=ids.timestamp(now),
        partitionkey=webhook_id,
        data={"webhook_id": webhook_id},
    )


def receives(webhook: Webhook, event: CloudEvent) -> bool:
    """Return whether the event is sent to the webhook."""
    types = webhook.event_types
    return webhook.status == "enabled" and (not types or event.type in types)


class DeliveryService:
    """Shows what was sent to webhooks, and sends it again.

    `source` is the `source` of test events; `now` returns milliseconds since the Unix epoch.
    """

    def __init__(
        self,
        deliveries: Callable[[], Deliveries],
        webhooks: WebhookService,
        source: str,
        now: Callable[[], int] = milliseconds,
    ) -> None:
        self._deliveries = deliveries
        self._webhooks = webhooks
        self._source = source
        self._now = now

    def list(self, webhook_id: str, query: PageQuery) -> Page[Delivery]:
        """Return a page of what was sent to a webhook. Raises WebhookNotFound."""
        self._webhooks.get(webhook_id)
        return self._deliveries().list(webhook_id, query.page())

    def get(self, webhook_id: str, delivery_id: str) -> DeliveryWithEvent:
        """Return a delivery with its event. Raises WebhookNotFound, DeliveryNotFound."""
        self._webhooks.get(webhook_id)
        return _with_event(self._existing(webhook_id, delivery_id))

    def send_again(
        self, webhook_id: str, delivery_id: str, key: IdempotencyKey | None
    ) -> Done[DeliveryWithEvent]:
        """Ask for a delivery to be sent again, with all its attempts.

        Raises WebhookNotFound, WebhookDisabled, DeliveryNotFound, CreationUndone, KeyReused, and
        Unavailable if the delivery changes each time before it can be asked for.
        """

        def again(now: int) -> tuple[Message, Delivery]:
            message, time = self._existing(webhook_id, delivery_id), ids.timestamp(now)
            asked = msgspec.structs.replace(
                message.delivery,
                status="pending",
                attempts=0,
                requested_at=time,
                next_attempt_at=time,
            )
            return Message(asked, message.payload), message.delivery

        return self._ask(self._webhooks.get(webhook_id), key, again)

    def send_test(self, webhook_id: str, key: IdempotencyKey | None) -> Done[DeliveryWithEvent]:
        """Send a test event to a webhook, whatever types of events it names.

        Raises WebhookNotFound, WebhookDisabled, CreationUndone, KeyReused.
        """
        webhook = self._webhooks.get(webhook_id)

        def test(now: int) -> tuple[Message, None]:
            event = new_test_event(webhook_id, self._source, now)
            return new_delivery(event, webhook, now), None

        return self._ask(webhook, key, test)

    def _ask(
        self,
        webhook: Webhook,
        key: IdempotencyKey | None,
        delivery_at: Callable[[int], tuple[Message, Delivery | None]],
    ) -> Done[DeliveryWithEvent]:
        """Ask for a delivery once for each key.

        `delivery_at` returns what is asked for at a time (milliseconds), and the delivery as it was
        before, None for a new one.
        """
        for _ in range(_TRIES):
            now = self._now()
            message, seen = delivery_at(now)
            # Without the event: the delivery has it, and outlives the record.
            record = key.record(None, message.delivery, now // 1000) if key else None
            if record is not None:
                earlier = self._deliveries().record(record.key, now // 1000)
                if earlier is not None:
                    return self._replayed(earlier.replay(record, Delivery))
            if webhook.status != "enabled":
                raise WebhookDisabled
            if self._deliveries().request(message, seen, record, now // 1000):
                return Done(_with_event(message))
        raise Unavailable

    def _replayed(self, first: Delivery) -> Done[DeliveryWithEvent]:
        payload = self._existing(first.webhook_id, first.delivery_id).payload
        return Done(_with_event(Message(first, payload)), replayed=True)

    def _existing(self, webhook_id: str, delivery_id: str) -> Message:
        message = self._deliveries().get(webhook_id, delivery_id)
        if message is None:
            raise DeliveryNotFound
        return message


def _with_event(message: Message) -> DeliveryWithEvent:
    fields: dict[str, Any] = msgspec.structs.asdict(message.delivery)
    return DeliveryWithEvent(**fields, event=msgspec.json.decode(message.payload, type=CloudEvent))
