"""Webhooks, for the general tests."""

from typing import Any

from chalicelib.domain.errors import Forbidden
from chalicelib.domain.resource import Guard
from chalicelib.domain.webhooks import WEBHOOKS, Webhook
from tests.support.factories import patch
from tests.support.resource_case import TIMES, Body, Permission, ResourceCase, new_id

COLLECTION = "/webhooks"
WEBHOOK = "/webhooks/{webhook_id}"
DELIVERY = f"{WEBHOOK}/deliveries/{{delivery_id}}"
NEW: Body = {"url": "https://hooks.example.com/users"}
PATCH: Body = {"description": "The mailer"}


def _new(**fields: Any) -> Webhook:
    defaults: dict[str, Any] = {
        "webhook_id": new_id(WEBHOOKS.prefix),
        "url": "https://hooks.example.com/users",
        "event_types": ["user.created"],
        "status": "enabled",
        "metadata": {"team": "blue"},
        "secret_version": 1,
        "previous_secrets": [],
        "description": "The mailer",
        "disabled_reason": "failing",
        "failing_since": "2026-11-21T09:30:00.000Z",
        **TIMES,
    }
    return Webhook(**defaults | fields)


def _invalid(pointers: set[str], **members: Any) -> tuple[Body, frozenset[str]]:
    return {**NEW, **members}, frozenset(pointers)


CASE = ResourceCase(
    resource=WEBHOOKS,
    new=_new,
    changes={"url": "https://b.example.com", "event_types": [], "metadata": patch(team="red")},
    refusing=Guard("status", frozenset({"disabled"}), lambda _: Forbidden()),
    collection=COLLECTION,
    creation=lambda number: {"url": f"https://hooks.example.com/{number}"},
    patch=PATCH,
    invalid=(
        ({}, frozenset({"/url"})),
        _invalid({"/url"}, url="ftp://hooks.example.com"),
        _invalid({"/url"}, url="http://hooks.example.com"),
        _invalid({"/url"}, url="https://"),
        _invalid({"/url"}, url="https://user:secret@hooks.example.com"),
        _invalid({"/url"}, url="https://hooks.example.com/#fragment"),
        _invalid({"/url"}, url="https://hooks.example.com:99999"),
        _invalid({"/url"}, url="https://[::1"),
        _invalid({"/url"}, url="https://127.0.0.1/"),
        _invalid({"/url"}, url="https://localhost:8443"),
        _invalid({"/url"}, url="https://169.254.169.254/latest/meta-data"),
        _invalid({"/url"}, url="https://[::ffff:10.0.0.1]/"),
        _invalid({"/url"}, url="https://[64:ff9b::a00:1]/"),
        _invalid({"/url"}, url="https://[2002:a00:1::]/"),
        _invalid({"/url"}, url="https://224.0.0.1/"),
        _invalid({"/url"}, url="https://192.0.0.9/"),
        _invalid({"/url"}, url=f"https://hooks.example.com/{'a' * 2000}"),
        _invalid({"/event_types/1"}, event_types=["user.created", "user.gone"]),
        _invalid({"/event_types/0"}, event_types=["nonsense"]),
        _invalid({"/status", "/description"}, status="off", description=" "),
        _invalid({"/secret_version"}, secret_version=2),
        _invalid({"/secret"}, secret="whsec_mine"),
    ),
    permissions=(
        Permission("POST", COLLECTION, NEW, 201, 403, 403, 403),
        Permission("GET", COLLECTION, None, 200, 403, 403, 403),
        Permission("HEAD", COLLECTION, None, 200, 403, 403, 403),
        Permission("GET", WEBHOOK, None, 200, 403, 403, 403),
        Permission("HEAD", WEBHOOK, None, 200, 403, 403, 403),
        Permission("PATCH", WEBHOOK, PATCH, 200, 403, 403, 403),
        Permission("DELETE", WEBHOOK, None, 204, 403, 403, 403),
        Permission("GET", f"{WEBHOOK}/history", None, 200, 403, 403, 403),
        Permission("HEAD", f"{WEBHOOK}/history", None, 200, 403, 403, 403),
        Permission("POST", f"{WEBHOOK}/rotate-secret", None, 200, 403, 403, 403),
        Permission("POST", f"{WEBHOOK}/test", None, 200, 403, 403, 403),
        Permission("GET", f"{WEBHOOK}/deliveries", None, 200, 403, 403, 403),
        Permission("HEAD", f"{WEBHOOK}/deliveries", None, 200, 403, 403, 403),
        # Of a delivery that does not exist.
        Permission("GET", DELIVERY, None, 404, 403, 403, 403),
        Permission("HEAD", DELIVERY, None, 404, 403, 403, 403),
        Permission("POST", f"{DELIVERY}/send-again", None, 404, 403, 403, 403),
    ),
)
