"""Storage in the memory of one process: for tests, measurements, and as the model of the others."""

from collections import defaultdict
from typing import Any

from chalicelib.domain.events import CloudEvent, Events
from chalicelib.domain.history import Act, HistoryEntry, version_at
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.ids import timestamp
from chalicelib.domain.resource import (
    Change,
    Entity,
    EntityT,
    ExpectedVersions,
    Ids,
    MemberChanges,
    Resource,
    Resources,
    Unique,
    check_version,
    children,
    owners,
)
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.memory_events import MemoryDeliveries, MemoryOutbox
from chalicelib.storage.memory_members import MemoryMemberships
from chalicelib.storage.memory_records import MemoryRecords
from chalicelib.telemetry.activity import current


class MemoryStorage:
    """See Storage. Everything is in dictionaries, under one lock.

    `events` makes the events of changes; None keeps none.
    """

    def __init__(self, resources: Resources, events: Events | None = None) -> None:
        self._records = MemoryRecords()
        self._lock = self._records.lock
        self.deliveries = MemoryDeliveries(self._records)
        self.outbox = MemoryOutbox(self.deliveries)
        self._resources = resources
        self._events = events
        # By resource and parent, then by id.
        self._entities: defaultdict[tuple[str, Ids], dict[str, Any]] = defaultdict(dict)
        self._unique: dict[tuple[str, str, str], str] = {}
        self.memberships = MemoryMemberships(self._entities)
        self._histories: defaultdict[tuple[str, Ids], list[HistoryEntry]] = defaultdict(list)

    def create(  # noqa: PLR0913, PLR0917 - see Storage
        self,
        resource: Resource[EntityT],
        entity: EntityT,
        record: IdempotencyRecord | None,
        now: int,
        act: Act | None = None,
        members: tuple[str, ...] = (),
    ) -> IdempotencyRecord | None:
        """See Storage."""
        with self._lock:
            earlier = self._records.live(record.key, now) if record else None
            if earlier is not None:
                return earlier
            ids = resource.ids(entity)
            self._check_parent(resource, entity, ids[:-1])
            self._check_members(resource, members)
            self._claim_unique(resource, entity)
            self.memberships.change(resource, entity.id, MemberChanges(members))
            self._entities[resource.name, ids[:-1]][entity.id] = entity
            if record is not None:
                self._records.keep(record, entity.id)
            self._keep(resource, ids, act, entity.version)
            if self._events is not None:
                self._emit(self._events.created(resource, entity, current().traceparent))
            return None

    def get(self, resource: Resource[EntityT], ids: Ids) -> EntityT | None:
        """See Storage."""
        found: EntityT | None = self._entities.get((resource.name, ids[:-1]), {}).get(ids[-1])
        return found

    def change(self, resource: Resource[EntityT], ids: Ids, change: Change) -> EntityT:
        """See Storage."""
        with self._lock:
            old = self._existing(resource, ids)
            changed = change.apply_to(old)
            effective = self.memberships.effective(resource, old.id, change.members)
            if change.members.steps() and not change.values and not effective.steps():
                return old
            self._check_members(resource, effective.add)
            if any(unique.field in change.values for unique in resource.unique):
                self._claim_unique(resource, changed, old)
            self.memberships.change(resource, old.id, effective)
            self._entities[resource.name, ids[:-1]][ids[-1]] = changed
            self._keep(resource, ids, change.act, changed.version)
            if self._events is not None:
                self._emit(self._events.changed(resource, old, changed, current().traceparent))
            return changed

    def delete(
        self,
        resource: Resource[EntityT],
        ids: Ids,
        versions: ExpectedVersions,
        now: int,
        act: Act | None = None,
    ) -> None:
        """See Storage."""
        with self._lock:
            entity = self._existing(resource, ids)
            check_version(entity, versions)
            below = children(self._resources, resource)
            for child in below:
                counter = child.counter
                if counter and counter.blocks_deletion and self._count(child, ids):
                    raise counter.blocks_deletion
            for child in below:
                if child.on_parent_deletion == "delete":
                    for one in [*self._entities[child.name, ids].values()]:
                        self._remove(child, one, now, act)
            self._leave(resource, entity, now, act)
            self.memberships.forget(resource, entity.id)
            self._remove(resource, entity, now, act)

    def list(self, resource: Resource[EntityT], parent: Ids, query: Query) -> Page[EntityT]:
        """See Storage."""
        with self._lock:
            found = dict(self._entities.get((resource.name, parent), {}))
            if resource.parent and not found:
                self._existing(resource.parent, parent)
        first, end = query.from_id or "", query.to_id or "~"
        if query.after is not None and query.ascending:
            first = max(first, query.after + "~")
        elif query.after is not None:
            end = min(end, query.after)
        matching = [
            found[entity_id]
            for entity_id in sorted(found, reverse=not query.ascending)
            if first <= entity_id < end
        ]
        for field, value in query.filters.items():
            unique = next((one for one in resource.unique if one.field == field), None)
            if unique:
                matching = [one for one in matching if unique.key(one) == unique.normalize(value)]
            else:
                matching = [one for one in matching if getattr(one, field) == value]
        items = matching[: query.limit]
        return Page(items, items[-1].id if len(matching) > query.limit else None)

    def history(self, resource: Resource[EntityT], ids: Ids, query: Query) -> Page[HistoryEntry]:
        """See Storage."""
        with self._lock:
            entries = [*self._histories.get((resource.name, ids), ())]
            if not entries and query.after is None:
                self._existing(resource, ids)
        if not query.ascending:
            entries.reverse()
        if query.after is not None:
            last = version_at(query.after)
            entries = [
                entry
                for entry in entries
                if (entry.version > last if query.ascending else entry.version < last)
            ]
        items = entries[: query.limit]
        return Page(items, items[-1].id if len(entries) > query.limit else None)

    def prepare(self) -> None:
        """See Storage."""

    def check(self) -> None:
        """See Storage."""

    def close(self) -> None:
        """See Storage."""

    def _existing(self, resource: Resource[EntityT], ids: Ids) -> EntityT:
        entity = self.get(resource, ids)
        if entity is None:
            raise resource.not_found
        return entity

    def _check_parent(self, resource: Resource[Any], entity: Entity, parent: Ids) -> None:
        if resource.parent is None:
            return
        existing = self._existing(resource.parent, parent)
        if resource.parent_guard:
            resource.parent_guard.check(existing)
        counter = resource.counter
        if (
            counter
            and counter.maximum is not None
            and counter.counts(entity)
            and self._count(resource, parent) >= counter.maximum
        ):
            raise counter.exceeded

    def _check_members(self, resource: Resource[Any], members: tuple[str, ...]) -> None:
        """Raise the not_found of a member that does not exist."""
        if resource.members is not None:
            for member_id in members:
                self._existing(resource.members.resource, (member_id,))

    def _leave(self, resource: Resource[Any], member: Entity, now: int, act: Act | None) -> None:
        """Remove a member that is being deleted from all that has it."""
        at = act.at if act else timestamp(now * 1000)
        for owner in owners(self._resources, resource):
            assert owner.members is not None  # noqa: S101 - see `owners`
            field = owner.members.field
            for one in self.memberships.owners(owner, member.id):
                changed = Change(updated_at=at).apply_to(one)
                self.memberships.change(owner, one.id, MemberChanges(remove=(member.id,)))
                self._entities[owner.name, ()][one.id] = changed
                self._keep(owner, (one.id,), act and act.of_owner(field), changed.version)

    def _claim_unique(
        self, resource: Resource[Any], entity: Entity, old: Entity | None = None
    ) -> None:
        """Claim the entity's unique values instead of the `old` ones. Raises their `taken`."""
        own = entity.id
        claims = _claims(resource, entity)
        for claim, unique in claims.items():
            if self._unique.get(claim, own) != own:
                raise unique.taken
        if old is not None:
            self._release_unique(resource, old)
        for claim in claims:
            self._unique[claim] = own

    def _release_unique(self, resource: Resource[Any], entity: Entity) -> None:
        for claim in _claims(resource, entity):
            del self._unique[claim]

    def _keep(self, resource: Resource[Any], ids: Ids, act: Act | None, version: int) -> None:
        if act is not None:
            self._histories[resource.name, ids].append(act.entry(version))

    def _emit(self, event: CloudEvent | None) -> None:
        if event is not None:
            self.outbox.write([event])

    def _remove(
        self, resource: Resource[EntityT], entity: EntityT, now: int, act: Act | None
    ) -> None:
        ids = resource.ids(entity)
        self._keep(resource, ids, act, entity.version + 1)
        if self._events is not None:
            at = act.at if act else timestamp(now * 1000)
            self._emit(self._events.deleted(resource, ids, entity.version + 1, at))
        del self._entities[resource.name, ids[:-1]][entity.id]
        self._release_unique(resource, entity)
        self._records.bury(entity.id)

    def _count(self, resource: Resource[Any], parent: Ids) -> int:
        counter = resource.counter
        return sum(
            counter is None or counter.counts(entity)
            for entity in self._entities[resource.name, parent].values()
        )


def _claims(resource: Resource[Any], entity: Entity) -> dict[tuple[str, str, str], Unique]:
    """Return the unique fields of which the entity has a value, by what it claims."""
    return {
        (resource.name, unique.field, key): unique
        for unique in resource.unique
        if (key := unique.key(entity)) is not None
    }
