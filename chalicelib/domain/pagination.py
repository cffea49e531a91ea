"""Lists: the query parameters of each, and the part of storage that they select."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from chalicelib.domain import ids
from chalicelib.domain.fields import rule
from chalicelib.domain.resource import Resource
from chalicelib.domain.storage import Query

CURSOR_LENGTH = 44

_Time = Annotated[
    datetime,
    Meta(tz=True, extra=rule("a time with a zone (RFC 3339), such as 2026-11-21T09:30:00Z")),
]


class PageQuery(Struct, frozen=True, kw_only=True):
    """The query parameters of everything that is paged; subclasses add filters.

    Clients get and send `cursor` signed; from there on it is the id that the last page ended with.
    """

    limit: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="The maximum number of items on the page.",
            extra=rule("a whole number from 1 to 100"),
        ),
    ] = 20
    order: Annotated[
        Literal["asc", "desc"],
        Meta(
            description="desc lists the newest first, asc the oldest.",
            extra=rule("'asc' or 'desc'"),
        ),
    ] = "desc"
    cursor: Annotated[
        str | None,
        Meta(
            description="The `next_cursor` of the page before this one.",
            # Checked where its signature is, with a problem that explains more.
            extra_json_schema={"pattern": f"^[A-Za-z0-9_-]{{{CURSOR_LENGTH}}}$"},
            extra=rule("the 'next_cursor' of an earlier response"),
        ),
    ] = None

    def page(self) -> Query:
        """Return the query for storage, without filters."""
        return Query(limit=self.limit, ascending=self.order == "asc", after=self.cursor)


class ListQuery(PageQuery, frozen=True, kw_only=True):
    """The query parameters of every list of entities; subclasses add filters."""

    created_after: Annotated[
        _Time | None, Meta(description="Only what was created later than this (RFC 3339).")
    ] = None
    created_before: Annotated[
        _Time | None, Meta(description="Only what was created earlier than this (RFC 3339).")
    ] = None

    def select(self, resource: Resource[Any]) -> Query:
        """Return the query for storage; its filters are the fields that the resource names."""
        names = (*resource.filters, *(unique.field for unique in resource.unique))
        filters = {name: getattr(self, name, None) for name in names}
        after, before = self.created_after, self.created_before
        first = None if after is None else _microseconds(after) // 1000 + 1
        end = None if before is None else -(-_microseconds(before) // 1000)
        return msgspec.structs.replace(
            self.page(),
            from_id=None if first is None else ids.first_id_at(resource.prefix, first),
            to_id=None if end is None else ids.first_id_at(resource.prefix, end),
            filters={name: value for name, value in filters.items() if value is not None},
        )


def _microseconds(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000 + time.microsecond
