"""The worker: sends what is due, each webhook by itself, and goes on whatever fails."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.domain.deliveries import Delivery, Message
from chalicelib.domain.ids import timestamp
from chalicelib.events.http_post import Outcome
from chalicelib.events.sender import Sender
from chalicelib.events.worker import DeliveryWorker
from chalicelib.storage.memory_events import MemoryDeliveries
from chalicelib.storage.memory_records import MemoryRecords
from tests.events.webhook_storage import FAILED, FINE, Post, Webhooks

PATIENCE = 10


@pytest.fixture
def webhooks() -> Webhooks:
    """Return an empty storage."""
    return Webhooks()


@contextmanager
def working(
    webhooks: Webhooks, post: Callable[..., Outcome], queue: Any = None, **options: Any
) -> Iterator[None]:
    """Run a worker while the block runs."""
    deliveries = queue or webhooks.storage.deliveries
    sender = Sender(deliveries, webhooks.endpoints, post, now=webhooks.clock)
    worker = DeliveryWorker(deliveries, sender, now=webhooks.clock, **options)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop, 0.01))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def succeeded(webhooks: Webhooks, *messages: Message) -> bool:
    """Return whether all these deliveries have succeeded."""
    return all(webhooks.now(one).delivery.status == "succeeded" for one in messages)


def test_everything_due_is_sent_once(webhooks: Webhooks) -> None:
    """Of many webhooks with many deliveries each, by two workers, each one is sent once."""
    post = Post(FINE)
    messages = [webhooks.delivery(one) for one in [webhooks.add() for _ in range(5)] * 20]
    with working(webhooks, post), working(webhooks, post):
        until(lambda: succeeded(webhooks, *messages))
    sent = sorted(headers["webhook-id"] for _, headers, _ in post.sent)
    assert sent == sorted(message.delivery.event_id for message in messages)


def test_a_retry_is_sent_when_it_is_due(webhooks: Webhooks) -> None:
    """A delivery that failed is left until its time, and then sent with the same id."""
    post, message = Post(FAILED, FINE), webhooks.delivery(webhooks.add())
    with working(webhooks, post):
        until(lambda: webhooks.now(message).delivery.attempts == 1)
        later = webhooks.delivery(webhooks.add())
        until(lambda: succeeded(webhooks, later))
        assert webhooks.now(message).delivery.status == "pending"
        webhooks.clock.until(webhooks.now(message).delivery.next_attempt_at)
        until(lambda: succeeded(webhooks, message))
    ids = [headers["webhook-id"] for _, headers, _ in post.sent]
    assert ids.count(message.delivery.event_id) == 2


def test_a_slow_endpoint_delays_no_other(webhooks: Webhooks) -> None:
    """While one endpoint does not respond, all deliveries to another one are sent."""
    slow, fast = webhooks.add(url="https://slow.example.com"), webhooks.add()
    waiting = [webhooks.delivery(slow) for _ in range(20)]
    others = [webhooks.delivery(fast) for _ in range(20)]
    release, reached = threading.Event(), threading.Event()
    sent: list[str] = []

    def post(url: str, headers: dict[str, str], _body: bytes) -> Outcome:
        sent.append(headers["webhook-id"])
        if url.startswith("https://slow"):
            reached.set()
            assert release.wait(PATIENCE)
        return FINE

    with working(webhooks, post):
        assert reached.wait(PATIENCE)
        until(lambda: succeeded(webhooks, *others))
        late = webhooks.delivery(fast)
        until(lambda: succeeded(webhooks, late))
        assert not any(succeeded(webhooks, one) for one in waiting)
        release.set()
        until(lambda: succeeded(webhooks, *waiting))
    # Nor is what is waited for claimed again.
    assert sorted(sent) == sorted(one.delivery.event_id for one in [*waiting, *others, late])


def test_few_deliveries_to_one_endpoint_are_sent_at_once(webhooks: Webhooks) -> None:
    """A slow endpoint with many deliveries gets several at once, but no more than four."""
    webhook = webhooks.add()
    messages = [webhooks.delivery(webhook) for _ in range(20)]
    lock, running, numbers = threading.Lock(), [0], set()

    def post(*_: object) -> Outcome:
        with lock:
            running[0] += 1
            numbers.add(running[0])
        time.sleep(0.1)
        with lock:
            running[0] -= 1
        return FINE

    with working(webhooks, post):
        until(lambda: succeeded(webhooks, *messages))
    assert max(numbers) == 4


class Crowd:
    """A post whose slow endpoints respond when they are released; it counts what runs at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: list[str] = []
        self.most = 0
        self.sent: list[str] = []
        self.release = threading.Event()

    def __call__(self, url: str, _headers: object, _body: bytes) -> Outcome:
        """Respond."""
        with self.lock:
            self.running.append(url)
            self.sent.append(url)
            self.most = max(self.most, len(self.running))
        if url.startswith("https://slow"):
            assert self.release.wait(PATIENCE)
        with self.lock:
            self.running.remove(url)
        return FINE


