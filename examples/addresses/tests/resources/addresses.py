"""Addresses, for the general tests."""

from typing import Any

from chalicelib.domain.addresses import ADDRESSES, Address
from chalicelib.domain.errors import Forbidden
from chalicelib.domain.resource import Guard
from tests.support.resource_case import Body, Permission, ResourceCase, new_id

COLLECTION = "/users/{user_id}/addresses"
ADDRESS = "/users/{user_id}/addresses/{address_id}"
NEW: Body = {"recipient": "Ann Example", "street": "Rua 1", "city": "Lisboa", "country": "PT"}
PATCH: Body = {"city": "Porto", "postal_code": None}


def _new(user_id: str, **fields: Any) -> Address:
    defaults: dict[str, Any] = {
        **NEW,
        "address_id": new_id("adr_"),
        "user_id": user_id,
        "postal_code": "1200-195",
        "created_at": "2026-11-21T09:30:00.000Z",
        "updated_at": "2026-11-21T09:30:00.000Z",
        "version": 1,
    }
    return Address(**defaults | fields)


CASE = ResourceCase(
    resource=ADDRESSES,
    new=_new,
    changes={"city": "Porto", "street": "Rua 2"},
    refusing=Guard("country", frozenset({"ES"}), lambda _: Forbidden()),
    collection=COLLECTION,
    creation=lambda number: {**NEW, "street": f"Rua {number}"},
    patch=PATCH,
    invalid=(
        ({}, frozenset({"/recipient", "/street", "/city", "/country"})),
        ({**NEW, "country": "pt", "city": " "}, frozenset({"/country", "/city"})),
        ({**NEW, "postal_code": 1200}, frozenset({"/postal_code"})),
    ),
    permissions=(
        Permission("POST", COLLECTION, NEW, 201, 201, 201, 404),
        Permission("GET", COLLECTION, None, 200, 200, 200, 404),
        Permission("HEAD", COLLECTION, None, 200, 200, 200, 404),
        Permission("GET", ADDRESS, None, 200, 200, 200, 404),
        Permission("HEAD", ADDRESS, None, 200, 200, 200, 404),
        Permission("GET", f"{ADDRESS}/history", None, 200, 403, 403, 403),
        Permission("HEAD", f"{ADDRESS}/history", None, 200, 403, 403, 403),
        Permission("PATCH", ADDRESS, PATCH, 200, 200, 200, 404),
        Permission("DELETE", ADDRESS, None, 204, 204, 204, 404),
    ),
)
