"""Who gets an event: the bus, if there is one, and the webhooks that asked for its type."""

from collections.abc import Callable, Sequence

from chalicelib.domain.deliveries import Message, new_delivery, receives
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.service import milliseconds
from chalicelib.domain.webhook_endpoints import WebhookEndpoints

Publish = Callable[[Sequence[CloudEvent]], None]


class FanOut:
    """Publishes events to a bus, and returns the deliveries that they make.

    It may be called again with the same events: deliveries then have the same ids, and consumers of
    the bus know an event by its id. `now` returns milliseconds since the Unix epoch.
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

    def __call__(self, events: Sequence[CloudEvent]) -> list[Message]:
        """Publish `events` and return their deliveries, in the same order.

        Raises what the bus and storage raise; then nothing, or not all, has been published.
        """
        if not events:
            return []
        if self._publish is not None:
            self._publish(events)
        webhooks = [*self._endpoints.all_enabled()]
        now = self._now()
        return [
            new_delivery(event, webhook, now)
            for event in events
            for webhook in webhooks
            if receives(webhook, event)
        ]