def test_the_number_of_threads_is_bounded(webhooks: Webhooks) -> None:
    """However many endpoints are slow, no more than the allowed number of attempts run at once."""
    crowd = Crowd()
    slow = [webhooks.add(url=f"https://slow{number}.example.com") for number in range(12)]
    messages = [webhooks.delivery(one) for one in slow * 3]
    with working(webhooks, crowd, threads=8):
        until(lambda: len(crowd.running) == 8)
        time.sleep(0.1)
        assert crowd.most == 8
        crowd.release.set()
        until(lambda: succeeded(webhooks, *messages))
    assert crowd.most == 8


def test_half_of_the_threads_are_for_webhooks_without_one(webhooks: Webhooks) -> None:
    """Slow endpoints with many deliveries leave threads to those whose deliveries come later."""
    crowd = Crowd()
    slow = [webhooks.add(url=f"https://slow{number}.example.com") for number in range(3)]
    waiting = [webhooks.delivery(one) for one in slow * 10]
    with working(webhooks, crowd, threads=8):
        until(lambda: len(crowd.running) >= 4)
        time.sleep(0.1)
        assert len(crowd.running) <= 5
        others = [webhooks.delivery(webhooks.add()) for _ in range(10)]
        until(lambda: succeeded(webhooks, *others))
        crowd.release.set()
        until(lambda: succeeded(webhooks, *waiting))


def test_webhooks_take_turns_where_threads_are_few(webhooks: Webhooks) -> None:
    """A webhook with few deliveries does not wait until others have none left."""
    crowd = Crowd()
    busy = [webhooks.add(url=f"https://busy{number}.example.com") for number in range(4)]
    messages = [webhooks.delivery(one) for one in busy * 200]
    rare = webhooks.delivery(webhooks.add(url="https://rare.example.com"))
    with working(webhooks, crowd, threads=2):
        until(lambda: succeeded(webhooks, rare, *messages))
    assert crowd.sent.index("https://rare.example.com") < 100
    assert {crowd.sent.count(f"https://busy{number}.example.com") for number in range(4)} == {200}


def test_threads_that_cannot_be_started_are_started_later(
    webhooks: Webhooks, caplog: pytest.LogCaptureFixture
) -> None:
    """While the system has no room for a thread, deliveries stay, and the worker still ends."""
    with working(webhooks, Post(FINE)):
        # No address space has room for this.
        threading.stack_size(2**46)
        try:
            message = webhooks.delivery(webhooks.add())
            until(lambda: bool(caplog.records))
        finally:
            threading.stack_size(0)
        until(lambda: succeeded(webhooks, message))
    with working(webhooks, Post(FINE)):
        threading.stack_size(2**46)
        try:
            webhooks.delivery(webhooks.add())
            until(lambda: len(caplog.records) > 1)
        finally:
            threading.stack_size(0)


def test_a_slow_endpoint_does_not_delay_the_end(webhooks: Webhooks) -> None:
    """A worker that is stopped ends soon; the attempt that it leaves is due after the lease."""
    message = webhooks.delivery(webhooks.add())
    release, reached, stop = threading.Event(), threading.Event(), threading.Event()

    def post(*_: object) -> Outcome:
        reached.set()
        assert release.wait(PATIENCE)
        return FINE

    deliveries = webhooks.storage.deliveries
    sender = Sender(deliveries, webhooks.endpoints, post, now=webhooks.clock)
    worker = DeliveryWorker(deliveries, sender, now=webhooks.clock)
    thread = threading.Thread(target=worker.run, args=(stop, 0.01, 0.1))
    thread.start()
    assert reached.wait(PATIENCE)
    started = time.monotonic()
    stop.set()
    thread.join(PATIENCE)
    assert time.monotonic() - started < 2
    assert webhooks.now(message).delivery.next_attempt_at == timestamp(webhooks.clock() + 60_000)
    release.set()
    until(lambda: succeeded(webhooks, message))


