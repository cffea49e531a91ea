"""Webhooks in memory, and a post that answers as tests say."""

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.domain.deliveries import Message, new_delivery
from chalicelib.domain.ids import new_id, timestamp
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Change
from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.domain.webhook_secrets import WebhookSecrets
from chalicelib.domain.webhooks import WEBHOOKS, Webhook, WebhookService
from chalicelib.events.http_post import Outcome
from chalicelib.storage.memory import MemoryStorage
from tests.support.event_factories import an_event
from tests.support.factories import NOW

FINE = Outcome(204, "", duration_ms=12)
FAILED = Outcome(500, "The endpoint responded with 500.", duration_ms=12)
GONE = Outcome(410, "The endpoint responded with 410.")
SILENT = Outcome(None, "The endpoint did not respond within 15 seconds.")


class Clock:
    """The time, in milliseconds, as tests set it."""

    def __init__(self) -> None:
        self.milliseconds = NOW * 1000

    def __call__(self) -> int:
        """Return the time."""
        return self.milliseconds

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass."""
        self.milliseconds += int(seconds * 1000)

    def until(self, time: object) -> None:
        """Let time pass until a timestamp."""
        while timestamp(self.milliseconds) < str(time):
            self.milliseconds += 1000


class Post:
    """Answers with the outcomes, the last one again and again, and keeps what was sent."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = [*outcomes]
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Answer."""
        self.sent.append((url, dict(headers), body))
        self.meanwhile()
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


class Webhooks:
    """Webhooks and their deliveries."""

    def __init__(self, storage: MemoryStorage | None = None) -> None:
        self.clock = Clock()
        self.storage = storage or MemoryStorage(RESOURCES)
        self.secrets = WebhookSecrets(lambda: b"k" * 32)
        self.endpoints = WebhookEndpoints(
            self.storage, self.clock, history=True, secrets=self.secrets
        )
        self.service = WebhookService(
            self.storage, self.clock, history=True, secrets=self.secrets, event_types=[]
        )

    def add(self, **fields: Any) -> Webhook:
        """Keep a webhook."""
        now = timestamp(self.clock())
        defaults: dict[str, Any] = {
            "created_at": now,
            "updated_at": now,
            "version": 1,
            "webhook_id": new_id("whk_", NOW * 1000),
            "url": "https://hooks.example.com/events",
            "event_types": [],
            "status": "enabled",
            "metadata": {},
            "secret_version": 1,
            "previous_secrets": [],
        }
        webhook = Webhook(**defaults | fields)
        self.storage.create(WEBHOOKS, webhook, None, NOW)
        return webhook

    def change(self, webhook: Webhook, **values: Any) -> None:
        """Change a webhook, as an administrator does."""
        change = Change(values=values, updated_at=timestamp(self.clock()))
        self.storage.change(WEBHOOKS, (webhook.webhook_id,), change)

    def delivery(self, webhook: Webhook) -> Message:
        """Keep a delivery of a new event that is due now."""
        message = new_delivery(an_event(), webhook, self.clock())
        self.storage.deliveries.add([message])
        return message

    def now(self, message: Message) -> Message:
        """Return a delivery as it is now."""
        delivery = message.delivery
        found = self.storage.deliveries.get(delivery.webhook_id, delivery.delivery_id)
        assert found is not None
        return found

    def webhook(self, webhook: Webhook) -> Webhook:
        """Return a webhook as it is now."""
        found = self.endpoints.find(webhook.webhook_id)
        assert found is not None
        return found
