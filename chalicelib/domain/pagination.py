"""Lists: how clients page through them, and the signed cursors that lead on.

A cursor is the id after which the next page starts, with an HMAC over that id and all that the
page depends on: the list, its filters and its order. It cannot be altered or used elsewhere, and a
page is found by its key, so that the last page costs what the first one does.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from chalicelib.domain import ids
from chalicelib.domain.errors import InvalidCursor
from chalicelib.domain.model import Email, Order, OrderStatus, User, UserStatus
from chalicelib.domain.storage import Page

Thing = TypeVar("Thing", User, Order)

# 16 octets of id and 17 of signature are 44 characters of base64 with no bit unused: no two texts
# stand for the same cursor.
_ID_OCTETS = 16
_SIGNATURE_OCTETS = 17
_CURSOR_LENGTH = 44

# A function's answer may have 6 MB, with the body as an escaped string inside
# (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). No user or order is
# so big that this many of them would not fit.
_MAX_PAGE_OCTETS = 4 * 1024 * 1024
_ALWAYS_FIT = 20

_Time = Annotated[
    datetime,
    Meta(tz=True, extra={"rule": "a time with a zone (RFC 3339), such as 2026-11-21T09:30:00Z"}),
]


class ListQuery(Struct, frozen=True, kw_only=True):
    """The query parameters of every list."""

    limit: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="How many to answer at most.",
            extra={"rule": "a whole number from 1 to 100"},
        ),
    ] = 20
    order: Annotated[
        Literal["asc", "desc"],
        Meta(
            description="desc answers the newest first, asc the oldest.",
            extra={"rule": "'asc' or 'desc'"},
        ),
    ] = "desc"
    cursor: Annotated[
        str | None,
        Meta(
            description="The `next_cursor` of the page before this one.",
            # Refused by `Cursors`, whose answer says more than that it has another form.
            extra_json_schema={"pattern": f"^[A-Za-z0-9_-]{{{_CURSOR_LENGTH}}}$"},
            extra={"rule": "the 'next_cursor' of an earlier answer"},
        ),
    ] = None
    created_after: Annotated[
        _Time | None, Meta(description="Only what was created later than this (RFC 3339).")
    ] = None
    created_before: Annotated[
        _Time | None, Meta(description="Only what was created earlier than this (RFC 3339).")
    ] = None


class UserListQuery(ListQuery, frozen=True, kw_only=True):
    """The query parameters of the list of users."""

    email: Annotated[
        Email | None, Meta(description="Only the user with this address, in any case.")
    ] = None
    status: Annotated[UserStatus | None, Meta(description="Only users with this status.")] = None


class OrderListQuery(ListQuery, frozen=True, kw_only=True):
    """The query parameters of the list of a user's orders."""

    status: Annotated[OrderStatus | None, Meta(description="Only orders with this status.")] = None


NextCursor = Annotated[
    str | None, Meta(description="Leads to the next page; null at the end of the list.")
]


class UserList(Struct, frozen=True):
    """A page of users."""

    users: list[User]
    next_cursor: NextCursor


class OrderList(Struct, frozen=True):
    """A page of a user's orders."""

    orders: list[Order]
    next_cursor: NextCursor


class Cursors:
    """Makes and reads the cursors of one kind of list.

    `secret` is called when a cursor is first needed, and `prefix` begins the ids of the list.
    """

    def __init__(self, secret: Callable[[], bytes], prefix: str) -> None:
        self._secret = secret
        self._prefix = prefix

    def bounds(self, path: str, query: ListQuery) -> dict[str, Any]:
        """Return the part of a storage query that every list has. Raises InvalidCursor."""
        return {
            "limit": query.limit,
            "ascending": query.order == "asc",
            "after": None if query.cursor is None else self._position(path, query, query.cursor),
            "from_id": query.created_after
            and ids.first_id_at(self._prefix, _milliseconds(query.created_after) + 1),
            "to_id": query.created_before
            and ids.first_id_at(self._prefix, -(-_microseconds(query.created_before) // 1000)),
        }

    def page(
        self, path: str, query: ListQuery, page: Page[Thing], key: Callable[[Thing], str]
    ) -> tuple[list[Thing], str | None]:
        """Return what of a storage page fits into an answer, and the cursor that leads on."""
        things, position = page.things, page.position
        while len(things) > _ALWAYS_FIT and len(msgspec.json.encode(things)) > _MAX_PAGE_OCTETS:
            things = things[: len(things) // 2]
            position = key(things[-1])
        return things, None if position is None else self._cursor(path, query, position)

    def _cursor(self, path: str, query: ListQuery, position: str) -> str:
        octets = bytes.fromhex(position.removeprefix(self._prefix))
        return urlsafe_b64encode(octets + self._signature(path, query, octets)).decode()

    def _position(self, path: str, query: ListQuery, cursor: str) -> str:
        if len(cursor) != _CURSOR_LENGTH or not cursor.isascii():
            raise InvalidCursor
        try:
            octets = urlsafe_b64decode(cursor)
        except Base64Error:
            raise InvalidCursor from None
        id_octets, signature = octets[:_ID_OCTETS], octets[_ID_OCTETS:]
        if urlsafe_b64encode(octets).decode() != cursor or not hmac.compare_digest(
            signature, self._signature(path, query, id_octets)
        ):
            raise InvalidCursor
        return self._prefix + id_octets.hex()

    def _signature(self, path: str, query: ListQuery, octets: bytes) -> bytes:
        bound = msgspec.structs.replace(query, cursor=None, limit=1)
        message = msgspec.json.encode([path, bound]) + octets
        return hmac.digest(self._secret(), message, "sha256")[:_SIGNATURE_OCTETS]


def _microseconds(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000 + time.microsecond


def _milliseconds(time: datetime) -> int:
    return _microseconds(time) // 1000
