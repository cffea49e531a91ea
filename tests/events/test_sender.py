"""The sender: one attempt, what is kept of it, and what it means for the webhook."""

import json
import time
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.v1.event import CloudEvent
from msgspec import UNSET
from standardwebhooks import Webhook as Receiver
from standardwebhooks import WebhookVerificationError

from chalicelib.domain.deliveries import DeliveryService, Message
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.ids import timestamp
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Change, EntityT, Ids, Resource
from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.domain.webhook_secrets import as_text
from chalicelib.domain.webhooks import WEBHOOKS, PreviousSecret, Webhook
from chalicelib.events.http_post import HTTPPost, Outcome
from chalicelib.events.schedule import DELAYS
from chalicelib.events.sender import Sender
from chalicelib.storage.memory import MemoryStorage
from tests.events.endpoint import answering, behaving
from tests.events.webhook_storage import FAILED, FINE, GONE, SILENT, Post, Webhooks
from tests.support.event_factories import at
from tests.support.factories import NOW

DAY = 24 * 60 * 60


@pytest.fixture
def webhooks() -> Webhooks:
    """Return an empty storage."""
    return Webhooks()


def sender(webhooks: Webhooks, post: Post) -> Sender:
    """Return a sender by the storage's clock."""
    return Sender(webhooks.storage.deliveries, webhooks.endpoints, post, now=webhooks.clock)


def attempted(webhooks: Webhooks, post: Post, message: Message) -> Message:
    """Attempt a delivery as it is now, and return it as it is then."""
    returned = sender(webhooks, post).attempt(webhooks.now(message))
    kept = webhooks.now(message)
    assert returned == kept.delivery
    return kept


def test_a_success_is_kept(webhooks: Webhooks) -> None:
    """The payload is sent as it is, and the delivery tells of the response."""
    message, post = webhooks.delivery(webhooks.add()), Post(FINE)

    delivery = attempted(webhooks, post, message).delivery

    ((url, headers, body),) = post.sent
    assert (url, body) == ("https://hooks.example.com/events", message.payload.encode())
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert headers["webhook-id"] == message.delivery.event_id
    assert headers["webhook-timestamp"] == str(NOW)
    assert (delivery.status, delivery.attempts) == ("succeeded", 1)
    assert (delivery.response_status, delivery.duration_ms) == (204, 12)
    assert delivery.last_attempt_at == timestamp(NOW * 1000)
    assert (delivery.next_attempt_at, delivery.error) == (UNSET, UNSET)


def test_receivers_of_others_understand_what_arrives(webhooks: Webhooks) -> None:
    """What a socket receives is verified by standardwebhooks and parsed by cloudevents."""
    # Receivers know no other time than today's.
    webhooks.clock.milliseconds = int(time.time() * 1000)
    received: list[bytes] = []
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    with behaving(answering(answer, received=received)) as endpoint:
        webhook = webhooks.add(url=f"http://127.0.0.1:{endpoint.port}/events")
        message = webhooks.delivery(webhook)
        post = HTTPPost(allows_loopback=True)
        Sender(webhooks.storage.deliveries, webhooks.endpoints, post, now=webhooks.clock).attempt(
            message
        )

    head, _, body = received[0].partition(b"\r\n\r\n")
    fields = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    headers = {name.lower(): value for name, _, value in fields}
    secret = webhooks.secrets.secret(webhook.webhook_id, 1)
    assert Receiver(as_text(secret)).verify(body, headers) == json.loads(message.payload)
    event = from_http_event(HTTPMessage(headers, body))
    sent = json.loads(message.payload)
    assert isinstance(event, CloudEvent)
    assert event.get_id() == sent["id"] == headers["webhook-id"]
    assert (event.get_type(), event.get_subject()) == (sent["type"], sent["subject"])
    assert event.get_extension("sequence") == sent["sequence"]
    assert event.get_data() == sent["data"]


