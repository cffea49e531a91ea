"""One attempt to deliver an event to a webhook, and what follows from it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus

import msgspec
from msgspec import UNSET

from chalicelib.domain.deliveries import Deliveries, Delivery, Message
from chalicelib.domain.events import MEDIA_TYPE
from chalicelib.domain.service import milliseconds
from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.domain.webhooks import Webhook
from chalicelib.events.attempts import current, settled
from chalicelib.events.http_post import Outcome
from chalicelib.events.schedule import Schedule
from chalicelib.events.signatures import signed_headers

_USER_AGENT = "user-management-webhooks"

Post = Callable[[str, Mapping[str, str], bytes], Outcome]


class Sender:
    """Attempts deliveries, and keeps what becomes of them.

    `post` sends a body to a URL (see `HTTPPost`); `now` returns milliseconds since the Unix epoch.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        endpoints: WebhookEndpoints,
        post: Post,
        *,
        schedule: Schedule | None = None,
        now: Callable[[], int] = milliseconds,
    ) -> None:
        self._deliveries = deliveries
        self._endpoints = endpoints
        self._post = post
        self._schedule = schedule or Schedule()
        self._now = now

    def attempt(self, message: Message) -> Delivery:
        """Send the event of a pending delivery, and return the delivery as it is now.

        If it is still pending, `next_attempt_at` says when to try again. Whoever sends it at the
        same time and is later keeps nothing. Raises Unavailable if storage does not respond; then
        it may have been sent, and is sent again.
        """
        delivery = message.delivery
        webhook = self._endpoints.find(delivery.webhook_id)
        if webhook is None or webhook.status != "enabled":
            reason = "The webhook was deleted." if webhook is None else "The webhook is disabled."
            failed = msgspec.structs.replace(
                delivery, status="failed", error=reason, next_attempt_at=UNSET
            )
            kept = self._deliveries.replace(failed, delivery)
            return failed if kept else current(self._deliveries, failed)
        started = self._now()
        outcome = self._send(webhook, message, started)
        after = self._settled(delivery, outcome, started)
        # First of all, so that what was received is not sent again if the note fails.
        if not self._deliveries.replace(after, delivery):
            return current(self._deliveries, after)
        if outcome.status == HTTPStatus.GONE:
            self._endpoints.note_gone(webhook)
        elif after.status == "failed":
            self._note_failure(after)
        return after

    def _send(self, webhook: Webhook, message: Message, now: int) -> Outcome:
        payload = message.payload.encode()
        secrets = self._endpoints.signing_secrets(webhook)
        headers = {
            "Content-Type": MEDIA_TYPE,
            "User-Agent": _USER_AGENT,
            **signed_headers(secrets, message.delivery.event_id, now // 1000, payload),
        }
        return self._post(webhook.url, headers, payload)

    def _settled(self, delivery: Delivery, outcome: Outcome, started: int) -> Delivery:
        now, delay = self._now(), None
        if not outcome.succeeded and outcome.status != HTTPStatus.GONE:
            age = now / 1000 - datetime.fromisoformat(delivery.requested_at).timestamp()
            delay = self._schedule.delay(delivery.attempts + 1, outcome.retry_after, age)
        return msgspec.structs.replace(
            settled(delivery, outcome.error, started=started, now=now, delay=delay),
            response_status=UNSET if outcome.status is None else outcome.status,
            # Of the exchange alone.
            duration_ms=outcome.duration_ms,
        )

    def _note_failure(self, delivery: Delivery) -> None:
        """Disable the webhook of a delivery that was given up, if no other one got through."""
        since = delivery.requested_at
        if not self._deliveries.has_succeeded(delivery.webhook_id, since):
            self._endpoints.note_failing(delivery.webhook_id, since)
