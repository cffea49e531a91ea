"""Errors: whatever is sent gets a SCIM error of the right kind, and never a fault."""

import json
from base64 import b64encode
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.domain.caller import Caller
from chalicelib.security.authorizer_context import request_authorizer_for
from tests.scim.provisioner import (
    ERROR,
    ROOT,
    SEARCH_REQUEST,
    Provisioner,
    assert_error,
    bulk_of,
    patch_of,
    resource,
)
from tests.support.served import Reply, Served, bearer, served

SCIM_JSON = "application/scim+json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Nothing", 404),
        ("GET", "/Users/none", 404),
        ("GET", "/Users/usr_0190a0b0c0d07e0f8123456789abcdef", 404),
        ("GET", "/Users/grp_0190a0b0c0d07e0f8123456789abcdef", 404),
        ("GET", "/Users/none/more", 404),
        ("GET", "/Groups/none", 404),
        ("GET", "/Schemas/none", 404),
        ("GET", "/ResourceTypes/none", 404),
        ("DELETE", "/Users/none", 404),
        ("DELETE", "/Groups/none", 404),
        ("PUT", "/Users", 405),
        ("PATCH", "/Users", 405),
        ("DELETE", "/Users", 405),
        ("POST", "/Users/none", 405),
        ("GET", "/Bulk", 405),
        ("POST", "/Schemas", 405),
        ("DELETE", "/ServiceProviderConfig", 405),
        ("GET", "/Me", 501),
    ],
)
def test_what_is_not_there(provider: Provisioner, method: str, path: str, status: int) -> None:
    """An unknown path is 404, an unknown method 405, and what is optional and missing 501."""
    reply = provider.send(method, path, {} if method in {"PUT", "PATCH", "POST"} else None)

    assert_error(reply, status)
    assert reply.headers["Cache-Control"] == "no-store"
    if status == 405:
        assert reply.headers["Allow"]


@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
@pytest.mark.parametrize(
    "media_type", ["text/xml", "application/x-www-form-urlencoded", "application/jsonp", "x", ";"]
)
def test_other_media_types_are_415(provider: Provisioner, endpoint: str, media_type: str) -> None:
    """Bodies are JSON, and the error says which media type is expected."""
    for method, path in (
        ("POST", f"/{endpoint}"),
        ("POST", f"/{endpoint}/.search"),
        ("POST", "/Bulk"),
    ):
        reply = provider.send(method, path, {}, {"Content-Type": media_type})
        assert_error(reply, 415)
        assert SCIM_JSON in reply.body["detail"]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/scim+json",
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/SCIM+JSON;charset=UTF-8",
    ],
)
def test_json_is_taken(provider: Provisioner, media_type: str) -> None:
    """Both media types of JSON are taken (RFC 7644 §3.1), with a charset or in capitals."""
    body = resource("Users", userName="ann@example.com")
    reply = provider.send("POST", "/Users", body, {"Content-Type": media_type})

    assert reply.status == 201
    assert reply.headers["Content-Type"] == SCIM_JSON


@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*", "image/png;q=0", ""])
def test_responses_are_scim_whatever_is_accepted(provider: Provisioner, accept: str) -> None:
    """There is one representation."""
    reply = provider.send("GET", "/Users", None, {"Accept": accept})
    assert reply.status == 200
    assert reply.headers["Content-Type"] == SCIM_JSON


def test_a_body_that_is_too_large_is_413(provider: Provisioner) -> None:
    """The limit is that of bulk requests, whatever the path."""
    size = provider.get("/ServiceProviderConfig")["bulk"]["maxPayloadSize"]
    for method, path in (("POST", "/Users"), ("PATCH", "/Groups/none"), ("POST", "/Bulk")):
        assert_error(provider.send(method, path, b" " * (size + 1)), 413)
        assert provider.send(method, path, b" " * size).status in {400, 404}


@pytest.mark.parametrize(
    ("caller", "status"),
    [("user", 403), ("itself", 403), ("nobody", 401), ("expired", 401), ("forged", 401)],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_only_administrators_provision(api: Served, caller: str, status: int, method: str) -> None:
    """A user cannot use SCIM, not even for itself; a request without a token is the gateway's."""
    user_id = api.user()
    authorization = {
        "user": bearer("usr_0190a0b0c0d07e0f8123456789abcdef", roles=["user", "administrator"]),
        "itself": bearer(user_id),
        "nobody": None,
        "expired": bearer("boss", roles=["admin"], exp=1_700_000_000),
        "forged": bearer("boss", roles=["admin"], secret="x" * 40),
    }[caller]
    provider = Provisioner(api, authorization)

    for path in (f"/Users/{user_id}", "/Users", "/Groups", "/Bulk", "/Schemas", "/no/such"):
        reply = provider.send(method, path)
        assert reply.status == status, path
        if status == 403:
            assert_error(reply, 403)
        else:
            assert reply.headers["WWW-Authenticate"].startswith("Bearer")


MALFORMED = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"1",
    b'"a"',
    b"{}",
    b"\xef\xbb\xbf{}",
    b'{"schemas": null}',
    b'{"schemas": []}',
    b'{"schemas": ["x"], "userName": "a@example.com"}',
    b'{"schemas": 1}',
    b"[" * 50_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": NaN}',
    b'{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "\\ud800"}',
    b'{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": 1e400}',
    b'{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": {"a": 1}}',
    b"<xml/>",
    b"a=b",
]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/Users"),
        ("POST", "/Groups"),
        ("PUT", "/Users/{id}"),
        ("PATCH", "/Users/{id}"),
        ("PATCH", "/Groups/{group}"),
        ("POST", "/Bulk"),
    ],
)
def test_a_malformed_body_is_400(provider: Provisioner, method: str, path: str) -> None:
    """What is no JSON, or no resource, is the client's error."""
    user, group = stage(provider)

    for body in MALFORMED:
        reply = provider.send(method, path.format(id=user["id"], group=group["id"]), body)
        assert_error(reply, 400, reply.body.get("scimType"))
    assert provider.get(f"/Users/{user['id']}") == user


VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**70,
    "",
    " ",
    "\0",
    "a\0b",
    "a\nb",
    "\u202e",
    "\U0001f4a9" * 100,
    "a" * 256,
    "a" * 100_000,
    "' OR 1=1; --",
    "${jndi:ldap://a}",
    [],
    [None],
    [[]],
    ["a"] * 1000,
    [{"value": None}],
    [{"value": "a" * 100_000}],
    [{"value": "\0", "type": "\0"}],
    [{"value": 1}],
    {},
    {"value": "a"},
    {"$ref": "javascript:alert(1)"},
    {"__proto__": {"admin": True}},
]
ATTRIBUTES = (
    *("userName", "displayName", "name", "name.givenName", "emails", "emails.value", "active"),
    *("externalId", "members", "id", "meta", "groups", "schemas", "password", "title"),
)


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_hostile_values(provider: Provisioner, attribute: str, every: int) -> None:
    """Whatever value an attribute is given, the response is a success or the client's error."""
    user, group = stage(provider)
    bases: dict[str, dict[str, Any]] = {
        "Users": {"userName": "other@example.com", "active": True, "displayName": "A"},
        "Groups": {"displayName": "Others"},
    }
    for number, value in enumerate(VALUES[ATTRIBUTES.index(attribute) % every :: every]):
        for endpoint, target in (("Users", user), ("Groups", group)):
            path = f"/{endpoint}/{target['id']}"
            operations = [
                {"op": op, **at}
                for op in ("add", "replace", "remove")
                for at in (
                    {"path": attribute, "value": value},
                    {"value": {attribute: value}},
                    {"path": f'{attribute}[value eq "a"]', "value": value},
                )
            ]
            for operation in operations:
                harmless(provider.patch(path, operation), (attribute, value))
            top = bases[endpoint] | {attribute.partition(".")[0]: value}
            harmless(provider.send("PUT", path, resource(endpoint, **top)), (attribute, value))
            created = provider.send("POST", f"/{endpoint}", resource(endpoint, **top))
            harmless(created, (attribute, value))
            if created.status == 201:
                provider.send("DELETE", f"/{endpoint}/{created.body['id']}")
            harmless(
                provider.send(
                    "POST",
                    "/Bulk",
                    bulk_of(
                        {"method": "PATCH", "path": path, "data": patch_of(*operations[:2])},
                        {"method": "PUT", "path": path, "data": top},
                    ),
                ),
                (attribute, value),
            )
        if number % 10 == 0:
            assert provider.get("/Users")["totalResults"] == 1


FILTERS = [
    'userName eq "\0"',
    'externalId eq "' + "a" * 5000 + '"',
    'emails.value eq "' + "a" * 5000 + '"',
    'emails.value eq "not an address"',
    "userName eq null",
    "userName eq 1",
    "externalId eq true",
    "emails eq null",
    'members eq "\0"',
    'id eq "\0"',
    'displayName eq "\\u0000"',
    'displayName eq "\\ud800"',
    'meta.created gt "9999-12-31T23:59:59Z"',
    'meta.created lt "0001-01-01T00:00:00Z"',
    'meta.created gt "0001-01-01T00:00:00+23:59"',
    'meta.created lt "9999-12-31T23:59:59.999999-23:59"',
    'meta.created gt "2026-01-01T00:00:00"',
    'meta.created gt "2026-13-45T99:99:99Z"',
    "meta.created gt 1",
    "not " * 300 + '(userName eq "a")',
    " and ".join(['userName eq "a"'] * 1000),
    "(" * 200 + 'userName eq "a"' + ")" * 200,
    "active eq null",
    "active eq 1",
    'active eq "maybe"',
    "urn:x:y:userName pr",
    "\uff55serName pr",
]


