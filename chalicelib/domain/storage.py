"""The storage port: what the services need of storage.

Each method is one atomic operation: it happens whole or not at all, and checks its conditions in
the same transaction. Engines raise Unavailable when they cannot respond in time. They know no
resource by name: everything they need is in the `Resource` that comes with each call.
"""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from chalicelib.domain.history import Act, HistoryEntry
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.resource import Change, EntityT, ExpectedVersions, Ids, Resource

ItemT = TypeVar("ItemT")


class Query(Struct, frozen=True, kw_only=True):
    """Which part of a list to read: at most `limit` entities, after the id `after`.

    Ids sort by creation time; `from_id` (inclusive) and `to_id` (exclusive) bound them. `filters`
    are values by field; unique fields say whether theirs are compared without regard to case.
    """

    limit: int
    ascending: bool = False
    after: str | None = None
    from_id: str | None = None
    to_id: str | None = None
    filters: Mapping[str, str] = {}


class Page(Struct, Generic[ItemT], frozen=True):
    """A part of a list; `position` is the id after which the next one starts, None at the end."""

    items: list[ItemT]
    position: str | None


class Storage(Protocol):
    """Keeps entities, what was done to them, and idempotency records.

    What an `Act` says is kept in the transaction of the operation that it comes with; without one,
    or where the operation writes nothing, no entry is kept.
    """

    def create(
        self,
        resource: Resource[EntityT],
        entity: EntityT,
        record: IdempotencyRecord | None,
        now: int,
        act: Act | None = None,
    ) -> IdempotencyRecord | None:
        """Keep a new entity together with `record`.

        `now` is in seconds since the Unix epoch. If a live record (one that expires after `now`)
        has the key already, nothing is written and that record is returned, whatever else speaks
        against the creation. Raises the parent's not_found, the refusal of its guard, the
        counter's `exceeded`, and a unique field's `taken`, in this order.
        """

    def get(self, resource: Resource[EntityT], ids: Ids) -> EntityT | None:
        """Return the entity as last written, None if there is none."""

    def change(self, resource: Resource[EntityT], ids: Ids, change: Change) -> EntityT:
        """Change an entity and return it. The old value of a unique field is free at once.

        Raises not_found, what `Change.apply_to` raises, and a unique field's `taken`, in this
        order.
        """

    def delete(
        self,
        resource: Resource[EntityT],
        ids: Ids,
        versions: ExpectedVersions,
        now: int,
        act: Act | None = None,
    ) -> None:
        """Delete an entity, its unique values, and the children that are deleted with it.

        The records of their creations become tombstones in the same transaction. `now` is in
        seconds since the Unix epoch. `act` holds for the children as well. What was kept of them
        all before stays. Raises not_found, VersionMismatch and a counter's `blocks_deletion`, in
        this order.
        """

    def list(self, resource: Resource[EntityT], parent: Ids, query: Query) -> Page[EntityT]:
        """Return a page of the entities under `parent`, of all if the resource has no parent.

        Children that are kept can be listed after their parent is deleted. Raises the parent's
        not_found where there is neither the parent nor a child.
        """

    def history(self, resource: Resource[EntityT], ids: Ids, query: Query) -> Page[HistoryEntry]:
        """Return a page of what was done to an entity, in the order of the versions.

        Of the query, `limit`, `ascending` and `after` (see `HistoryEntry.id`) count. Entries are
        also there after the deletion. Raises not_found for the first page where there is neither
        the entity nor an entry.
        """

    def prepare(self) -> None:
        """Do what the first operation would otherwise wait for, as far as nothing is sent."""

    def check(self) -> None:
        """Return when storage can be reached. Raises Unavailable."""

    def close(self) -> None:
        """Close connections; the next operation opens them again."""
