"""Orders: representation, inputs, lifecycle, and the service that applies it."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from msgspec import UNSET, Meta, UnsetType

from chalicelib.domain.caller import Caller
from chalicelib.domain.currencies import Currency
from chalicelib.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Problem
from chalicelib.domain.fields import (
    MAX_SAFE_INTEGER,
    Line,
    Metadata,
    MetadataPatch,
    id_field,
    rule,
)
from chalicelib.domain.history import HistoryEntry
from chalicelib.domain.idempotency import Created, IdempotencyKey
from chalicelib.domain.pagination import ListQuery, PageQuery
from chalicelib.domain.resource import (
    Counter,
    Entity,
    EventNames,
    ExpectedVersions,
    Guard,
    Input,
    Resource,
)
from chalicelib.domain.service import ResourceService
from chalicelib.domain.storage import Page
from chalicelib.domain.users import USERS, UserId, UserNotFound

LIFECYCLE: Mapping[str, tuple[str, ...]] = {
    "pending": ("paid", "cancelled"),
    "paid": ("shipped", "cancelled"),
    "shipped": ("delivered",),
    "delivered": (),
    "cancelled": (),
}
"""For each status, the statuses that an order can take next."""

OWNER_STEPS = frozenset({("pending", "cancelled")})
"""The steps that users may take with their own orders; the others are for administrators."""

OPEN_STATUSES = frozenset(status for status, onward in LIFECYCLE.items() if onward)


class OrderNotFound(NotFound):
    """The user has no such order, or the caller must not know about it."""

    name = "order-not-found"
    title = "Order not found"
    explanation = "The user has no order with this id, or the caller is not allowed to see it."
    detail = "This user has no order with this id."


class UserSuspended(Conflict):
    """A suspended user cannot order."""

    name = "user-suspended"
    title = "User suspended"
    explanation = "A suspended user cannot order until an administrator makes it active again."
    detail = "The user is suspended and cannot order; an administrator can make it active again."


class UserHasOpenOrders(Conflict):
    """A user with open orders cannot be deleted."""

    name = "user-has-open-orders"
    title = "User has open orders"
    explanation = "A user can be deleted once each of its orders is delivered or cancelled."
    detail = "The user has open orders; wait until each is delivered or cancelled, then delete."


class IllegalTransition(Conflict):
    """The order cannot go from its `current` status to the requested one."""

    name = "illegal-transition"
    title = "Illegal transition"
    explanation = (
        "An order goes from pending to paid, shipped and delivered, and can be cancelled while it"
        " is pending or paid. The detail names the steps that are possible now."
    )

    def __init__(self, current: str, allowed: Iterable[str] = ()) -> None:
        self.current = current
        steps = " or ".join(f"'{step}'" for step in allowed)
        rest = f"it can become {steps}" if steps else "no step leads on from there"
        super().__init__(f"The order is '{current}': {rest}.")

    @classmethod
    def example(cls) -> Self:
        """Return the problem of an order that was shipped."""
        return cls("shipped", LIFECYCLE["shipped"])


OrderId = Annotated[
    str, id_field("ord_", "order", "019a9d3c6a107b1c9d2e3f4a5b6c7d8e", OrderNotFound)
]
OrderStatus = Annotated[
    Literal["pending", "paid", "shipped", "delivered", "cancelled"],
    Meta(
        title="OrderStatus",
        description="The order's current status.",
        extra=rule("'pending', 'paid', 'shipped', 'delivered' or 'cancelled'"),
    ),
]
CurrencyCode = Annotated[
    Currency,
    Meta(
        title="Currency",
        description="An active ISO 4217 code.",
        examples=["EUR"],
        extra=rule("an active ISO 4217 currency code in capitals, such as EUR"),
    ),
]


class OrderLine(Input, frozen=True):
    """One line of an order."""

    sku: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            pattern=r"^[^\x00-\x1f\x7f-\x9f]*$(?!\n)",
            description="What is ordered, in the seller's own code.",
            examples=["TEA-250"],
            extra=rule("a string of 1 to 100 characters without control characters"),
        ),
    ]
    quantity: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="How many of it.",
            examples=[2],
            extra=rule("a whole number from 1 to 10,000"),
        ),
    ]
    unit_price: Annotated[
        int,
        Meta(
            ge=0,
            le=10**12,
            description="What one of it costs, in the currency's minor unit: 1250 is €12.50.",
            examples=[1250],
            extra=rule("a whole number from 0 to 10^12, in the currency's minor unit"),
        ),
    ]
    name: (
        Annotated[
            Line,
            Meta(
                description="What is ordered, in one line of words.",
                examples=["Green tea, 250 g"],
            ),
        ]
        | UnsetType
    ) = UNSET


class Order(Entity, frozen=True):
    """An order as clients read it; `total` is the sum of quantity times unit price."""

    order_id: OrderId
    user_id: UserId
    status: OrderStatus
    currency: CurrencyCode
    items: Annotated[
        list[OrderLine], Meta(min_length=1, max_length=100, description="What was ordered.")
    ]
    total: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_SAFE_INTEGER,
            description="The sum of quantity times unit price, in the currency's minor unit.",
            examples=[2500],
            extra={"read_only": True},
        ),
    ]
    metadata: Metadata


class NewOrder(Input, frozen=True):
    """The body of a request that creates an order."""

    currency: CurrencyCode
    items: Annotated[
        list[OrderLine],
        Meta(
            min_length=1,
            max_length=100,
            description="What to order: 1 to 100 items.",
            extra=rule("a list of 1 to 100 items"),
        ),
    ]
    metadata: Metadata = {}


class OrderPatch(Input, frozen=True):
    """The body of a request that changes an order's status, metadata, or both (RFC 7396)."""

    status: OrderStatus | UnsetType = UNSET
    metadata: MetadataPatch | UnsetType | None = UNSET


