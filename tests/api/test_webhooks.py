"""Webhooks over HTTP: their secrets, the events that they name, and what was sent to them."""

import base64
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.webhook_endpoints import WebhookEndpoints
from chalicelib.domain.webhook_secrets import WebhookSecrets, as_text
from chalicelib.events.http_post import Outcome
from chalicelib.events.relay import Relay
from chalicelib.events.sender import Sender
from tests.support.served import Reply, Served, bearer, served

ADMIN = bearer("boss", roles=["admin"])
URL = "https://hooks.example.com/users"


def created(api: Served, **members: Any) -> dict[str, Any]:
    """Return a new webhook with its secret."""
    body: dict[str, Any] = api.as_administrator("POST", "/webhooks", {"url": URL, **members}).body
    return body


def rotated(api: Served, webhook_id: str, **headers: str) -> Reply:
    """Rotate the secret of a webhook."""
    path = f"/webhooks/{webhook_id}/rotate-secret"
    return api.call("POST", path, ADMIN, None, {n.replace("_", "-"): v for n, v in headers.items()})


def test_a_secret_is_shown_once(api: Served) -> None:
    """The creation shows the secret; no later read, change or list does."""
    webhook = created(api)
    path = f"/webhooks/{webhook['webhook_id']}"

    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", webhook["secret"])
    for method, target, body in (
        ("GET", path, None),
        ("GET", "/webhooks", None),
        ("PATCH", path, {"description": "The mailer"}),
        ("GET", f"{path}/history", None),
    ):
        reply = api.as_administrator(method, target, body)
        assert "secret" not in json.dumps(reply.body).replace("secret_version", "").replace(
            "previous_secrets", ""
        )


def test_secrets_differ(api: Served) -> None:
    """Each webhook, and each rotation, has another secret of 32 bytes."""
    first, second = created(api), created(api)
    third = rotated(api, first["webhook_id"]).body

    secrets = {one["secret"] for one in (first, second, third)}

    assert len(secrets) == 3
    assert {len(base64.b64decode(one.removeprefix("whsec_"))) for one in secrets} == {32}


def test_a_repeated_creation_shows_the_same_secret(api: Served) -> None:
    """A client that lost the response gets the secret by its Idempotency-Key."""
    replies = [
        api.call("POST", "/webhooks", ADMIN, {"url": URL}, {"Idempotency-Key": "one"})
        for _ in range(2)
    ]

    assert replies[0].body == replies[1].body
    assert replies[1].headers["Idempotent-Replayed"] == "true"


def test_a_read_of_the_database_gives_no_secret_away(tmp_path: Path) -> None:
    """Neither a secret nor anything that it could be computed from without the key is stored."""
    path = tmp_path / "users.db"
    with served(STORAGE_URL=f"sqlite:///{path}") as api:
        body = {"url": URL}
        reply = api.call("POST", "/webhooks", ADMIN, body, {"Idempotency-Key": "one"})
        secret = reply.body["secret"].removeprefix("whsec_")
        webhook_id = reply.body["webhook_id"]
        second = rotated(api, webhook_id).body["secret"].removeprefix("whsec_")
        api.delivery(webhook_id)
    with sqlite3.connect(path) as database:
        dump = "\n".join(database.iterdump())
    database.close()

    assert webhook_id in dump
    for text in (secret, second):
        assert text not in dump
        assert base64.b64decode(text).hex() not in dump.lower()
        assert base64.urlsafe_b64encode(base64.b64decode(text)).decode() not in dump


def test_the_key_decides_the_secrets() -> None:
    """With another WEBHOOK_KEY a webhook has another secret."""
    secrets = set()
    for key in ("a" * 32, "b" * 32):
        with served(WEBHOOK_KEY=key) as api:
            webhook = created(api)
            derived = WebhookSecrets(key.encode).secret(webhook["webhook_id"], 1)
            assert webhook["secret"] == as_text(derived)
            secrets.add(WebhookSecrets(key.encode).secret("whk_1", 1))
    assert len(secrets) == 2


