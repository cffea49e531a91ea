"""The storage port: what the services need of storage.

Each method is one atomic operation: it happens whole or not at all, and checks its conditions in
the same transaction. Engines raise Unavailable when they cannot respond in time. They know no
resource by name: everything they need is in the `Resource` that comes with each call.
"""

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

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


class Memberships(Protocol):
    """Finds the members of entities, and what they are members of; always as last written.

    `resource` is the one that has members (see `Resource.members`).
    """

    def members(self, resource: Resource[Any], owner_id: str, query: Query) -> Page[str]:
        """Return a page of the ids of an entity's members, in their order.

        Of the query, `limit`, `ascending` and `after` count.
        """

    def owners(self, resource: Resource[EntityT], member_id: str) -> list[EntityT]:
        """Return the entities that have this member, in the order of their ids."""

    def has(self, resource: Resource[Any], owner_id: str, member_id: str) -> bool:
        """Return whether the entity has this member."""


class Storage(Protocol):
    """Keeps entities, what was done to them, and idempotency records.

    What an `Act` says is kept in the transaction of the operation that it comes with; without one,
    or where the operation writes nothing, no entry is kept.

    DynamoDB's transactions bound how many members change in one. There more of them take several,
    each of which leaves a valid state with a version of its own. When the time is over in between,
    the operation raises Unavailable, and does the rest when it is repeated.
    """

    @property
    def memberships(self) -> Memberships:
        """What finds members."""

    def create(  # noqa: PLR0913, PLR0917 - the parts of a creation
        self,
        resource: Resource[EntityT],
        entity: EntityT,
        record: IdempotencyRecord | None,
        now: int,
        act: Act | None = None,
        members: tuple[str, ...] = (),
    ) -> IdempotencyRecord | None:
        """Keep a new entity together with `record`, and with the `members` of these ids.

        `now` is in seconds since the Unix epoch. If a live record (one that expires after `now`)
        has the key already, nothing is written and that record is returned, whatever else speaks
        against the creation. Raises the parent's not_found, the refusal of its guard, the
        counter's `exceeded`, a member's not_found, and a unique field's `taken`, in this order.
        """

    def get(self, resource: Resource[EntityT], ids: Ids) -> EntityT | None:
        """Return the entity as last written, None if there is none."""

    def change(self, resource: Resource[EntityT], ids: Ids, change: Change) -> EntityT:
        """Change an entity and return it. The old value of a unique field is free at once.

        A change of members alone that has no effect writes nothing. Raises not_found, what
        `Change.apply_to` raises, a new member's not_found, and a unique field's `taken`, in this
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

        It has no members any more, and is none: the deletion of a member changes what had it.

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
