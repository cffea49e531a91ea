"""The nouns: users, orders, and the changes and queries that storage carries out.

Plain values without I/O. Shapes follow the API's representations, so that what storage returns is
what a client reads. Times are RFC 3339 UTC texts with milliseconds; money is in minor units.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from chalicelib.domain.currencies import Currency
from chalicelib.domain.errors import IllegalTransition, TooManyPairs, VersionMismatch

MAX_PAIRS = 50
MAX_SAFE_INTEGER = 2**53 - 1

# One printable line: surrounding white space is trimmed away before the text is kept.
_LINE = r"^\s*[^\s\x00-\x1f\x7f-\x9f](?:[^\x00-\x1f\x7f-\x9f]{0,198}[^\s\x00-\x1f\x7f-\x9f])?\s*$"
# Python's $ also matches before a last line feed, hence the (?!\n) in these patterns.
# RFC 5321 §4.1.2 (dot-string local part) and §4.5.3.1 (64, 255 and, for the path, 254 octets).
# In Python, unlike ECMAScript, $ also matches before a line feed at the end: hence $(?!\n).
_EMAIL = (
    r"^(?=.{3,254}$)(?=[^@]{1,64}@)"
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$(?!\n)"
)


def _rule(text: str) -> dict[str, str]:
    """Say what a value must be, for error answers and for the API's document alike."""
    return {"rule": text}


UserId = Annotated[
    str,
    Meta(
        pattern="^usr_[0-9a-f]{32}$",
        description="The user's id; ids sort by creation time.",
        examples=["usr_019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d"],
    ),
]
OrderId = Annotated[
    str,
    Meta(
        pattern="^ord_[0-9a-f]{32}$",
        description="The order's id; ids sort by creation time.",
        examples=["ord_019a9d3c6a107b1c9d2e3f4a5b6c7d8e"],
    ),
]
Line = Annotated[
    str,
    Meta(
        pattern=_LINE,
        description="One line of text; surrounding white space is trimmed.",
        examples=["Ann Example"],
        extra=_rule("a string of 1 to 200 characters after trimming, without control characters"),
    ),
]
Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=_EMAIL,
        description="Unique without regard to case, kept as given (RFC 5321).",
        examples=["ann@example.com"],
        extra_json_schema={"format": "email"},
        extra=_rule(
            "an e-mail address such as ann@example.com: at most 64 characters before the @,"
            " 254 in all, and a domain name in its ASCII form"
        ),
    ),
]
UserStatus = Annotated[
    Literal["active", "suspended"],
    Meta(
        description="A suspended user keeps its data but cannot order.",
        extra=_rule("'active' or 'suspended'"),
    ),
]
OrderStatus = Annotated[
    Literal["pending", "paid", "shipped", "delivered", "cancelled"],
    Meta(
        description="Where the order stands in its life.",
        extra=_rule("'pending', 'paid', 'shipped', 'delivered' or 'cancelled'"),
    ),
]
MetadataKey = Annotated[
    str, Meta(min_length=1, max_length=40, extra=_rule("a key of 1 to 40 characters"))
]
MetadataValue = Annotated[
    str, Meta(max_length=500, extra=_rule("a string of at most 500 characters"))
]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue],
    Meta(
        max_length=MAX_PAIRS,
        description="Up to 50 pairs of the client's own.",
        examples=[{"team": "blue"}],
        extra=_rule("an object of at most 50 pairs of strings"),
    ),
]
MetadataPatch = Annotated[
    dict[MetadataKey, MetadataValue | None],
    Meta(
        description="Pairs to set; a pair set to null is removed (RFC 7396).",
        examples=[{"team": "red", "floor": None}],
        extra=_rule("an object of strings, or of null for each pair to remove"),
    ),
]
CurrencyCode = Annotated[
    Currency,
    Meta(
        description="An active ISO 4217 code.",
        examples=["EUR"],
        extra=_rule("an active ISO 4217 currency code in capitals, such as EUR"),
    ),
]
Timestamp = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        description="RFC 3339, UTC, with milliseconds.",
        examples=["2026-11-21T09:30:00.000Z"],
    ),
]
Version = Annotated[
    int,
    Meta(
        ge=1,
        description="Starts at 1 and grows by one with each accepted change; ETag carries it.",
        examples=[1],
    ),
]


