"""Orders, for the general tests."""

from typing import Any

from chalicelib.domain.orders import ORDERS, IllegalTransition, Order
from chalicelib.domain.resource import Guard
from tests.support.factories import a_user, an_order, patch
from tests.support.resource_case import Body, Permission, ResourceCase

COLLECTION = "/users/{user_id}/orders"
ORDER = "/users/{user_id}/orders/{order_id}"
LINE: Body = {"sku": "book", "quantity": 2, "unit_price": 1250}
NEW: Body = {"currency": "EUR", "items": [LINE]}
PAID: Body = {"status": "paid"}
SHIPPED: Body = {"status": "shipped"}
PATCH: Body = {"metadata": {"a": "b"}}


def _new(user_id: str, **fields: Any) -> Order:
    return an_order(a_user(user_id=user_id), **fields)


def _invalid(pointers: set[str], **members: Any) -> tuple[Body, frozenset[str]]:
    return {**NEW, **members}, frozenset(pointers)


CASE = ResourceCase(
    resource=ORDERS,
    new=_new,
    changes={"metadata": patch(gift="no", wrap="red")},
    refusing=Guard("status", frozenset({"paid"}), IllegalTransition),
    closing={"status": "cancelled"},
    collection=COLLECTION,
    creation=lambda _number: NEW,
    patch=PATCH,
    invalid=(
        ({}, frozenset({"/currency", "/items"})),
        _invalid({"/items"}, items=[]),
        _invalid({"/items"}, items=[{**LINE, "quantity": 10_000, "unit_price": 10**12}]),
        _invalid(
            {"/currency", "/items/0/quantity"}, currency="XYZ", items=[LINE | {"quantity": 0}]
        ),
        _invalid({"/items/1/sku"}, items=[LINE, {"quantity": 1, "unit_price": 1}]),
        _invalid({"/status"}, status="paid"),
    ),
    closing_patch={"status": "cancelled"},
    permissions=(
        Permission("POST", COLLECTION, NEW, 201, 201, 409, 404),
        Permission("GET", COLLECTION, None, 200, 200, 200, 404),
        Permission("HEAD", COLLECTION, None, 200, 200, 200, 404),
        Permission("GET", ORDER, None, 200, 200, 200, 404),
        Permission("HEAD", ORDER, None, 200, 200, 200, 404),
        Permission("GET", f"{ORDER}/history", None, 200, 403, 403, 403),
        Permission("HEAD", f"{ORDER}/history", None, 200, 403, 403, 403),
        Permission("PATCH", ORDER, PATCH, 200, 200, 200, 404),
        Permission("PATCH", ORDER, PATCH, 200, 200, 200, 404, (PAID, SHIPPED)),
        Permission("PATCH", ORDER, {"status": "cancelled"}, 200, 200, 200, 404),
        Permission("PATCH", ORDER, PAID, 200, 403, 403, 404),
        Permission("PATCH", ORDER, {"status": "cancelled"}, 200, 403, 403, 404, (PAID,)),
        Permission("PATCH", ORDER, SHIPPED, 200, 403, 403, 404, (PAID,)),
        Permission("PATCH", ORDER, {"status": "delivered"}, 200, 403, 403, 404, (PAID, SHIPPED)),
    ),
    refused={IllegalTransition: {"status": "delivered"}},
    hostile=(
        ("PATCH", ORDER, {"status": "nonsense"}),
        ("PATCH", ORDER, "no object"),
    ),
)
