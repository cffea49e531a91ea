"""What Lambda functions do beside the API, in threads of the local server: sending webhooks."""

import threading

from chalicelib.domain.deliveries import EventfulStorage, QueueingStorage
from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.domain.webhook_secrets import WebhookSecrets
from chalicelib.events.fan_out import FanOut
from chalicelib.events.http_post import HTTPPost
from chalicelib.events.relay import Relay
from chalicelib.events.sender import Sender
from chalicelib.events.worker import DeliveryWorker
from chalicelib.settings import Settings


def deliver_webhooks(settings: Settings, storage: EventfulStorage) -> None:
    """Send events to webhooks from now on, until the main thread ends.

    Does nothing for storage that is no queue, such as DynamoDB.
    """
    if not isinstance(storage, QueueingStorage):
        return
    endpoints = WebhookEndpoints(
        storage, history=settings.history, secrets=WebhookSecrets(lambda: settings.webhook_key)
    )
    post = HTTPPost(allows_loopback=settings.allows_loopback_webhooks)
    relay = Relay(storage.outbox, FanOut(endpoints))
    worker = DeliveryWorker(storage.deliveries, Sender(storage.deliveries, endpoints, post))
    stop = threading.Event()
    for loop in (relay.run, worker.run):
        threading.Thread(target=loop, args=(stop,)).start()
    # However the server ends, by Ctrl-C or for a restart, its main thread does; the interpreter
    # then waits for the loops.
    threading.Thread(target=_set_at_the_end, args=(stop,), daemon=True).start()


def _set_at_the_end(stop: threading.Event) -> None:
    threading.main_thread().join()
    stop.set()
