"""Links: which operations an answer leads on to (https://spec.openapis.org/oas/v3.1.1#link-object).

An answer that shows a thing leads to every operation whose path takes just the ids in it.
"""

import re
from collections.abc import Iterable
from typing import Any

from chalicelib.domain.model import Order, User
from chalicelib.domain.pagination import OrderList, UserList
from chalicelib.openapi.described import Described

# Where in an answer the first thing of its type is.
_PLACES = {UserList: (User, "/users/0"), OrderList: (Order, "/orders/0")}


def links_from(shape: Any, operations: Iterable[Described]) -> dict[str, Any]:  # noqa: ANN401
    """Return the links of an answer of the type `shape`."""
    thing, place = _PLACES.get(shape, (shape, ""))
    members = getattr(thing, "__struct_fields__", ())
    ids = [name for name in members if name in {"user_id", "order_id"}]
    if not ids:
        return {}
    return {
        operation.id: {
            "operationId": operation.id,
            "parameters": {name: f"$response.body#{place}/{name}" for name in sorted(ids)},
        }
        for operation in operations
        if sorted(re.findall(r"{(\w+)}", operation.path)) == sorted(ids)
    }
