"""A process that relays an outbox and sends what is due, for tests to kill."""

import sys
import threading

from chalicelib.domain.deliveries import QueueingStorage
from chalicelib.domain.events import Events
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.domain.webhook_secrets import WebhookSecrets
from chalicelib.events.fan_out import FanOut
from chalicelib.events.http_post import HTTPPost
from chalicelib.events.relay import Relay
from chalicelib.events.schedule import Schedule
from chalicelib.events.sender import Sender
from chalicelib.events.worker import DeliveryWorker
from chalicelib.storage.factory import open_storage

KEY = b"a key of the tests, of at least 32 bytes"
LEASE_SECONDS = 1.5
TIMEOUT_SECONDS = 1


def secrets() -> WebhookSecrets:
    """Return what derives the secrets of webhooks."""
    return WebhookSecrets(lambda: KEY)


def main(url: str) -> None:
    """Relay and send until the process is killed; retries come soon, and never end."""
    storage = open_storage(url, RESOURCES, events=Events("urn:test:api"))
    assert isinstance(storage, QueueingStorage)
    endpoints = WebhookEndpoints(storage, history=False, secrets=secrets())
    post = HTTPPost(allows_loopback=True, timeout=TIMEOUT_SECONDS)
    schedule = Schedule((0.05,) * 1000)
    sender = Sender(storage.deliveries, endpoints, post, schedule=schedule)
    worker = DeliveryWorker(storage.deliveries, sender, lease=LEASE_SECONDS)
    stop = threading.Event()
    threading.Thread(target=worker.run, args=(stop, 0.02), daemon=True).start()
    Relay(storage.outbox, FanOut(endpoints)).run(stop, 0.02)


if __name__ == "__main__":
    main(sys.argv[1])