class OrderListQuery(ListQuery, frozen=True, kw_only=True):
    """The query parameters of the list of a user's orders."""

    status: Annotated[OrderStatus | None, Meta(description="Only orders with this status.")] = None


ORDERS = Resource(
    "orders",
    Order,
    description="Each belongs to one user, and is paid, shipped and delivered, or cancelled.",
    parent=USERS,
    parent_guard=Guard("status", frozenset({"active"}), lambda _: UserSuspended()),
    counter=Counter(
        name="open_orders",
        field="status",
        values=OPEN_STATUSES,
        blocks_deletion=UserHasOpenOrders,
    ),
    on_parent_deletion="keep",
    filters=("status",),
    examples=(OrderPatch(status="paid"),),
    events=EventNames("status", ("paid", "shipped", "delivered", "cancelled")),
)


class OrderService(ResourceService[Order]):
    """Creates, reads, lists and updates the orders of users."""

    resource = ORDERS

    def create(
        self, caller: Caller, user_id: str, new: NewOrder, key: IdempotencyKey | None
    ) -> Created[Order]:
        """Create an order.

        Raises Invalid, UserNotFound, UserSuspended, CreationUndone, KeyReused.
        """
        return self._create(
            caller,
            new,
            key,
            user_id=user_id,
            status="pending",
            items=[OrderLine(**line.values()) for line in new.items],
            total=_total(new.items),
        )

    def get(self, caller: Caller, user_id: str, order_id: str) -> Order:
        """Return a user's order. Raises UserNotFound, OrderNotFound."""
        self._require_user_unless_admin(caller, user_id)
        return self._get(user_id, order_id)

    def patch(
        self,
        caller: Caller,
        user_id: str,
        order_id: str,
        body: OrderPatch,
        versions: ExpectedVersions,
    ) -> Order:
        """Change an order's status, its metadata, or both.

        Raises UserNotFound, Forbidden, OrderNotFound, VersionMismatch, TooManyPairs,
        IllegalTransition.
        """
        self._require_user_unless_admin(caller, user_id)
        guard = None if body.status is UNSET else _step_guard(caller, body.status)
        return self._patch(caller, (user_id, order_id), body, versions, guard)

    def list(self, caller: Caller, user_id: str, query: OrderListQuery) -> Page[Order]:
        """Return a page of a user's orders. Raises UserNotFound."""
        self._require_user_unless_admin(caller, user_id)
        return self._list((user_id,), query)

    def history(self, user_id: str, order_id: str, query: PageQuery) -> Page[HistoryEntry]:
        """Return a page of what was done to a user's order. Raises OrderNotFound.

        It is also there after the user is deleted.
        """
        return self._history((user_id, order_id), query)

    def _require_user_unless_admin(self, caller: Caller, user_id: str) -> None:
        """Raise UserNotFound if the user is deleted: only administrators see its orders.

        The token of a deleted user may still be valid.
        """
        if not caller.is_admin and self._storage.get(USERS, (user_id,)) is None:
            raise UserNotFound


def _step_guard(caller: Caller, step: str) -> Guard:
    """Return the condition for the step. Raises Forbidden if the caller may never take it."""
    allowed_from = frozenset(
        status
        for status, onward in LIFECYCLE.items()
        if step in onward and (caller.is_admin or (status, step) in OWNER_STEPS)
    )
    if not allowed_from and not caller.is_admin:
        raise Forbidden(f"Only an administrator may make an order '{step}'.")

    def refusal(current: str) -> Problem:
        if step in LIFECYCLE[current]:
            return Forbidden(
                f"Only an administrator may make an order '{step}' that is '{current}'."
            )
        return IllegalTransition(current, LIFECYCLE[current])

    return Guard("status", allowed_from, refusal)


def _total(lines: list[OrderLine]) -> int:
    total = sum(line.quantity * line.unit_price for line in lines)
    if total > MAX_SAFE_INTEGER:
        raise Invalid([FieldError("/items", "Must come to a total of at most 9007199254740991.")])
    return total
