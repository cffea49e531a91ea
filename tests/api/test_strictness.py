"""Strictness: malformed input is 400; invalid input is 422 with every error."""

import json
from typing import Any

import pytest

from tests.support.served import ORDER, Served, bearer

ADMIN = bearer("boss", roles=["admin"])
ANN = {"name": "Ann", "email": "ann@example.com"}
JSON = [("Authorization", ADMIN), ("Content-Type", "application/json")]


def send(api: Served, raw: bytes, path: str = "/users", **event: Any) -> tuple[int, Any]:
    """POST a raw body; `event` replaces members of the event."""
    whole = api.gateway.event("POST", path, JSON, b"") | {"body": raw.decode("latin-1")} | event
    whole["requestContext"]["authorizer"] = {"principalId": "boss", "admin": "true"}
    response = api.module.app(whole, None)
    return response["statusCode"], json.loads(response["body"])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{",
        b'{"name": "Ann"',
        b'{"name": "Ann", "email": "a@b.example",}',
        b"{'name': 'Ann'}",
        b'{"name": NaN}',
        b'{"name": -Infinity}',
        b'{"name": 1e999}',
        b'{"name": "Ann", "name": "Bob", "email": "a@b.example"}',
        b'{"name": "Ann", "n\\u0061me": "Bob", "email": "a@b.example"}',
        b'{"name": "Ann", "email": "a@b.example", "metadata": {"a": "1", "a": "1"}}',
        b'{"name": "\\ud800 lone", "email": "a@b.example"}',
        b'{"name": "tab\there", "email": "a@b.example"}',
        b'{"name": "Ann", "email": "a@b.example"} {}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 30000,
        b'{"name": [[[[["deep"]]]]], "email": "a@b.example"}',
    ],
)
def test_a_body_that_is_not_a_json_object_is_400(api: Served, raw: bytes) -> None:
    """A body that is not a plain JSON object, repeats a name or nests too deeply is 400."""
    status, problem = send(api, raw)
    assert (status, problem["type"]) == (400, "/problems/malformed-json"), raw[:80]


def test_invalid_utf8_is_400(api: Served) -> None:
    """Invalid UTF-8 is 400, and so is invalid base64."""
    for body in ("eyJuYW1lIjoi/yJ9", "*"):
        assert send(api, b"", body=body, isBase64Encoded=True)[0] == 400


def test_a_byte_order_mark_is_400(api: Served) -> None:
    """JSON text begins without a byte order mark (RFC 8259 §8.1)."""
    assert send(api, b"", body="\ufeff{}")[0] == 400


def test_every_error_is_listed(api: Served) -> None:
    """One response lists each invalid field of a user by JSON Pointer."""
    body = {
        "name": " ",
        "email": "ann@example",
        "status": "gone",
        "metadata": {"": "x", "k" * 41: "x", "big": "v" * 501, "num": 1, "a/b~c": None},
        "user_id": "usr_1",
        "version": 3,
        "nick/name": 1,
    }
    reply = api.call("POST", "/users", ADMIN, body)
    pointers = {error["pointer"]: error["detail"] for error in reply.body["errors"]}
    assert (reply.status, reply.body["type"]) == (422, "/problems/invalid-body")
    assert set(pointers) == {
        "/name",
        "/email",
        "/status",
        "/metadata/",
        "/metadata/" + "k" * 41,
        "/metadata/big",
        "/metadata/num",
        "/metadata/a~1b~0c",
        "/user_id",
        "/version",
        "/nick~1name",
    }
    assert pointers["/version"] == "Is set by the server; leave it out."
    assert "active" in pointers["/status"]


def test_every_error_of_an_order_is_listed(api: Served) -> None:
    """Errors in items are listed by their index."""
    items: list[Any] = [
        {"sku": "ok", "quantity": 1, "unit_price": 0},
        {"sku": "", "quantity": 0, "unit_price": -1, "name": None},
        {"quantity": 10_001, "unit_price": 10**12 + 1, "colour": "red"},
        {"sku": 1, "quantity": True, "unit_price": 1.5},
        {"sku": "s", "quantity": "1", "unit_price": 2**80},
        None,
        [],
    ]
    body = {"currency": "eur", "items": items, "total": 1}
    reply = api.call("POST", f"/users/{api.user()}/orders", ADMIN, body)
    pointers = {error["pointer"] for error in reply.body["errors"]}
    assert pointers == {
        "/currency",
        "/total",
        "/items/1/sku",
        "/items/1/quantity",
        "/items/1/unit_price",
        "/items/1/name",
        "/items/2/sku",
        "/items/2/quantity",
        "/items/2/unit_price",
        "/items/2/colour",
        "/items/3/sku",
        "/items/3/quantity",
        "/items/3/unit_price",
        "/items/4/quantity",
        "/items/4/unit_price",
        "/items/5",
        "/items/6",
    }


