"""The relay: passes the events in an outbox on, where the database is not a stream itself."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from chalicelib.domain.deliveries import Message, Outbox
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.service import milliseconds
from chalicelib.telemetry.activity import current

_BATCH = 100
_POLL_SECONDS = 0.2
_MAX_WAIT_SECONDS = 30

_log = logging.getLogger(__name__)


class Relay:
    """Passes events on from `outbox` to `deliver`, which is a `FanOut`.

    Any number of relays may run at once, in any number of processes. One that dies leaves the
    events to the others: each event is passed on at least once. `now` returns milliseconds since
    the Unix epoch.
    """

    def __init__(
        self,
        outbox: Outbox,
        deliver: Callable[[Sequence[CloudEvent]], Sequence[Message]],
        now: Callable[[], int] = milliseconds,
    ) -> None:
        self._outbox = outbox
        self._deliver = deliver
        self._now = now

    def drain(self) -> int:
        """Pass on events until none is left, and return how many there were.

        Raises what `deliver` and storage raise; the events that were not passed on are still there.
        """
        total = 0
        while number := self._outbox.relay(_BATCH, self._deliver):
            total += number
        return total

    def run(self, stop: threading.Event, poll: float = _POLL_SECONDS) -> None:
        """Pass on events until `stop` is set, looking for new ones every `poll` seconds.

        A failure is logged, noted as the error of the activity, and tried again later: each time
        after twice as long, up to 30 seconds. At the end the activity gets the age of the oldest
        event that is left.
        """
        wait = poll
        while not stop.is_set():
            try:
                while not stop.is_set() and self._outbox.relay(_BATCH, self._deliver):
                    wait = poll
                wait = poll
            except Exception as error:  # noqa: BLE001 - the loop must outlive whatever fails
                current().error = error
                _log.warning("Events stay in the outbox, to be relayed later: %r", error)
                wait = min(2 * wait, _MAX_WAIT_SECONDS)
            stop.wait(wait)
        with suppress(Exception):  # Storage that fails has been noted.
            current().outbox_age = self._age()

    def _age(self) -> int:
        oldest = self._outbox.oldest()
        if oldest is None:
            return 0
        return int(self._now() / 1000 - datetime.fromisoformat(oldest).timestamp())
