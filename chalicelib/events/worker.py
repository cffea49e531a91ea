"""The worker: sends deliveries when they are due, where the database is their queue."""

import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Protocol

from chalicelib.domain import ids
from chalicelib.domain.deliveries import Delivery, DeliveryQueue, Message
from chalicelib.domain.service import milliseconds
from chalicelib.telemetry.activity import current

_LEASE_SECONDS = 60
_POLL_SECONDS = 0.2
_MAX_WAIT_SECONDS = 30
_PURGE_SECONDS = 60 * 60
_THREADS = 64
_THREADS_OF_A_WEBHOOK = 4
_GRACE_SECONDS = 2

_log = logging.getLogger(__name__)


class Sends(Protocol):
    """See Sender and BusDeliveries."""

    def attempt(self, message: Message) -> Delivery:
        """Send the event of a pending delivery, and keep what becomes of it."""


class DeliveryWorker:
    """Sends what is due in `queue`, each webhook by threads of its own: none waits for another.

    There are up to `threads` at once, and up to four for a webhook; half of them are only for
    webhooks that have none yet. Where even these are too few, webhooks take turns.

    Any number of workers may run at once, in any number of processes. What one that dies has
    claimed is due again after `lease` seconds, which must be longer than an attempt.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        sender: Sends,
        *,
        lease: float = _LEASE_SECONDS,
        threads: int = _THREADS,
        now: Callable[[], int] = milliseconds,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._lease = int(lease * 1000)
        self._now = now
        self._limit = threads
        self._threads: dict[str, list[threading.Thread]] = {}
        self._last_started = ""
        self._is_crowded = False
        self._purged_at = 0

    def run(
        self,
        stop: threading.Event,
        poll: float = _POLL_SECONDS,
        grace: float = _GRACE_SECONDS,
    ) -> None:
        """Send deliveries until `stop` is set, looking for due ones every `poll` seconds.

        A failure of storage is logged, noted as the error of the activity, and tried again later:
        each time after twice as long, up to 30 seconds. At the end, attempts that have begun get
        `grace` seconds to finish; the others are due again after the lease.
        """
        wait = poll
        while not stop.is_set():
            try:
                self._start(stop)
                self._purge()
                wait = poll
            except Exception as error:  # noqa: BLE001 - the loop must outlive whatever fails
                current().error = error
                _log.warning("Deliveries stay, to be sent later: %r", error)
                wait = min(2 * wait, _MAX_WAIT_SECONDS)
            stop.wait(wait)
        end = time.monotonic() + grace
        for threads in self._threads.values():
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))

    def _start(self, stop: threading.Event) -> None:
        """Start one more thread for each webhook with due deliveries, as far as it may have one."""
        alive = {
            webhook_id: [thread for thread in threads if thread.is_alive()]
            for webhook_id, threads in self._threads.items()
        }
        self._threads = {webhook_id: threads for webhook_id, threads in alive.items() if threads}
        is_crowded = False
        for webhook_id in self._due_webhooks():
            own = self._threads.get(webhook_id, [])
            limit = self._limit // 2 if own else self._limit
            if sum(map(len, self._threads.values())) >= limit:
                is_crowded |= not own
            elif len(own) < _THREADS_OF_A_WEBHOOK:
                # A daemon: the end of the process does not wait for a slow endpoint.
                arguments = (self._send, webhook_id, stop)
                thread = threading.Thread(target=copy_context().run, args=arguments, daemon=True)
                thread.start()
                self._threads[webhook_id] = [*own, thread]
                self._last_started = webhook_id
        self._is_crowded = is_crowded

    def _due_webhooks(self) -> list[str]:
        """Return the webhooks with due deliveries, those first whose turn is next."""
        due = sorted(self._queue.due_webhooks(ids.timestamp(self._now())))
        return sorted(due, key=lambda webhook_id: webhook_id <= self._last_started)

    def _send(self, webhook_id: str, stop: threading.Event) -> None:
        """Send what is due to one webhook, until nothing is or others wait for their turn."""
        try:
            while not stop.is_set() and (claimed := self._claim(webhook_id)):
                for message in claimed:
                    self._attempt(message)
                if self._is_crowded:
                    return
        except Exception as error:  # noqa: BLE001 - as above
            current().error = error
            _log.warning("Deliveries to %s stay, to be sent later: %r", webhook_id, error)

    def _claim(self, webhook_id: str) -> list[Message]:
        now = self._now()
        # One, since the lease has to last for all that are claimed.
        return self._queue.claim(
            webhook_id, ids.timestamp(now), ids.timestamp(now + self._lease), limit=1
        )

    def _attempt(self, message: Message) -> None:
        try:
            self._sender.attempt(message)
        except Exception as error:  # noqa: BLE001 - the others are sent nevertheless
            current().error = error
            _log.warning(
                "A delivery to %s is sent again later: %r", message.delivery.webhook_id, error
            )

    def _purge(self) -> None:
        now = self._now() // 1000
        if now - self._purged_at >= _PURGE_SECONDS:
            self._queue.purge(now)
            self._purged_at = now