def test_a_rotation_keeps_the_secrets_before_it_for_a_day(api: Served) -> None:
    """Each rotation lists the secrets that still sign, with the time until when they do."""
    webhook_id = created(api)["webhook_id"]

    first, second = rotated(api, webhook_id), rotated(api, webhook_id)

    assert (first.status, first.body["secret_version"]) == (200, 2)
    assert second.headers["Cache-Control"] == "no-store"
    assert second.headers["ETag"] == '"3"'
    assert [one["version"] for one in second.body["previous_secrets"]] == [1, 2]
    found = api.as_administrator("GET", f"/webhooks/{webhook_id}").body
    assert found == {name: part for name, part in second.body.items() if name != "secret"}
    assert all(one["expires_at"] > found["updated_at"] for one in found["previous_secrets"])


def test_no_secret_is_taken_away_before_its_time(api: Served) -> None:
    """A rotation that would make more than four secrets sign beside the new one is refused."""
    webhook_id = created(api)["webhook_id"]
    path = f"/webhooks/{webhook_id}"
    for _ in range(4):
        assert rotated(api, webhook_id).status == 200
    before = api.as_administrator("GET", path).body

    reply = rotated(api, webhook_id)

    assert (reply.status, reply.body["type"]) == (409, "/problems/too-many-secrets")
    assert before["previous_secrets"][0]["expires_at"] in reply.body["detail"]
    assert api.as_administrator("GET", path).body == before
    assert [one["version"] for one in before["previous_secrets"]] == [1, 2, 3, 4]


def test_a_rotation_can_be_conditional(api: Served) -> None:
    """If-Match keeps a client from rotating twice what it meant to rotate once."""
    webhook_id = created(api)["webhook_id"]

    replies = [rotated(api, webhook_id, If_Match='"1"') for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 412]


@pytest.mark.parametrize("types", [[], ["user.created"], ["order.paid", "user.deleted"]])
def test_types_of_events(api: Served, types: list[str]) -> None:
    """A webhook names types of events, or none for all; they can be replaced."""
    webhook = created(api, event_types=types)
    path = f"/webhooks/{webhook['webhook_id']}"

    assert webhook["event_types"] == types
    changed = api.as_administrator("PATCH", path, {"event_types": ["user.updated"]})
    assert changed.body["event_types"] == ["user.updated"]


def test_an_unknown_type_is_refused_with_the_known_ones(api: Served) -> None:
    """The error for an unknown type of event names those that there are."""
    reply = api.call("POST", "/webhooks", ADMIN, {"url": URL, "event_types": ["user.renamed"]})

    [error] = reply.body["errors"]
    assert error["pointer"] == "/event_types/0"
    assert "user.created, user.updated, user.deleted, order.created" in error["detail"]


def test_a_test_event_becomes_a_delivery(api: Served) -> None:
    """A test event is pending at first, and the delivery shows it whole."""
    webhook_id = created(api, event_types=["user.created"])["webhook_id"]

    sent = api.as_administrator("POST", f"/webhooks/{webhook_id}/test").body

    path = f"/webhooks/{webhook_id}/deliveries"
    assert (sent["status"], sent["attempts"], sent["event_type"]) == ("pending", 0, "webhook.test")
    assert sent["event"]["data"] == {"webhook_id": webhook_id}
    assert sent["event"]["subject"] == f"/webhooks/{webhook_id}"
    assert api.as_administrator("GET", f"{path}/{sent['delivery_id']}").body == sent
    [listed] = api.as_administrator("GET", path).body["deliveries"]
    assert listed == {name: part for name, part in sent.items() if name != "event"}


