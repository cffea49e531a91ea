"""Mass assignment: read-only and administrators' fields are refused, not ignored."""

from typing import Any

import pytest

from chalicelib.web.operation import Source
from tests.support.resource_case import an_id, resource_cases
from tests.support.served import ORDER, Reply, Served, bearer

THE_SERVERS = {
    **{case.resource.id_field: an_id(case) for case in resource_cases()},
    "user_id": "usr_0190a0b0c0d07e0f8123456789abcdef",
    "order_id": "ord_0190a0b0c0d07e0f8123456789abcdef",
    "id": "1",
    "created_at": "2026-01-01T00:00:00.000Z",
    "updated_at": "2026-01-01T00:00:00.000Z",
    "version": 7,
    "message": "User created",
    "open_orders": 0,
    "total": 1,
    "role": "admin",
    "roles": ["admin"],
    "is_admin": True,
    "admin": True,
    "sub": "boss",
    "caller": {"subject": "boss", "is_admin": True},
    "PK": "USER#1",
    "_version": 1,
    "__class__": "User",
}
ROUTES: dict[str, dict[str, Any]] = {
    f"{method} {path}": body
    for case in resource_cases()
    for (method, path), body in case.bodies(0).items()
}
FIXED_ONCE_ORDERED = {"currency": "USD", "items": ORDER["items"]}


def sent(api: Served, route: str, body: object, *, as_owner: bool) -> tuple[Reply, bool]:
    """Send the body; return the reply and whether any data has changed."""
    method, path = route.split()
    ids = api.ids_in("".join(case.item for case in resource_cases()))
    caller = bearer(ids["user_id"]) if as_owner else bearer("boss", roles=["admin"])
    paths = [
        each.format(**ids) for case in resource_cases() for each in (case.collection, case.item)
    ]
    before = [api.as_administrator("GET", each).body for each in paths]

    reply = api.call(method, path.format(**ids), caller, body)

    return reply, before != [api.as_administrator("GET", each).body for each in paths]


def test_every_route_with_a_body_is_tested(api: Served) -> None:
    """The cases have a body for each route that takes one."""
    routes = {
        f"{method} {path}"
        for (method, path), operation in api.module.app.operations.items()
        if operation.hint(Source.BODY) is not None
    }

    assert set(ROUTES) == routes


@pytest.mark.parametrize("member", THE_SERVERS)
@pytest.mark.parametrize("route", ROUTES)
def test_the_servers_members_are_refused(api: Served, route: str, member: str) -> None:
    """Read-only and unknown fields are listed in a 422, even for an administrator."""
    body = {**ROUTES[route], member: THE_SERVERS[member]}

    reply, changed = sent(api, route, body, as_owner=False)

    assert reply.status == 422
    assert [error["pointer"] for error in reply.body["errors"]] == [f"/{member}"]
    assert not changed


@pytest.mark.parametrize("member", FIXED_ONCE_ORDERED)
@pytest.mark.parametrize("as_owner", [True, False], ids=["owner", "administrator"])
def test_an_order_is_fixed_once_made(api: Served, member: str, *, as_owner: bool) -> None:
    """Items and currency are refused later, even together with permitted changes."""
    body = {"metadata": {"a": "b"}, member: FIXED_ONCE_ORDERED[member]}

    reply, changed = sent(api, "PATCH /users/{user_id}/orders/{order_id}", body, as_owner=as_owner)

    assert reply.status == 422
    assert [error["pointer"] for error in reply.body["errors"]] == [f"/{member}"]
    assert not changed


@pytest.mark.parametrize("as_owner", [True, False], ids=["owner", "administrator"])
def test_an_order_begins_pending(api: Served, *, as_owner: bool) -> None:
    """No order can be created as paid."""
    reply, changed = sent(
        api, "POST /users/{user_id}/orders", {**ORDER, "status": "paid"}, as_owner=as_owner
    )

    assert reply.status == 422
    assert [error["pointer"] for error in reply.body["errors"]] == ["/status"]
    assert not changed


@pytest.mark.parametrize("member", ["total", "price", "discount", "order_id"])
def test_an_item_has_no_read_only_fields(api: Served, member: str) -> None:
    """Totals are computed; an item cannot set its own."""
    item = {"sku": "book", "quantity": 1, "unit_price": 100, member: 1}

    reply, changed = sent(
        api, "POST /users/{user_id}/orders", {**ORDER, "items": [item]}, as_owner=True
    )

    assert reply.status == 422
    assert [error["pointer"] for error in reply.body["errors"]] == [f"/items/0/{member}"]
    assert not changed


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("status", "active"), ("status", "suspended")),
        *(("user_name", "somebody"), ("user_name", None)),
        *(("external_id", "somebody"), ("external_id", None)),
    ],
)
@pytest.mark.parametrize("route", ["PUT /users/{user_id}", "PATCH /users/{user_id}"])
def test_a_user_cannot_set_what_administrators_set(
    api: Served, route: str, member: str, value: str | None
) -> None:
    """A member for administrators is refused, and with it the whole change."""
    body = {**ROUTES[route], "name": "Somebody Else", member: value}

    reply, changed = sent(api, route, body, as_owner=True)

    assert reply.status == 403
    assert reply.body["type"] == "/problems/forbidden"
    assert not changed


@pytest.mark.parametrize("query", ["status=suspended", "is_admin=true", "user_id=usr_1"])
def test_the_query_sets_no_fields(api: Served, query: str) -> None:
    """Query parameters are not fields of the body."""
    user_id = api.user()

    api.call("PATCH", f"/users/{user_id}?{query}", bearer(user_id), {"name": "Ann"})

    user = api.as_administrator("GET", f"/users/{user_id}").body
    assert (user["user_id"], user["status"]) == (user_id, "active")
