"""The worker: sends deliveries when they are due, where the database is their queue."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chalicelib.domain import ids
from chalicelib.domain.deliveries import DeliveryQueue, Message
from chalicelib.domain.service import milliseconds
from chalicelib.events.sender import Sender

_LEASE_SECONDS = 60
_POLL_SECONDS = 0.2
_PURGE_SECONDS = 60 * 60
_AT_ONCE = 4

_log = logging.getLogger(__name__)


class DeliveryWorker:
    """Sends what is due in `queue`, each webhook by threads of its own: none waits for another.

    Any number of workers may run at once, in any number of processes. What one that dies has
    claimed is due again after `lease` seconds, which must be longer than an attempt.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        sender: Sender,
        *,
        lease: float = _LEASE_SECONDS,
        now: Callable[[], int] = milliseconds,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._lease = int(lease * 1000)
        self._now = now
        self._busy: dict[str, threading.Thread] = {}
        self._purged_at = 0

    def run(self, stop: threading.Event, poll: float = _POLL_SECONDS) -> None:
        """Send deliveries until `stop` is set, looking for due ones every `poll` seconds.

        Attempts that have begun are finished. A failure of storage is logged, and tried again.
        """
        while not stop.is_set():
            try:
                self._start(stop)
                self._purge()
            except Exception as error:  # noqa: BLE001 - the loop must outlive whatever fails
                _log.warning("Deliveries stay, to be sent later: %r", error)
            stop.wait(poll)
        for thread in self._busy.values():
            thread.join()

    def _start(self, stop: threading.Event) -> None:
        """Start a thread for each webhook with due deliveries that has none."""
        self._busy = {name: one for name, one in self._busy.items() if one.is_alive()}
        for webhook_id in self._queue.due_webhooks(ids.timestamp(self._now())):
            if webhook_id not in self._busy:
                thread = threading.Thread(target=self._send_all, args=(webhook_id, stop))
                self._busy[webhook_id] = thread
                thread.start()

    def _send_all(self, webhook_id: str, stop: threading.Event) -> None:
        """Send what is due to one webhook, a few at a time."""
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                while not stop.is_set() and (claimed := self._claim(webhook_id)):
                    for _ in pool.map(self._attempt, claimed):
                        pass
        except Exception as error:  # noqa: BLE001 - as above
            _log.warning("Deliveries to %s stay, to be sent later: %r", webhook_id, error)

    def _claim(self, webhook_id: str) -> list[Message]:
        now = self._now()
        until = ids.timestamp(now + self._lease)
        return self._queue.claim(webhook_id, ids.timestamp(now), until, _AT_ONCE)

    def _attempt(self, message: Message) -> None:
        try:
            self._sender.attempt(message)
        except Exception as error:  # noqa: BLE001 - the others are sent nevertheless
            _log.warning(
                "A delivery to %s is sent again later: %r", message.delivery.webhook_id, error
            )

    def _purge(self) -> None:
        now = self._now() // 1000
        if now - self._purged_at >= _PURGE_SECONDS:
            self._queue.purge(now)
            self._purged_at = now