def test_old_and_new_secrets_sign_during_a_rotation(webhooks: Webhooks) -> None:
    """Receivers verify with the current secret, and with the one before until it expires."""
    # Receivers know no other time than today's.
    webhooks.clock.milliseconds = now = int(time.time() * 1000)
    for expires_in, verifies in ((DAY, True), (0, False)):
        previous = PreviousSecret(1, timestamp(now + expires_in * 1000))
        webhook, post = webhooks.add(secret_version=2, previous_secrets=[previous]), Post(FINE)
        attempted(webhooks, post, webhooks.delivery(webhook))

        ((_, headers, body),) = post.sent
        old, new = (as_text(webhooks.secrets.secret(webhook.webhook_id, n)) for n in (1, 2))
        assert Receiver(new).verify(body, headers)["specversion"] == "1.0"
        if verifies:
            assert Receiver(old).verify(body, headers)["specversion"] == "1.0"
        else:
            with pytest.raises(WebhookVerificationError):
                Receiver(old).verify(body, headers)


def test_the_attempts_follow_the_schedule_until_it_fails(webhooks: Webhooks) -> None:
    """Ten attempts in about three days have one webhook-id and body; then the delivery failed."""
    message, post = webhooks.delivery(webhooks.add()), Post(FAILED)
    for attempt, nominal in enumerate(DELAYS, 1):
        delivery = attempted(webhooks, post, message).delivery
        assert (delivery.status, delivery.attempts) == ("pending", attempt)
        assert (delivery.error, delivery.response_status) == (FAILED.error, 500)
        before = webhooks.clock()
        webhooks.clock.until(delivery.next_attempt_at)
        passed = (webhooks.clock() - before) / 1000
        assert 0.8 * nominal - 1 <= passed <= 1.2 * nominal + 1

    delivery = attempted(webhooks, post, message).delivery

    assert (delivery.status, delivery.attempts, delivery.next_attempt_at) == ("failed", 10, UNSET)
    assert {headers["webhook-id"] for _, headers, _ in post.sent} == {delivery.event_id}
    assert {body for *_, body in post.sent} == {message.payload.encode()}
    assert len({headers["webhook-timestamp"] for _, headers, _ in post.sent}) == 10


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(webhooks: Webhooks, status: int) -> None:
    """The next attempt is not before the time that the endpoint asks for."""
    message = webhooks.delivery(webhooks.add())
    post = Post(Outcome(status, "The endpoint is busy.", retry_after=7200))
    delivery = attempted(webhooks, post, message).delivery
    assert delivery.next_attempt_at == timestamp((NOW + 7200) * 1000)


def test_an_endpoint_that_is_always_busy_is_given_up(webhooks: Webhooks) -> None:
    """An endpoint that asks for a day each time gets six attempts in five days."""
    message = webhooks.delivery(webhooks.add())
    post = Post(Outcome(429, "The endpoint is busy.", retry_after=10 * DAY))

    delivery = given_up(webhooks, post, message).delivery

    assert (delivery.status, delivery.attempts) == ("failed", 6)
    assert str(delivery.last_attempt_at) <= timestamp((NOW + 5 * DAY) * 1000)


def test_an_endpoint_that_is_gone_is_left_alone(webhooks: Webhooks) -> None:
    """410 fails the delivery for good and disables the webhook."""
    webhook = webhooks.add()
    delivery = attempted(webhooks, Post(GONE), webhooks.delivery(webhook)).delivery
    assert (delivery.status, delivery.next_attempt_at) == ("failed", UNSET)
    current = webhooks.webhook(webhook)
    assert (current.status, current.disabled_reason) == ("disabled", "gone")


def given_up(webhooks: Webhooks, post: Post, message: Message) -> Message:
    """Attempt a delivery until no attempt follows."""
    while True:
        message = attempted(webhooks, post, message)
        if message.delivery.next_attempt_at is UNSET:
            return message
        webhooks.clock.until(message.delivery.next_attempt_at)


