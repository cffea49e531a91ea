"""The API Gateway events that every contestant handles, and the users that they name."""

import hmac
import json
from base64 import urlsafe_b64encode
from itertools import count
from types import SimpleNamespace
from typing import Any

from tests.support.proxy_event import HOST, proxy_event

Event = dict[str, Any]

_IDS = [f"usr_019a9d3c5b7e7f3a8c1d2e3f4a5b6c{number:02x}" for number in range(20)]
PEOPLE: list[dict[str, Any]] = [
    {
        "user_id": user_id,
        "name": "Ann Example",
        "email": f"ann.example{number}@example.com",
        "status": "active",
        "metadata": {"team": "blue", "floor": "3"},
        "created_at": "2026-11-21T09:30:00.000Z",
        "updated_at": "2026-11-21T09:30:00.000Z",
        "version": 1,
    }
    for number, user_id in enumerate(_IDS)
]
CONTEXT = SimpleNamespace(
    aws_request_id="6f1c2a54-30d7-4a2e-9a0e-7f1f3b5a9c11",
    function_name="user-management",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:user-management",
)

SECRET = "a secret of the measurements, which signs tokens"  # noqa: S105 - protects nothing

ORDER_ID = "ord_019a9d3c5b7e7f3a8c1d2e3f4a5b6c00"

_EXPECTED = {
    "create": {201},
    "create-order": {201},
    "delete": {204},
    "invalid": {400, 422},
    "unknown": {404},
}
_USER = {"user_id": _IDS[7]}
_ORDER = {**_USER, "order_id": ORDER_ID}

_numbers = count()


def make(operation: str) -> Event:
    """Return a new event of an operation, such as "create", "get", "page" or "step-order"."""
    return _MAKERS[operation]()


def expected(operation: str) -> set[int]:
    """Return the statuses that are correct for the operation."""
    return _EXPECTED.get(operation, {200})


def _base64(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _token() -> str:
    """Return a signed token (RFC 7519), for peers that check it in the handler."""
    claims = {"sub": "boss", "roles": ["admin"], "aud": "api", "iss": "bench", "exp": 4102444800}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = ".".join(map(_base64, parts))
    return f"{signed}.{_base64(hmac.digest(SECRET.encode(), signed.encode(), 'sha256'))}"


TOKEN = _token()


def _create() -> Event:
    body = {
        "name": "Bea Example",
        "email": f"bea.example{next(_numbers)}@example.com",
        "metadata": {"team": "red", "floor": "4"},
    }
    return _event("POST", "/users", body=body)


def _invalid() -> Event:
    body = {"name": "", "email": "nobody", "metadata": {"team": "red"}, "admin": True}
    return _event("POST", "/users", body=body)


def _get() -> Event:
    return _event("GET", "/users/{user_id}", _USER)


def _list() -> Event:
    return _event("GET", "/users", query={"limit": "20"})


def _page() -> Event:
    return _event("GET", "/users", query={"limit": "25"})


def _unknown() -> Event:
    return _event("GET", "/{proxy+}", {"proxy": "people/7"})


def _replace() -> Event:
    body = {name: PEOPLE[0][name] for name in ("name", "email", "metadata")}
    return _event("PUT", "/users/{user_id}", _USER, body=body)


def _patch() -> Event:
    return _event("PATCH", "/users/{user_id}", _USER, body={"metadata": {"team": None}})


def _delete() -> Event:
    return _event("DELETE", "/users/{user_id}", _USER)


def _create_order() -> Event:
    items = [{"sku": "TEA-250", "quantity": 2, "unit_price": 1250}]
    body = {"currency": "EUR", "items": items, "metadata": {"gift": "yes"}}
    return _event("POST", "/users/{user_id}/orders", _USER, body=body)


def _get_order() -> Event:
    return _event("GET", "/users/{user_id}/orders/{order_id}", _ORDER)


def _list_orders() -> Event:
    return _event("GET", "/users/{user_id}/orders", _USER, query={"limit": "25"})


def _step_order() -> Event:
    return _event("PATCH", "/users/{user_id}/orders/{order_id}", _ORDER, body={"status": "paid"})


def _close_order() -> Event:
    body = {"status": "cancelled"}
    return _event("PATCH", "/users/{user_id}/orders/{order_id}", _ORDER, body=body)


_MAKERS = {
    "create": _create,
    "get": _get,
    "list": _list,
    "page": _page,
    "invalid": _invalid,
    "unknown": _unknown,
    "replace": _replace,
    "patch": _patch,
    "delete": _delete,
    "create-order": _create_order,
    "get-order": _get_order,
    "list-orders": _list_orders,
    "step-order": _step_order,
    "close-order": _close_order,
}


def _event(
    method: str,
    resource: str,
    parameters: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    body: object = None,
) -> Event:
    path = resource
    for name, value in (parameters or {}).items():
        path = path.replace(f"{{{name}}}", value).replace(f"{{{name}+}}", value)
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate, br",
        "Authorization": f"Bearer {TOKEN}",
        "CloudFront-Viewer-Country": "DE",
        "Host": HOST,
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "X-Amzn-Trace-Id": "Root=1-6740a1b2-0c3d4e5f6a7b8c9d0e1f2a3b",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    if body is not None:
        headers["Content-Type"] = "application/json"
    event = proxy_event(
        method,
        resource,
        path,
        headers={name: [value] for name, value in headers.items()},
        parameters=parameters or {},
        query={name: [value] for name, value in (query or {}).items()},
        body=None if body is None else json.dumps(body),
    )
    event["requestContext"]["authorizer"] = {
        "principalId": "boss",
        "admin": "true",
        "expires_at": "4102444800",
        "integrationLatency": 23,
    }
    return event