def test_attempts_that_have_begun_are_finished(webhooks: Webhooks) -> None:
    """A worker that is stopped lets an attempt come to its end, if it does so soon."""
    messages = [webhooks.delivery(webhooks.add()) for _ in range(3)]
    reached = threading.Event()

    def post(*_: object) -> Outcome:
        reached.set()
        time.sleep(0.2)
        return FINE

    with working(webhooks, post):
        assert reached.wait(PATIENCE)
    assert any(succeeded(webhooks, one) for one in messages)
    assert all(
        succeeded(webhooks, one) or webhooks.now(one).delivery.attempts == 0 for one in messages
    )


class FailingQueue(MemoryDeliveries):
    """A queue whose operations fail, each as often as `failures` says."""

    def __init__(self, **failures: int) -> None:
        super().__init__(MemoryRecords())
        self.failures = failures

    def _fail(self, operation: str) -> None:
        if self.failures.get(operation):
            self.failures[operation] -= 1
            raise ConnectionError("no database")

    def due_webhooks(self, now: str) -> list[str]:
        """See DeliveryQueue."""
        self._fail("due_webhooks")
        return super().due_webhooks(now)

    def claim(self, webhook_id: str, now: str, until: str, limit: int) -> list[Message]:
        """See DeliveryQueue."""
        self._fail("claim")
        return super().claim(webhook_id, now, until, limit)

    def replace(self, delivery: Delivery, seen: Delivery) -> bool:
        """See Deliveries."""
        self._fail("replace")
        return super().replace(delivery, seen)


@pytest.mark.parametrize("operation", ["due_webhooks", "claim", "replace"])
def test_a_failure_of_storage_is_outlived(
    webhooks: Webhooks, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever storage refuses, the worker says so, goes on, and sends after the lease."""
    queue = FailingQueue(**{operation: 2})
    webhook = webhooks.add()
    message = webhooks.delivery(webhook)
    queue.add([message])

    def is_sent() -> bool:
        webhooks.clock.pass_seconds(1)
        found = queue.get(webhook.webhook_id, message.delivery.delivery_id)
        return found is not None and found.delivery.status == "succeeded"

    with working(webhooks, Post(FINE), queue):
        until(is_sent)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert {"no database" in record.getMessage() for record in caplog.records} == {True}


def test_a_lasting_failure_is_logged_seldom(
    webhooks: Webhooks, caplog: pytest.LogCaptureFixture
) -> None:
    """While storage refuses everything, the pauses between the attempts grow."""
    queue = FailingQueue(due_webhooks=10**6)
    with working(webhooks, Post(FINE), queue):
        time.sleep(0.6)
    assert 2 <= len(caplog.records) <= 7


def test_what_a_dead_worker_claimed_is_sent_after_the_lease(webhooks: Webhooks) -> None:
    """A claim that nobody settles is nobody else's until the lease ends, and then is due again."""
    webhook = webhooks.add()
    message, post = webhooks.delivery(webhook), Post(FINE)
    now = webhooks.clock()
    # What a worker does before it is killed.
    webhooks.storage.deliveries.claim(
        webhook.webhook_id, timestamp(now), timestamp(now + 60_000), 4
    )
    with working(webhooks, post):
        webhooks.clock.pass_seconds(59)
        other = webhooks.delivery(webhook)
        until(lambda: succeeded(webhooks, other))
        assert len(post.sent) == 1
        webhooks.clock.pass_seconds(1)
        until(lambda: succeeded(webhooks, message))
    assert len(post.sent) == 2


def test_one_attempt_that_fails_oddly_delays_no_other(webhooks: Webhooks) -> None:
    """An exception of one attempt is logged, and the webhook's others are sent."""
    webhook = webhooks.add()
    messages = [webhooks.delivery(webhook) for _ in range(6)]
    odd = messages[0].delivery.event_id

    def post(_url: str, headers: dict[str, str], _body: bytes) -> Outcome:
        if headers["webhook-id"] == odd:
            raise RuntimeError("odd")
        return FINE

    with working(webhooks, post):
        until(lambda: succeeded(webhooks, *messages[1:]))
    assert webhooks.now(messages[0]).delivery.status == "pending"


def test_expired_deliveries_are_purged(webhooks: Webhooks) -> None:
    """What is older than a week is removed by the worker, about once an hour."""
    webhook = webhooks.add()
    message = webhooks.delivery(webhook)
    deliveries = webhooks.storage.deliveries
    with working(webhooks, Post(FINE)):
        until(lambda: succeeded(webhooks, message))
        webhooks.clock.pass_seconds(7 * 24 * 60 * 60 + 60 * 60)
        until(lambda: deliveries.get(webhook.webhook_id, message.delivery.id) is None)
