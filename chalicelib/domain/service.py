"""What the services of all resources share: entities in and out of storage."""

import time
from collections.abc import Callable
from typing import Any, ClassVar, Generic

from msgspec import UNSET

from chalicelib.domain import ids
from chalicelib.domain.caller import Caller
from chalicelib.domain.history import Act, Action, HistoryEntry
from chalicelib.domain.idempotency import Created, IdempotencyKey
from chalicelib.domain.metadata import MetadataChange
from chalicelib.domain.pagination import ListQuery, PageQuery
from chalicelib.domain.resource import (
    NO_MEMBER_CHANGES,
    Change,
    EntityT,
    ExpectedVersions,
    Guard,
    Ids,
    Input,
    Kind,
    MemberChanges,
    Resource,
)
from chalicelib.domain.storage import Page, Storage


def milliseconds() -> int:
    """Return the time in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class ResourceService(Generic[EntityT]):
    """Base class of services; a subclass names its `resource` and adds its rules.

    `now` returns milliseconds since the Unix epoch; `new_id` makes an id of a prefix and of those.
    `history` says whether what callers do is kept (see `domain.history`).
    """

    resource: ClassVar[Resource[Any]]

    def __init__(
        self,
        storage: Storage,
        now: Callable[[], int] = milliseconds,
        new_id: Callable[[str, int], str] = ids.new_id,
        *,
        history: bool,
    ) -> None:
        self._storage = storage
        self._now = now
        self._new_id = new_id
        self._keeps_history = history

    def _create(
        self,
        caller: Caller,
        body: Input,
        key: IdempotencyKey | None,
        members: tuple[str, ...] = (),
        **values: Any,  # noqa: ANN401 - those of any field
    ) -> Created[EntityT]:
        """Create an entity of `body` and `values`; the server sets id, times and version.

        It gets `members`, by their ids.

        Raises CreationUndone, KeyReused, and what `Storage.create` raises.
        """
        resource, now = self.resource, self._now()
        timestamp = ids.timestamp(now)
        own = {
            resource.id_field: self._new_id(resource.prefix, now),
            "created_at": timestamp,
            "updated_at": timestamp,
            "version": 1,
        }
        entity: EntityT = resource.entity(**body.values() | values | own)
        record = key.record(body, entity, now // 1000, members) if key else None
        act = self._act(caller, "created", timestamp)
        earlier = self._storage.create(resource, entity, record, now // 1000, act, members)
        if record is None or earlier is None:
            return Created(entity)
        return Created(earlier.replay(record, resource.entity), replayed=True)

    def _get(self, *path: str) -> EntityT:
        """Return the entity. Raises its not_found."""
        entity: EntityT | None = self._storage.get(self.resource, path)
        if entity is None:
            raise self.resource.not_found
        return entity

    def _replace(
        self, caller: Caller, path: Ids, body: Input, versions: ExpectedVersions
    ) -> EntityT:
        """Set what `body` has. Raises what `Storage.change` raises."""
        return self._set(caller, path, versions, **self._changes(body, merge=False))

    def _patch(
        self,
        caller: Caller,
        path: Ids,
        body: Input,
        versions: ExpectedVersions,
        guard: Guard | None = None,
        **values: Any,  # noqa: ANN401 - those of any field
    ) -> EntityT:
        """Apply `body` as a merge patch (RFC 7396), and set `values`.

        Raises what `Storage.change` raises.
        """
        changes = self._changes(body, merge=True) | values
        return self._set(caller, path, versions, guard, **changes)

    def _changes(self, body: Input, *, merge: bool) -> dict[str, Any]:
        """Return the changes that `body` asks for, for `Change.values`."""
        values = body.values()
        for field, value in values.items():
            if self.resource.fields[field] is Kind.PAIRS:
                values[field] = MetadataChange(value or {}, merge=merge and value is not None)
            elif value is None:
                values[field] = UNSET
        return values

    def _set(
        self,
        caller: Caller,
        path: Ids,
        versions: ExpectedVersions,
        guard: Guard | None = None,
        members: MemberChanges = NO_MEMBER_CHANGES,
        **values: Any,  # noqa: ANN401 - those of any field
    ) -> EntityT:
        """Set `values` and change members (see `Change`). Raises what `Storage.change` raises."""
        timestamp = ids.timestamp(self._now())
        named = [*values]
        if self.resource.members is not None and members.steps():
            named.append(self.resource.members.field)
        change = Change(
            values=values,
            members=members,
            updated_at=timestamp,
            versions=versions,
            guard=guard,
            act=self._act(caller, "changed", timestamp, tuple(named)),
        )
        changed: EntityT = self._storage.change(self.resource, path, change)
        return changed

    def _delete(self, caller: Caller, path: Ids, versions: ExpectedVersions) -> None:
        """Delete the entity. Raises what `Storage.delete` raises."""
        now = self._now()
        act = self._act(caller, "deleted", ids.timestamp(now))
        self._storage.delete(self.resource, path, versions, now // 1000, act)

    def _list(self, parent: Ids, query: ListQuery) -> Page[EntityT]:
        """Return a page of entities. Raises the parent's not_found."""
        return self._storage.list(self.resource, parent, query.select(self.resource))

    def _history(self, path: Ids, query: PageQuery) -> Page[HistoryEntry]:
        """Return a page of what was done to an entity. Raises its not_found."""
        return self._storage.history(self.resource, path, query.page())

    def _act(
        self, caller: Caller, action: Action, at: str, fields: tuple[str, ...] = ()
    ) -> Act | None:
        return Act.of(caller, action, at, fields) if self._keeps_history else None