@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
def test_hostile_filters(provider: Provisioner, endpoint: str) -> None:
    """Whatever is filtered by, the response is a list or the client's error."""
    stage(provider)

    for text in FILTERS:
        harmless(provider.send("GET", f"/{endpoint}", None, None, filter=text), text)
        harmless(
            provider.send(
                "POST", f"/{endpoint}/.search", {"schemas": [SEARCH_REQUEST], "filter": text}
            ),
            text,
        )


PATHS = [
    "/Users/%00",
    "/Users/%FF%FE",
    "/Users/..",
    "/Users/%2e%2e%2fGroups",
    "/Users/usr_" + "0" * 33,
    "/Users/USR_0190A0B0C0D07E0F8123456789ABCDEF",
    "/Users/usr_0190a0b0c0d07e0f8123456789abcdeg",
    "/Users/usr_0190a0b0c0d07e0f8123456789abcdef%0A",
    "/Users/" + "a" * 5000,
    "//Users",
    "/users",
    "/Users/",
    "/Users/.search/x",
    "/\U0001f4a9".encode().decode("latin-1"),
]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_hostile_paths(provider: Provisioner, method: str) -> None:
    """Whatever the path, the response is the client's error, and nothing has changed."""
    user, _ = stage(provider)
    body = None if method in {"GET", "DELETE"} else resource("Users", userName="a@example.com")

    for path in PATHS:
        harmless(provider.send(method, path, body), path)
    assert provider.get(f"/Users/{user['id']}") == user


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": ""},
        {"If-Match": '"'},
        {"If-Match": "x" * 5000},
        {"If-Match": 'W/"' + "9" * 5000 + '"'},
        {"If-Match": '"1",' * 1000},
        {"If-Match": 'W/"\u0661"'},
        {"If-None-Match": '"'},
        {"If-None-Match": "*"},
    ],
)
def test_hostile_conditions(provider: Provisioner, headers: dict[str, str]) -> None:
    """A condition that is none of this API's is no fault."""
    user, group = stage(provider)
    for path in (f"/Users/{user['id']}", f"/Groups/{group['id']}"):
        rename = {"op": "replace", "path": "displayName", "value": "Renamed"}
        harmless(provider.patch(path, rename, headers=headers), headers)
        harmless(provider.send("GET", path, None, headers), headers)
        harmless(provider.send("DELETE", path, None, headers), headers)


@pytest.mark.parametrize(
    ("body", "is_base64", "detail"),
    [
        ("%%%", True, ""),
        ("aGk", True, "Base64"),
        ("//79AAE=", True, ""),
        ("\ud800", False, ""),
    ],
)
def test_a_body_that_no_gateway_sends(
    api: Served,
    body: str,
    is_base64: bool,  # noqa: FBT001
    detail: str,
) -> None:
    """Bad Base64 and bad UTF-8 are the client's errors too."""
    event = api.gateway.event("POST", f"{ROOT}/Users", [("Content-Type", SCIM_JSON)], b"")
    caller = Caller("boss", is_admin=True)
    event["requestContext"]["authorizer"] = request_authorizer_for(caller)
    event |= {"body": body, "isBase64Encoded": is_base64}

    response = api.module.app(event, SimpleNamespace(aws_request_id="1"))

    assert response["statusCode"] == 400
    assert response["headers"]["Content-Type"] == SCIM_JSON
    error = json.loads(response["body"])
    assert error["schemas"] == [ERROR]
    assert detail in error["detail"]


def test_a_base64_body_is_read(api: Served) -> None:
    """A gateway may pass any body in Base64."""
    event = api.gateway.event("POST", f"{ROOT}/Users", [("Content-Type", SCIM_JSON)], b"")
    event["requestContext"]["authorizer"] = request_authorizer_for(Caller("boss", is_admin=True))
    body = json.dumps(resource("Users", userName="ann@example.com")).encode()
    event |= {"body": b64encode(body).decode(), "isBase64Encoded": True}

    assert api.module.app(event, SimpleNamespace(aws_request_id="1"))["statusCode"] == 201


def test_a_fault_shows_nothing_of_the_inside() -> None:
    """Where storage fails, the error is SCIM's, without a word of what happened."""
    with served(STORAGE_URL="sqlite:////dev/null/users.db") as api:
        reply = Provisioner(api).send("GET", "/Users")

    assert_error(reply, reply.status)
    assert reply.status in {500, 503}
    for word in ("Traceback", "/dev/null", "sqlite", "Error:", "chalicelib", "STORAGE_URL"):
        assert word not in str(reply.body)


def stage(provider: Provisioner) -> tuple[Any, Any]:
    """Return a new user and a new group with it."""
    user = provider.create("Users", userName="ann@example.com")
    group = provider.create("Groups", displayName="Staff", members=[{"value": user["id"]}])
    return provider.get(f"/Users/{user['id']}"), group


def harmless(reply: Reply, about: object) -> None:
    """Check that a response is a success or a SCIM error of the client's."""
    assert reply.status < 500, (about, reply)
    if reply.status >= 400 and reply.headers["Content-Type"] != "application/problem+json":
        assert_error(reply, reply.status, reply.body.get("scimType"))