def test_failing_for_three_days_disables(webhooks: Webhooks) -> None:
    """When the first delivery is given up and none succeeded meanwhile, the webhook is disabled."""
    webhook, post = webhooks.add(), Post(SILENT)
    message = webhooks.delivery(webhook)
    attempted(webhooks, post, message)
    attempted(webhooks, post, webhooks.delivery(webhook))
    assert webhooks.webhook(webhook) == webhook

    given_up(webhooks, post, message)

    current = webhooks.webhook(webhook)
    assert (current.status, current.disabled_reason) == ("disabled", "failing")
    assert current.failing_since == message.delivery.requested_at
    assert current.version == webhook.version + 1


@pytest.mark.parametrize("attempts", [1, 5, 9])
def test_an_endpoint_that_works_at_times_is_not_disabled(webhooks: Webhooks, attempts: int) -> None:
    """A delivery that is given up disables nothing if another one succeeded in the three days."""
    webhook, post = webhooks.add(), Post(FAILED)
    message = webhooks.delivery(webhook)
    while message.delivery.status == "pending":
        message = attempted(webhooks, post, message)
        if message.delivery.attempts == attempts:
            attempted(webhooks, Post(FINE), webhooks.delivery(webhook))
        if message.delivery.status == "pending":
            webhooks.clock.until(message.delivery.next_attempt_at)

    assert message.delivery.status == "failed"
    assert webhooks.webhook(webhook) == webhook


def test_a_success_before_does_not_count(webhooks: Webhooks) -> None:
    """What succeeded before the endpoint began to fail does not keep the webhook enabled."""
    webhook = webhooks.add()
    attempted(webhooks, Post(FINE), webhooks.delivery(webhook))
    attempted(webhooks, Post(FINE), webhooks.delivery(webhooks.add()))
    webhooks.clock.pass_seconds(1)
    given_up(webhooks, Post(FAILED), webhooks.delivery(webhook))
    assert webhooks.webhook(webhook).disabled_reason == "failing"


def test_a_changed_webhook_is_given_its_own_three_days(webhooks: Webhooks) -> None:
    """A delivery from before the webhook was changed, or enabled again, does not disable it."""
    webhook, post = webhooks.add(), Post(FAILED)
    message = attempted(webhooks, post, webhooks.delivery(webhook))
    webhooks.clock.pass_seconds(60)
    webhooks.change(webhook, url="https://new.example.com/")
    later = webhooks.delivery(webhook)

    given_up(webhooks, post, message)
    assert webhooks.webhook(webhook).status == "enabled"

    given_up(webhooks, post, later)
    assert webhooks.webhook(webhook).disabled_reason == "failing"


@pytest.mark.parametrize("outcomes", [[FAILED, FINE], [SILENT, FAILED, FINE, FAILED]])
def test_a_webhook_keeps_its_version_however_its_endpoint_behaves(
    webhooks: Webhooks, outcomes: list[Outcome]
) -> None:
    """Attempts that fail and succeed in turn leave the webhook, and its history, as they were."""
    webhook = webhooks.add()
    for outcome in outcomes * 3:
        attempted(webhooks, Post(outcome), webhooks.delivery(webhook))
    assert webhooks.webhook(webhook) == webhook


class Contended(MemoryStorage):
    """Storage in which somebody changes a webhook just before the sender does, `times` times."""

    def __init__(self, values: dict[str, Any], times: int) -> None:
        super().__init__(RESOURCES)
        self.values, self.times = values, times

    def change(self, resource: Resource[EntityT], ids: Ids, change: Change) -> EntityT:
        """See Storage."""
        if self.times:
            self.times -= 1
            super().change(resource, ids, Change(values=self.values, updated_at=at(0)))
        return super().change(resource, ids, change)