@pytest.mark.parametrize(
    ("member", "value", "pointer"),
    [
        ("items", [], "/items"),
        ("items", [ORDER["items"][0]] * 101, "/items"),
        ("items", {}, "/items"),
        ("items", None, "/items"),
        ("currency", "XYZ", "/currency"),
        ("metadata", {f"k{n}": "" for n in range(51)}, "/metadata"),
        ("metadata", [], "/metadata"),
        ("metadata", None, "/metadata"),
    ],
)
def test_one_invalid_field_of_an_order(
    api: Served, member: str, value: object, pointer: str
) -> None:
    """A field out of range is 422, and the only one listed."""
    path = f"/users/{api.user()}/orders"
    reply = api.call("POST", path, ADMIN, {**ORDER, member: value})
    assert (reply.status, [e["pointer"] for e in reply.body["errors"]]) == (422, [pointer])


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("A" * 200, "A" * 200),
        (f"  {'雪' * 200}\u3000", "雪" * 200),
        ("\tAnn\n", "Ann"),
        ("👩‍👩‍👧 Zoë", "👩‍👩‍👧 Zoë"),
        ("A" * 201, None),
        ("\u3000", None),
        ("Ann\x00", None),
        ("A\nB", None),
        ("A\x85B", None),
        ("A\x7fB", None),
    ],
)
def test_names(api: Served, name: str, kept: str | None) -> None:
    """A name is trimmed, and then has 1 to 200 characters and no control characters."""
    reply = api.call("POST", "/users", ADMIN, {**ANN, "name": name})
    assert reply.status == (422 if kept is None else 201)
    assert kept is None or reply.body["name"] == kept


@pytest.mark.parametrize(
    ("email", "good"),
    [
        ("a@b.co", True),
        ("o'hara+tag@sub.example.com", True),
        (f"{'l' * 64}@example.com", True),
        (f"a@{'d' * 63}.com", True),
        (f"{'l' * 60}@{'.'.join(['d' * 60] * 3)}.{'c' * 10}", True),
        ("xn--tst@xn--bcher-kva.example", True),
        (f"{'l' * 65}@example.com", False),
        (f"a@{'d' * 64}.com", False),
        (f"{'l' * 64}@{'.'.join(['d' * 60] * 4)}.com", False),
        ("a@b", False),
        ("a@@b.co", False),
        ("a b@c.co", False),
        (".a@b.co", False),
        ("a..b@c.co", False),
        ("a@-b.co", False),
        ("a@b.co\n", False),
        ("ä@b.co", False),
        ("", False),
        ("@b.co", False),
        ("a@[127.0.0.1]", False),
    ],
)
def test_emails(api: Served, email: str, good: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """An address follows the limits and the dot-string form of RFC 5321."""
    reply = api.call("POST", "/users", ADMIN, {"name": "A", "email": email})
    assert reply.status == (201 if good else 422)


def test_big_bodies_are_413(api: Served) -> None:
    """A body of 64 KiB is read; one byte more is 413."""
    body = json.dumps({**ANN, "metadata": {"pad": ""}}).encode()
    whole = body + b" " * (64 * 1024 - len(body))
    assert send(api, whole)[0] == 201
    status, problem = send(api, whole + b" ")
    assert (status, problem["type"]) == (413, "/problems/content-too-large")


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        (None, 201),
        ("", 201),
        ("application/json", 201),
        ("APPLICATION/JSON; Charset=UTF-8", 201),
        (" application/json ;x=y", 201),
        ("application/merge-patch+json", 415),
        ("text/plain", 415),
        ("application/jsonp", 415),
        ("application/x-www-form-urlencoded", 415),
        ("*/*", 415),
    ],
)
def test_media_types(api: Served, media_type: str | None, status: int) -> None:
    """JSON is accepted with its own media type or none; otherwise 415 lists what is accepted."""
    headers = {} if media_type is None else {"content-TYPE": media_type}
    reply = api.call("POST", "/users", ADMIN, ANN, headers)
    assert reply.status == status
    assert status == 201 or "application/json" in reply.body["detail"]


def test_percent_encoded_ids_are_the_same_ids(api: Served) -> None:
    """An id matches all spellings that are equivalent by RFC 3986 §6.2.2.2."""
    user_id = api.user()
    encoded = "".join(f"%{ord(character):02x}" for character in user_id)
    assert api.call("GET", f"/users/{encoded}", ADMIN).body["user_id"] == user_id
    assert api.call("GET", f"/users/{encoded}", bearer(user_id)).status == 200
