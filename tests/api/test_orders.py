"""Orders over HTTP: creation, reading, and the lifecycle."""

from typing import Any

import pytest

from chalicelib.domain.orders import LIFECYCLE
from tests.support.served import ORDER, Served, bearer

ADMIN = bearer("boss", roles=["admin"])
STEPS_TO = {
    "pending": (),
    "paid": ("paid",),
    "shipped": ("paid", "shipped"),
    "delivered": ("paid", "shipped", "delivered"),
    "cancelled": ("cancelled",),
}


def test_creation_returns_the_whole_order(api: Served) -> None:
    """POST returns 201 with the stored order, its computed total and its Location."""
    user_id = api.user()
    items = [
        {"sku": "tea", "name": " Green tea ", "quantity": 3, "unit_price": 499},
        {"sku": "cup", "quantity": 1, "unit_price": 0},
    ]
    new = {"currency": "JPY", "items": items, "metadata": {"gift": "yes"}}
    reply = api.call("POST", f"/users/{user_id}/orders", ADMIN, new)
    order = reply.body
    assert (reply.status, reply.headers["ETag"]) == (201, '"1"')
    assert order == {
        "order_id": order["order_id"],
        "user_id": user_id,
        "status": "pending",
        "currency": "JPY",
        "items": [{**items[0], "name": "Green tea"}, items[1]],
        "total": 1497,
        "metadata": {"gift": "yes"},
        "created_at": order["created_at"],
        "updated_at": order["created_at"],
        "version": 1,
    }
    path = f"/users/{user_id}/orders/{order['order_id']}"
    assert reply.headers["Location"] == f"/api{path}"
    assert api.call("GET", path, ADMIN).body == order


@pytest.mark.parametrize("step", LIFECYCLE)
@pytest.mark.parametrize("status", LIFECYCLE)
def test_an_order_follows_its_lifecycle(api: Served, status: str, step: str) -> None:
    """A legal transition is made; any other is 409, lists the legal ones and changes nothing."""
    user_id = api.user()
    path = f"/users/{user_id}/orders/{api.order(user_id, *STEPS_TO[status])}"
    before = api.call("GET", path, ADMIN).body
    reply = api.call("PATCH", path, ADMIN, {"status": step, "metadata": {"tried": step}})
    if step in LIFECYCLE[status]:
        assert (reply.status, reply.body["status"]) == (200, step)
        assert reply.body["version"] == before["version"] + 1
    else:
        assert (reply.status, reply.body["type"]) == (409, "/problems/illegal-transition")
        assert all(f"'{legal}'" in reply.body["message"] for legal in LIFECYCLE[status])
        assert api.call("GET", path, ADMIN).body == before


def test_metadata_changes_at_any_time(api: Served) -> None:
    """The metadata of a closed order can be patched; its items cannot."""
    user_id = api.user()
    path = f"/users/{user_id}/orders/{api.order(user_id, 'cancelled')}"
    patched = api.as_administrator("PATCH", path, {"metadata": {"why": "late"}}).body
    assert (patched["metadata"], patched["status"]) == ({"why": "late"}, "cancelled")
    for member in ("items", "currency", "total"):
        reply = api.call("PATCH", path, ADMIN, {member: ORDER.get(member, 1)})
        assert (reply.status, reply.body["errors"][0]["pointer"]) == (422, f"/{member}")


def test_an_order_needs_an_active_user(api: Served) -> None:
    """An order for a missing user is 404, for a suspended one 409, for a reactivated one 201."""
    missing = "/users/usr_" + "0" * 32
    assert api.call("POST", f"{missing}/orders", ADMIN, ORDER).status == 404
    assert api.call("GET", f"{missing}/orders", ADMIN).status == 404
    path = f"/users/{api.user('suspended')}"
    reply = api.call("POST", f"{path}/orders", ADMIN, ORDER)
    assert (reply.status, reply.body["type"]) == (409, "/problems/user-suspended")
    api.as_administrator("PATCH", path, {"status": "active"})
    assert api.call("POST", f"{path}/orders", ADMIN, ORDER).status == 201


def test_an_order_is_reached_under_its_own_user_only(api: Served) -> None:
    """An order under another user's path is 404."""
    mine, other = api.user(), api.user()
    order_id = api.order(mine)
    assert api.call("GET", f"/users/{other}/orders/{order_id}", ADMIN).status == 404
    reply = api.call("PATCH", f"/users/{other}/orders/{order_id}", ADMIN, {"status": "paid"})
    assert (reply.status, reply.body["type"]) == (404, "/problems/order-not-found")


def test_a_total_stays_exact_in_every_client(api: Served) -> None:
    """A total up to 2^53 - 1 is exact; a greater one is 422 at /items."""
    path = f"/users/{api.user()}/orders"
    whole = {"sku": "s", "quantity": 9007, "unit_price": 10**12}
    rest: dict[str, Any] = {"sku": "s", "quantity": 1, "unit_price": 199254740991}
    items = [whole, rest]
    reply = api.call("POST", path, ADMIN, {"currency": "EUR", "items": items})
    assert (reply.status, reply.body["total"]) == (201, 2**53 - 1)
    rest["unit_price"] += 1
    reply = api.call("POST", path, ADMIN, {"currency": "EUR", "items": items})
    assert (reply.status, reply.body["errors"][0]["pointer"]) == (422, "/items")


def test_owners_cancel_pending_orders_only(api: Served) -> None:
    """A user may cancel a pending order; other transitions are 403, impossible ones 409."""
    user_id = api.user()
    owner = bearer(user_id)
    order_id = api.order(user_id)
    path = f"/users/{user_id}/orders/{order_id}"
    for step in ("paid", "shipped", "delivered"):
        assert api.call("PATCH", path, owner, {"status": step}).status == 403
    api.as_administrator("PATCH", path, {"status": "paid"})
    assert api.call("PATCH", path, owner, {"status": "cancelled"}).status == 403
    api.as_administrator("PATCH", path, {"status": "shipped"})
    assert api.call("PATCH", path, owner, {"status": "cancelled"}).status == 409
    assert api.call("PATCH", path, owner, {"metadata": {"note": "x"}}).status == 200
    pending = f"/users/{user_id}/orders/{api.order(user_id)}"
    assert api.call("PATCH", pending, owner, {"status": "cancelled"}).status == 200