@pytest.mark.parametrize(
    ("values", "times", "status"),
    [
        ({"description": "The mailer"}, 1, "disabled"),
        ({"description": "The mailer"}, 5, "disabled"),
        ({"description": "The mailer"}, 10**6, "enabled"),
        ({"url": "https://new.example.com/"}, 1, "enabled"),
    ],
)
def test_an_endpoint_that_is_gone_is_noted_although_others_change_the_webhook(
    values: dict[str, Any], times: int, status: str
) -> None:
    """The sender tries again with the webhook as it is then, unless it has another address."""
    webhooks = Webhooks(Contended(values, times))
    webhook = webhooks.add()
    attempted(webhooks, Post(GONE), webhooks.delivery(webhook))
    current = webhooks.webhook(webhook)
    assert current.status == status
    assert {name: getattr(current, name) for name in values} == values


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_nothing_is_sent_to_a_webhook_that_is_off(webhooks: Webhooks, how: str) -> None:
    """What was pending when a webhook was disabled or deleted fails without a request."""
    webhook, post = webhooks.add(), Post(FINE)
    message = webhooks.delivery(webhook)
    if how == "disabled":
        webhooks.change(webhook, status="disabled")
    else:
        webhooks.storage.delete(WEBHOOKS, (webhook.webhook_id,), None, NOW)

    delivery = attempted(webhooks, post, message).delivery

    assert post.sent == []
    assert (delivery.status, delivery.attempts) == ("failed", 0)
    assert delivery.next_attempt_at is UNSET
    assert delivery.error in {"The webhook is disabled.", "The webhook was deleted."}


def test_sending_again_during_an_attempt_is_not_lost(webhooks: Webhooks) -> None:
    """An attempt that ends after somebody asked for another one leaves the delivery pending."""
    webhook, post = webhooks.add(), Post(FINE)
    message = webhooks.delivery(webhook)
    service = DeliveryService(
        lambda: webhooks.storage.deliveries, webhooks.service, "urn:a", webhooks.clock
    )

    def ask() -> None:
        webhooks.clock.pass_seconds(1)
        service.send_again(webhook.webhook_id, message.delivery.delivery_id, None)

    post.meanwhile = ask
    delivery = attempted(webhooks, post, message).delivery
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    post.meanwhile = lambda: None
    assert attempted(webhooks, post, message).delivery.status == "succeeded"
    assert len(post.sent) == 2


@pytest.mark.parametrize("late", [FAILED, GONE])
def test_a_late_failure_does_not_undo_a_success(webhooks: Webhooks, late: Outcome) -> None:
    """Of two senders of one delivery, the one that ends later keeps nothing of its attempt."""
    webhook, post = webhooks.add(), Post(late)
    message = webhooks.delivery(webhook)

    def send_as_well() -> None:
        post.meanwhile = lambda: None
        assert sender(webhooks, Post(FINE)).attempt(message).status == "succeeded"

    post.meanwhile = send_as_well
    delivery = attempted(webhooks, post, message).delivery

    assert (delivery.status, delivery.attempts, delivery.response_status) == ("succeeded", 1, 204)
    assert webhooks.webhook(webhook) == webhook


def test_nothing_is_written_over_a_webhook_that_was_disabled(webhooks: Webhooks) -> None:
    """A sender that finds the webhook disabled leaves what another sender has just kept."""
    webhook = webhooks.add()
    message = webhooks.delivery(webhook)
    sender(webhooks, Post(FINE)).attempt(message)
    webhooks.change(webhook, status="disabled")

    assert sender(webhooks, Post(FINE)).attempt(message).status == "succeeded"
    assert webhooks.now(message).delivery.status == "succeeded"


class Forgetful(WebhookEndpoints):
    """Endpoints of which nothing can be noted."""

    def note_gone(self, webhook: Webhook) -> None:
        """Fail."""
        del webhook
        raise Unavailable


def test_what_became_of_it_is_kept_before_it_is_noted(webhooks: Webhooks) -> None:
    """If storage fails with the webhook, the delivery is not sent again for that."""
    message = webhooks.delivery(webhooks.add())
    endpoints = Forgetful(webhooks.storage, webhooks.clock, history=True, secrets=webhooks.secrets)
    sender = Sender(webhooks.storage.deliveries, endpoints, Post(GONE), now=webhooks.clock)
    with pytest.raises(Unavailable):
        sender.attempt(message)
    delivery = webhooks.now(message).delivery
    assert (delivery.status, delivery.attempts, delivery.response_status) == ("failed", 1, 410)
