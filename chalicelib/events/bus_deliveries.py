"""What the bus did not take at first: it is tried again as deliveries to webhooks are."""

import logging
from collections.abc import Callable

import msgspec

from chalicelib.domain.deliveries import BUS, Deliveries, Delivery, Message
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.service import milliseconds
from chalicelib.events import attempts
from chalicelib.events.fan_out import Publish
from chalicelib.events.schedule import Schedule
from chalicelib.telemetry.activity import current

_NO_BUS = "There is no bus any more."

_decode = msgspec.json.Decoder(CloudEvent).decode
_log = logging.getLogger(__name__)


class BusDeliveries:
    """Attempts deliveries to the bus, and lets `attempt_webhook` attempt all others.

    - `publish`: what `EventBus.publish` does; None if there is no bus any more.
    - `deliveries`: keeps what becomes of a delivery.
    - `now`: returns milliseconds since the Unix epoch.
    """

    def __init__(
        self,
        publish: Publish | None,
        deliveries: Deliveries,
        attempt_webhook: Callable[[Message], Delivery],
        *,
        schedule: Schedule | None = None,
        now: Callable[[], int] = milliseconds,
    ) -> None:
        self._publish = publish
        self._deliveries = deliveries
        self._attempt_webhook = attempt_webhook
        self._schedule = schedule or Schedule()
        self._now = now

    def attempt(self, message: Message) -> Delivery:
        """Send the event of a pending delivery, and return the delivery as it is now.

        If it is still pending, `next_attempt_at` says when to try again. A failure of the bus is
        noted as the error of the activity. Raises what storage raises.
        """
        if message.delivery.webhook_id != BUS:
            return self._attempt_webhook(message)
        started = self._now()
        error = self._error(message)
        after = self._settled(message.delivery, error, started)
        if not self._deliveries.replace(after, message.delivery):
            # The queue had it twice, and somebody else was faster; or it has expired.
            return attempts.current(self._deliveries, after)
        if after.status == "failed":
            _log.error("The bus does not get the event %s: %s", after.event_id, error)
        return after

    def _error(self, message: Message) -> str:
        """Publish the event, and return why that failed, "" if it did not."""
        if self._publish is None:
            return _NO_BUS
        try:
            self._publish([_decode(message.payload)])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            current().error = error
            return f"The bus did not take it: {error}"
        return ""

    def _settled(self, delivery: Delivery, error: str, started: int) -> Delivery:
        again = error and self._publish is not None
        delay = self._schedule.delay(delivery.attempts + 1) if again else None
        return attempts.settled(delivery, error, started=started, now=self._now(), delay=delay)