class Item(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of an order."""

    sku: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=100,
            pattern=r"^[^\x00-\x1f\x7f-\x9f]*$(?!\n)",
            description="What is ordered, in the seller's own code.",
            examples=["TEA-250"],
            extra=_rule("a string of 1 to 100 characters without control characters"),
        ),
    ]
    quantity: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="How many of it.",
            examples=[2],
            extra=_rule("a whole number from 1 to 10,000"),
        ),
    ]
    unit_price: Annotated[
        int,
        Meta(
            ge=0,
            le=10**12,
            description="What one of it costs, in the currency's minor unit: 1250 is €12.50.",
            examples=[1250],
            extra=_rule("a whole number from 0 to 10^12, in the currency's minor unit"),
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


class User(Struct, frozen=True):
    """A user as clients read it."""

    user_id: UserId
    name: Line
    email: Email
    status: UserStatus
    metadata: Metadata
    created_at: Timestamp
    updated_at: Timestamp
    version: Version


class Order(Struct, frozen=True):
    """An order as clients read it; `total` is the sum of quantity times unit price."""

    order_id: OrderId
    user_id: UserId
    status: OrderStatus
    currency: CurrencyCode
    items: Annotated[
        list[Item], Meta(min_length=1, max_length=100, description="What was ordered.")
    ]
    total: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_SAFE_INTEGER,
            description="The sum of quantity times unit price, in the currency's minor unit.",
            examples=[2500],
        ),
    ]
    metadata: Metadata
    created_at: Timestamp
    updated_at: Timestamp
    version: Version


OPEN_STATUSES: frozenset[str] = frozenset({"pending", "paid", "shipped"})

# The versions that a change accepts, from If-Match; None accepts any.
Versions = frozenset[int] | None


class MetadataChange(Struct, frozen=True):
    """Either a whole new object (`pairs` of strings only) or a merge patch of the old one."""

    pairs: Mapping[str, str | None]
    merge: bool

    @classmethod
    def of_patch(
        cls, patch: Mapping[str, str | None] | UnsetType | None
    ) -> "MetadataChange | UnsetType":
        """Return what a merge patch means; null empties the object (RFC 7396 §2)."""
        if patch is UNSET:
            return UNSET
        return cls({}, merge=False) if patch is None else cls(patch, merge=True)

    def applied_to(self, metadata: dict[str, str]) -> dict[str, str]:
        """Return the changed pairs. Raises TooManyPairs above the limit (RFC 7396 §2)."""
        merged = {**metadata, **self.pairs} if self.merge else self.pairs
        kept = {key: value for key, value in merged.items() if value is not None}
        if len(kept) > MAX_PAIRS:
            raise TooManyPairs
        return kept


class UserChange(Struct, frozen=True, kw_only=True):
    """What to set on a user; members that are UNSET keep their value."""

    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    metadata: MetadataChange | UnsetType = UNSET
    updated_at: str
    versions: Versions = None

    def applied_to(self, user: User) -> User:
        """Return the changed user. Raises VersionMismatch, TooManyPairs."""
        return _changed(user, self)


class OrderChange(Struct, frozen=True, kw_only=True):
    """A step of an order's life, other pairs of metadata, or both.

    `status` is taken only from one of `leaves`: the states that the caller may take it from.
    """

    status: str | UnsetType = UNSET
    leaves: frozenset[str] = frozenset()
    metadata: MetadataChange | UnsetType = UNSET
    updated_at: str
    versions: Versions = None

    def applied_to(self, order: Order) -> Order:
        """Return the changed order. Raises VersionMismatch, IllegalTransition, TooManyPairs."""
        changed = _changed(order, self)
        if self.status is not UNSET and order.status not in self.leaves:
            raise IllegalTransition(order.status)
        return changed


Changed = TypeVar("Changed", User, Order)


def _changed(thing: Changed, change: UserChange | OrderChange) -> Changed:
    if change.versions is not None and thing.version not in change.versions:
        raise VersionMismatch
    members: dict[str, Any] = {
        name: value
        for name, value in asdict(change).items()
        if value is not UNSET and name not in {"leaves", "metadata", "versions"}
    }
    if change.metadata is not UNSET:
        members["metadata"] = change.metadata.applied_to(thing.metadata)
    return replace(thing, version=thing.version + 1, **members)