def test_deliveries_are_paged_newest_first(api: Served) -> None:
    """Deliveries are listed as everything is: newest first, or oldest first, by signed cursors."""
    webhook_id = created(api)["webhook_id"]
    made = [api.delivery(webhook_id) for _ in range(5)]
    path = f"/webhooks/{webhook_id}/deliveries"

    for order in ("desc", "asc"):
        seen, cursor = [], ""
        while cursor is not None:
            query = f"?limit=2&order={order}" + (f"&cursor={cursor}" if cursor else "")
            page = api.as_administrator("GET", path + query).body
            seen += [one["delivery_id"] for one in page["deliveries"]]
            cursor = page["next_cursor"]
        assert sorted(seen) == sorted(made)
        assert seen == sorted(made, reverse=order == "desc")


def test_sending_again_starts_over(api: Served) -> None:
    """A delivery that is sent again is pending, with no attempts, and asked for later."""
    webhook_id = created(api)["webhook_id"]
    delivery_id = api.delivery(webhook_id)
    path = f"/webhooks/{webhook_id}/deliveries/{delivery_id}"
    before = api.as_administrator("GET", path).body

    again = api.as_administrator("POST", f"{path}/send-again").body

    assert (again["status"], again["attempts"]) == ("pending", 0)
    assert again["requested_at"] >= before["requested_at"]
    assert again["event"] == before["event"]
    assert api.as_administrator("GET", path).body == again


def asked(api: Served, path: str, key: str) -> Reply:
    """Ask for a delivery with an Idempotency-Key."""
    return api.call("POST", path, ADMIN, None, {"Idempotency-Key": key})


def test_a_repeated_test_sends_no_second_event(api: Served) -> None:
    """A test with a known key gets the first response, also once the webhook is disabled."""
    webhook_id = created(api)["webhook_id"]
    path = f"/webhooks/{webhook_id}"

    first = asked(api, f"{path}/test", "one")
    api.as_administrator("PATCH", path, {"status": "disabled"})
    again = asked(api, f"{path}/test", "one")

    assert (again.status, again.body) == (first.status, first.body) == (200, again.body)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert asked(api, f"{path}/test", "another").status == 409
    assert len(api.as_administrator("GET", f"{path}/deliveries").body["deliveries"]) == 1


