"""Orders: what clients may send, the lifecycle, and the service that applies it."""

import time
from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain import ids
from chalicelib.domain.errors import (
    FieldError,
    Forbidden,
    IllegalTransition,
    Invalid,
    OrderNotFound,
    UserNotFound,
)
from chalicelib.domain.idempotency import Created, IdempotencyKey, answer_of
from chalicelib.domain.model import (
    MAX_SAFE_INTEGER,
    CurrencyCode,
    Item,
    Metadata,
    MetadataChange,
    MetadataPatch,
    Order,
    OrderChange,
    OrderStatus,
    Versions,
)
from chalicelib.domain.pagination import Cursors, OrderList, OrderListQuery
from chalicelib.domain.storage import Query, Storage
from chalicelib.security.permissions import Caller

LIFECYCLE: Mapping[str, tuple[str, ...]] = {
    "pending": ("paid", "cancelled"),
    "paid": ("shipped", "cancelled"),
    "shipped": ("delivered",),
    "delivered": (),
    "cancelled": (),
}
"""For each status, the steps that lead on from it."""

OWNER_STEPS = frozenset({("pending", "cancelled")})
"""The steps that a user may take with an order of its own; the others are administrators'."""


class NewOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """What creates an order."""

    currency: CurrencyCode
    items: Annotated[
        list[Item],
        Meta(
            min_length=1,
            max_length=100,
            description="What to order: 1 to 100 items.",
            extra={"rule": "a list of 1 to 100 items"},
        ),
    ]
    metadata: Metadata = {}


class OrderPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What changes an order: a step of its life, its metadata, or both (RFC 7396)."""

    status: OrderStatus | UnsetType = UNSET
    metadata: MetadataPatch | UnsetType | None = UNSET


class OrderService:
    """Creates, reads, lists and steps the orders of users.

    `now` answers milliseconds since the Unix epoch; `new_id` makes an id from a prefix and those.
    """

    def __init__(
        self,
        storage: Storage,
        cursor_secret: Callable[[], bytes],
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        new_id: Callable[[str, int], str] = ids.new_id,
    ) -> None:
        self._storage = storage
        self._cursors = Cursors(cursor_secret, ids.ORDER_PREFIX)
        self._now = now
        self._new_id = new_id

    def create(self, user_id: str, new: NewOrder, key: IdempotencyKey | None) -> Created[Order]:
        """Create an order.

        Raises Invalid, UserNotFound, UserSuspended, CreationUndone, KeyReused.
        """
        now = self._now()
        order = Order(
            order_id=self._new_id(ids.ORDER_PREFIX, now),
            user_id=user_id,
            status="pending",
            currency=new.currency,
            items=[_tidy(item) for item in new.items],
            total=_total(new.items),
            metadata=new.metadata,
            created_at=ids.timestamp(now),
            updated_at=ids.timestamp(now),
            version=1,
        )
        path = _path(user_id)
        answer: Created[Order] = Created(
            f"{path}/{order.order_id}", msgspec.json.encode(order).decode()
        )
        record = key.record(path, new, answer, now // 1000) if key else None
        return answer_of(answer, record, self._storage.create_order(order, record, now // 1000))

    def get(self, caller: Caller, user_id: str, order_id: str) -> Order:
        """Return a user's order. Raises UserNotFound, OrderNotFound."""
        self._admit(caller, user_id)
        order = self._storage.get_order(user_id, order_id)
        if order is None:
            raise OrderNotFound
        return order

    def patch(
        self, caller: Caller, user_id: str, order_id: str, body: OrderPatch, versions: Versions
    ) -> Order:
        """Take a step of an order's life, change its metadata, or both.

        Raises UserNotFound, Forbidden, OrderNotFound, VersionMismatch, TooManyPairs,
        IllegalTransition.
        """
        self._admit(caller, user_id)
        step = body.status
        steps = LIFECYCLE if caller.is_admin else _OWNER_LIFECYCLE
        leaves = frozenset(status for status, onward in steps.items() if step in onward)
        if step is not UNSET and not leaves and not caller.is_admin:
            raise Forbidden(f"Only an administrator may make an order '{step}'.")
        change = OrderChange(
            status=step,
            leaves=leaves,
            metadata=MetadataChange.of_patch(body.metadata),
            updated_at=ids.timestamp(self._now()),
            versions=versions,
        )
        try:
            return self._storage.change_order(user_id, order_id, change)
        except IllegalTransition as refusal:
            onward = LIFECYCLE[refusal.current]
            if step in onward:
                raise Forbidden(
                    f"Only an administrator may make an order '{step}' that is '{refusal.current}'."
                ) from None
            raise IllegalTransition(refusal.current, onward) from None

    def list(self, caller: Caller, user_id: str, query: OrderListQuery) -> OrderList:
        """Return a page of a user's orders. Raises UserNotFound, InvalidCursor."""
        self._admit(caller, user_id)
        path = _path(user_id)
        page = self._storage.list_orders(
            user_id, Query(status=query.status, **self._cursors.bounds(path, query))
        )
        return OrderList(*self._cursors.page(path, query, page, lambda order: order.order_id))

    def _admit(self, caller: Caller, user_id: str) -> None:
        """Keep a deleted user's orders to administrators: its token may still be good."""
        if not caller.is_admin and self._storage.get_user(user_id) is None:
            raise UserNotFound


_OWNER_LIFECYCLE: Mapping[str, tuple[str, ...]] = {
    status: tuple(step for step in onward if (status, step) in OWNER_STEPS)
    for status, onward in LIFECYCLE.items()
}


def _path(user_id: str) -> str:
    return f"/users/{user_id}/orders"


def _tidy(item: Item) -> Item:
    if item.name is UNSET:
        return item
    return msgspec.structs.replace(item, name=item.name.strip())


def _total(items: list[Item]) -> int:
    total = sum(item.quantity * item.unit_price for item in items)
    if total > MAX_SAFE_INTEGER:
        raise Invalid([FieldError("/items", "Must come to a total of at most 9007199254740991.")])
    return total
