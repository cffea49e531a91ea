"""What the services of all resources share: entities in and out of storage."""

import time
from collections.abc import Callable
from typing import Any, ClassVar, Generic

from msgspec import UNSET

from chalicelib.domain import ids
from chalicelib.domain.idempotency import Created, IdempotencyKey
from chalicelib.domain.metadata import MetadataChange
from chalicelib.domain.pagination import ListQuery
from chalicelib.domain.resource import (
    Change,
    EntityT,
    ExpectedVersions,
    Guard,
    Ids,
    Input,
    Kind,
    Resource,
)
from chalicelib.domain.storage import Page, Storage


def milliseconds() -> int:
    """Return the time in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class ResourceService(Generic[EntityT]):
    """Base class of services; a subclass names its `resource` and adds its rules.

    `now` returns milliseconds since the Unix epoch; `new_id` makes an id of a prefix and of those.
    """

    resource: ClassVar[Resource[Any]]

    def __init__(
        self,
        storage: Storage,
        now: Callable[[], int] = milliseconds,
        new_id: Callable[[str, int], str] = ids.new_id,
    ) -> None:
        self._storage = storage
        self._now = now
        self._new_id = new_id

    def _create(
        self,
        body: Input,
        key: IdempotencyKey | None,
        **values: Any,  # noqa: ANN401 - those of any field
    ) -> Created[EntityT]:
        """Create an entity of `body` and `values`; the server sets id, times and version.

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
        record = key.record(body, entity, now // 1000) if key else None
        earlier = self._storage.create(resource, entity, record, now // 1000)
        if record is None or earlier is None:
            return Created(entity)
        return earlier.replay(record, resource.entity)

    def _get(self, *path: str) -> EntityT:
        """Return the entity. Raises its not_found."""
        entity: EntityT | None = self._storage.get(self.resource, path)
        if entity is None:
            raise self.resource.not_found
        return entity

    def _replace(self, path: Ids, body: Input, versions: ExpectedVersions) -> EntityT:
        """Set what `body` has. Raises what `Storage.change` raises."""
        return self._change(path, body, versions, merge=False)

    def _patch(
        self, path: Ids, body: Input, versions: ExpectedVersions, guard: Guard | None = None
    ) -> EntityT:
        """Apply `body` as a merge patch (RFC 7396). Raises what `Storage.change` raises."""
        return self._change(path, body, versions, guard, merge=True)

    def _change(
        self,
        path: Ids,
        body: Input,
        versions: ExpectedVersions,
        guard: Guard | None = None,
        *,
        merge: bool,
    ) -> EntityT:
        values = body.values()
        for field, value in values.items():
            if self.resource.fields[field] is Kind.PAIRS:
                values[field] = MetadataChange(value or {}, merge=merge and value is not None)
            elif value is None:
                values[field] = UNSET
        change = Change(
            values=values,
            updated_at=ids.timestamp(self._now()),
            versions=versions,
            guard=guard,
        )
        changed: EntityT = self._storage.change(self.resource, path, change)
        return changed

    def _delete(self, path: Ids, versions: ExpectedVersions) -> None:
        """Delete the entity. Raises what `Storage.delete` raises."""
        self._storage.delete(self.resource, path, versions, self._now() // 1000)

    def _list(self, parent: Ids, query: ListQuery) -> Page[EntityT]:
        """Return a page of entities. Raises the parent's not_found."""
        return self._storage.list(self.resource, parent, query.select(self.resource))