def test_a_repeated_request_to_send_again_starts_over_once(api: Served) -> None:
    """Sending again with a known key gets the first response, and leaves the delivery alone."""
    webhook_id = created(api)["webhook_id"]
    path = f"/webhooks/{webhook_id}/deliveries/{api.delivery(webhook_id)}"

    first = asked(api, f"{path}/send-again", "one")
    deliveries = api.module.storage().deliveries
    message = deliveries.get(webhook_id, first.body["delivery_id"])
    outcome = Outcome(204, "")
    Sender(deliveries, api.module.webhook_endpoints(), lambda *_: outcome).attempt(message)
    again = asked(api, f"{path}/send-again", "one")

    assert (again.status, again.body) == (200, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert api.as_administrator("GET", path).body["status"] == "succeeded"


def test_a_key_is_for_one_request_to_send(api: Served) -> None:
    """A key that was used for another delivery, webhook or creation is 422."""
    one, other = created(api)["webhook_id"], created(api)["webhook_id"]
    delivery_id = api.delivery(one)
    assert asked(api, f"/webhooks/{one}/test", "one").status == 200
    api.call("POST", "/webhooks", ADMIN, {"url": URL}, {"Idempotency-Key": "two"})

    for path, key in (
        (f"/webhooks/{other}/test", "one"),
        (f"/webhooks/{one}/deliveries/{delivery_id}/send-again", "one"),
        (f"/webhooks/{one}/test", "two"),
    ):
        reply = asked(api, path, key)
        assert (reply.status, reply.body["type"]) == (422, "/problems/idempotency-key-reused")
    reply = api.call("POST", "/webhooks", ADMIN, {"url": URL}, {"Idempotency-Key": "one"})
    assert reply.status == 422


def test_what_a_key_keeps_has_no_personal_data(tmp_path: Path) -> None:
    """The record of a request to send again refers to the event, and does not repeat it."""
    path = tmp_path / "users.db"
    with served(STORAGE_URL=f"sqlite:///{path}") as api:
        webhook_id = created(api)["webhook_id"]
        api.user()
        Relay(api.module.storage().outbox, api.module.fan_out()).drain()
        listed = f"/webhooks/{webhook_id}/deliveries"
        [sent] = api.as_administrator("GET", listed).body["deliveries"]
        target = f"{listed}/{sent['delivery_id']}/send-again"
        replies = [asked(api, target, "one") for _ in range(2)]
    with sqlite3.connect(path) as database:
        [(body,)] = database.execute("SELECT body FROM idempotency_keys")
    database.close()

    assert replies[0].body == replies[1].body
    assert replies[0].body["event"]["data"]["user"]["name"] == "Ann Example"
    assert "Ann" not in body


def test_deliveries_belong_to_their_webhook(api: Served) -> None:
    """Under another webhook a delivery does not exist."""
    one, other = created(api)["webhook_id"], created(api)["webhook_id"]
    delivery_id = api.delivery(one)

    for method, suffix in (("GET", ""), ("POST", "/send-again")):
        path = f"/webhooks/{other}/deliveries/{delivery_id}{suffix}"
        reply = api.call(method, path, ADMIN)
        assert (reply.status, reply.body["type"]) == (404, "/problems/delivery-not-found")


@pytest.mark.parametrize("reason", ["gone", "failing"])
def test_enabling_a_webhook_forgets_why_it_was_disabled(api: Served, reason: str) -> None:
    """An administrator who enables a webhook starts it afresh."""
    webhook_id = created(api)["webhook_id"]
    endpoints = WebhookEndpoints(
        api.module.storage(), history=True, secrets=WebhookSecrets(lambda: b"k" * 32)
    )
    webhook = endpoints.find(webhook_id)
    assert webhook is not None
    if reason == "gone":
        endpoints.note_gone(webhook)
    else:
        endpoints.note_failing(webhook_id, webhook.created_at)
    path = f"/webhooks/{webhook_id}"
    disabled = api.as_administrator("GET", path).body
    assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", reason)
    assert ("failing_since" in disabled) == (reason == "failing")
    history = api.as_administrator("GET", f"{path}/history").body["history"]
    assert [entry["by_role"] for entry in history] == ["system", "administrator"]

    enabled = api.as_administrator("PATCH", path, {"status": "enabled"}).body

    assert enabled["status"] == "enabled"
    assert not {"disabled_reason", "failing_since"} & enabled.keys()


@pytest.mark.parametrize(("status", "reply"), [(500, 200), (410, 412)])
def test_a_condition_holds_while_the_endpoint_fails(api: Served, status: int, reply: int) -> None:
    """What the sender learns changes the webhook for clients only if it disables it."""
    webhook_id = created(api)["webhook_id"]
    path = f"/webhooks/{webhook_id}/deliveries/{api.delivery(webhook_id)}"
    deliveries, endpoints = api.module.storage().deliveries, api.module.webhook_endpoints()
    message = deliveries.get(webhook_id, path.rpartition("/")[2])
    outcome = Outcome(status, f"The endpoint responded with {status}.")
    Sender(deliveries, endpoints, lambda *_: outcome).attempt(message)
    assert api.as_administrator("GET", path).body["response_status"] == status

    assert rotated(api, webhook_id, If_Match='"1"').status == reply


def test_loopback_only_on_the_local_server() -> None:
    """The local server takes receivers on this machine without TLS, and nothing else private."""
    with served(LOOPBACK_WEBHOOKS="allowed") as api:
        for url in ("http://127.0.0.1:9000/", "http://localhost:9000", "http://[::1]:9000/a?b=c"):
            assert created(api, url=url)["url"] == url
        for url in ("http://10.0.0.1/", "http://hooks.example.com/", "https://192.168.1.1/"):
            assert api.call("POST", "/webhooks", ADMIN, {"url": url}).status == 422
