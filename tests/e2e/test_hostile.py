"""Two thousand hostile requests: each gets a response, and none is a 5xx."""

import http.client
import json
import random
from collections.abc import Callable

from tests.e2e.server import Server

SEED = 20261121
REQUESTS = 2000
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get"]
ID = "usr_" + "0" * 31 + "1"
PIECES = [
    "users",
    ID,
    "orders",
    "ord_" + "f" * 32,
    "user",
    "create",
    "problems",
    "email-taken",
    "health",
    "..",
    ".",
    "",
    "%00",
    "%2e%2e%2f",
    "%FF%FE",
    "%",
    "%zz",
    "{user_id}",
    "{proxy+}",
    "'; DROP TABLE users; --",
    "\u00e9\u00ff",
    "a" * 3000,
    "*",
    ";x=y",
]
ROUTES = ["/users", f"/users/{ID}", f"/users/{ID}/orders", f"/users/{ID}/orders/ord_{'f' * 32}"]
NAMES = ["limit", "order", "cursor", "status", "email", "created_after", "created_before", "x", ""]
VALUES = [
    "",
    "0",
    "1",
    "100",
    "-1",
    "9" * 400,
    "1e9",
    "NaN",
    "%00",
    "%F0%9F%92%A9",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999+23:59",
    "2026-11-21T09:30:00-99:99",
    "A" * 44,
    "{$gt:1}",
    "ann@example.com",
    "active",
    "asc",
]
HEADERS = {
    "Content-Type": ["application/json", "APPLICATION/JSON;;;", "text/xml", "", ";", "\u00e9"],
    "If-Match": ['"1"', "*", 'W/"1"', '"', "x" * 5000, '"1",' * 500, '"\u00e9"'],
    "If-None-Match": ['"1"', "*", '"', ",,,", '"\t"'],
    "Idempotency-Key": ["k", "", "k" * 300, "\u00e9\u00e8", "\t"],
    "Origin": ["http://localhost:3000", "null", "*", "x y"],
    "Accept": ["text/html", "*/*", "application/octet-stream", "image/png"],
    "Authorization": ["Bearer x", "Basic eDp5", "Bearer"],
    "X-HTTP-Method-Override": ["DELETE"],
    "Expect": ["100-continue", "nonsense"],
    "Connection": ["close", "keep-alive", "upgrade"],
}
BODIES: list[Callable[[random.Random], bytes]] = [
    lambda _: b"",
    lambda _: b"{}",
    lambda _: b'{"name": "A", "email": "a@example.com"}',
    lambda _: b'{"name": {"$ne": null}, "email": ["a"], "__proto__": {"admin": true}}',
    lambda _: b'{"currency": "EUR", "items": [{"sku": "s", "quantity": 1e400, "unit_price": 1}]}',
    lambda _: b'{"status": "paid", "metadata": {"\\u0000": "\\ud83d"}}',
    lambda _: b'{"metadata": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
    lambda _: b"[" * 60_000,
    lambda _: b'"' + b"a" * 70_000 + b'"',
    lambda _: b"\xff\xfe\x00" * 50,
    lambda _: b"name=A&email=a@example.com",
    lambda _: b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    lambda choice: choice.randbytes(choice.randrange(2000)),
    lambda choice: json.dumps(
        {
            choice.choice(["name", "email", "status", "metadata", "items", "x"]): json_value(
                choice, 3
            )
        }
    ).encode(),
]


def json_value(choice: random.Random, depth: int) -> object:
    """Return a random JSON value."""
    simple: list[object] = [None, True, 0, -1, 1.5, 2**70, "", "a", "\u0000", "\U0001f4a9" * 50]
    if depth == 0 or choice.random() < 0.5:
        return choice.choice(simple)
    if choice.random() < 0.5:
        return [json_value(choice, depth - 1) for _ in range(choice.randrange(4))]
    return {str(choice.choice(simple)): json_value(choice, depth - 1) for _ in range(3)}


def target(choice: random.Random) -> str:
    """Return a random path with a query string."""
    pieces = [choice.choice(PIECES) for _ in range(choice.randrange(6))]
    path = choice.choice([*ROUTES, "/" + "/".join(pieces), "/" + "/".join(pieces)])
    pairs = [f"{choice.choice(NAMES)}={choice.choice(VALUES)}" for _ in range(choice.randrange(4))]
    return path + ("?" + "&".join(pairs) if pairs else "")


def test_hostile_requests_get_a_response(server: Server) -> None:
    """No request gets a 5xx or a dropped connection, and every error is a complete problem."""
    choice = random.Random(SEED)
    statuses: set[int] = set()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for n in range(REQUESTS):
        method, path = choice.choice(METHODS), target(choice)
        names = choice.sample(sorted(HEADERS), choice.randrange(5))
        headers = {name: choice.choice(HEADERS[name]) for name in names}
        body = choice.choice(BODIES)(choice)
        connection.putrequest(method, "/", skip_accept_encoding=True)
        # Bypass the client's own checks.
        line = f"{method} {path.replace(' ', '+')} HTTP/1.1".encode()
        connection._buffer[0] = line  # type: ignore[attr-defined]  # noqa: SLF001
        for name, value in headers.items():
            connection._buffer.append(f"{name}: {value}".encode())  # type: ignore[attr-defined]  # noqa: SLF001
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        text = response.read()
        about = (n, method, path[:200], headers, body[:200], text[:300])
        assert response.status < 500, about
        assert response.headers["x-request-id"], about
        if response.status >= 400 and method != "HEAD":
            problem = json.loads(text)
            assert response.headers["Content-Type"] == "application/problem+json", about
            assert problem["status"] == response.status, about
            assert problem["message"] == problem["detail"], about
            assert {"type", "title", "detail", "request_id"} <= problem.keys(), about
        if response.will_close:
            response.close()
            connection.close()
        statuses.add(response.status)
    connection.close()
    assert {200, 201, 204, 400, 404, 405, 413, 415, 422} <= statuses
