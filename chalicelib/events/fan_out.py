"""Who gets an event: the bus, if there is one, and the webhooks that asked for its type."""

import logging
from collections.abc import Callable, Sequence

from chalicelib.domain.deliveries import Message, new_delivery, receives
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.service import milliseconds
from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.telemetry.activity import current

Publish = Callable[[Sequence[CloudEvent]], None]

_PAUSE = 30_000

_log = logging.getLogger(__name__)


class FanOut:
    """Publishes events to a bus, and returns the deliveries that they make.

    It may be called again with the same events: deliveries then have the same ids, and consumers of
    the bus know an event by its id. `now` returns milliseconds since the Unix epoch.

    Webhooks do not wait for a bus that fails. What it does not take becomes deliveries too, which
    `BusDeliveries` attempts; for 30 seconds everything does, since each failure takes time.
    """

    def __init__(
        self,
        endpoints: WebhookEndpoints,
        publish: Publish | None = None,
        now: Callable[[], int] = milliseconds,
    ) -> None:
        self._endpoints = endpoints
        self._publish = publish
        self._now = now
        self._resumes_at = 0

    def __call__(self, events: Sequence[CloudEvent]) -> list[Message]:
        """Publish `events` and return their deliveries, in the same order, the bus's last.

        Raises what storage raises; then nothing has been published.
        """
        if not events:
            return []
        webhooks = [*self._endpoints.all_enabled()]
        now = self._now()
        messages = [
            new_delivery(event, webhook, now)
            for event in events
            for webhook in webhooks
            if receives(webhook, event)
        ]
        if self._publish is not None and not self._is_published(self._publish, events, now):
            messages += [new_delivery(event, None, now) for event in events]
        return messages

    def _is_published(self, publish: Publish, events: Sequence[CloudEvent], now: int) -> bool:
        if now < self._resumes_at:
            return False
        try:
            publish(events)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop webhooks
            _log.warning("The bus gets %d events later: %r", len(events), error)
            current().error = error
            self._resumes_at = now + _PAUSE
            return False
        return True
