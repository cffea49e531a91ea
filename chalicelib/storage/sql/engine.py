"""Storage in SQLite (the embedded default) and PostgreSQL (RDS, Aurora), on SQLAlchemy Core.

Each operation is one transaction. It reads and locks the row that it depends on, decides, and
writes: on SQLite a writing transaction begins with the write lock, on PostgreSQL the row is locked.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from chalicelib.domain.events import CloudEvent, Events
from chalicelib.domain.history import Act, HistoryEntry
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.ids import timestamp
from chalicelib.domain.resource import (
    Change,
    Counter,
    EntityT,
    ExpectedVersions,
    Ids,
    MemberChanges,
    Resource,
    Resources,
    check_version,
    children,
)
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.sql.deliveries import SQLDeliveries
from chalicelib.storage.sql.members import SQLMemberships
from chalicelib.storage.sql.outbox import SQLOutbox
from chalicelib.storage.sql.pages import history_select, page_select
from chalicelib.storage.sql.records import SQLRecords
from chalicelib.storage.sql.schema import ResourceTable, Schema
from chalicelib.storage.sql.transactions import Database, Result
from chalicelib.telemetry.activity import current


class SQLStorage:
    """See Storage. `url` is SQLAlchemy's; nothing is opened before the first operation.

    `password` is called for the password of each connection; None leaves it to the URL. `events`
    makes the events of changes, which are written in the same transaction; None writes none.
    """

    def __init__(
        self,
        url: str,
        resources: Resources,
        password: Callable[[], str | None] = lambda: None,
        events: Events | None = None,
    ) -> None:
        self._schema = Schema(resources)
        self._database = Database(url, self._schema.metadata, password)
        self._events = events
        self._records = SQLRecords(self._schema.records)
        self.memberships = SQLMemberships(self._database, self._schema)
        self.deliveries = SQLDeliveries(self._database, self._schema.deliveries, self._records)
        self.outbox = SQLOutbox(self._database, self._schema.outbox, self.deliveries)

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
        table = self._schema.of(resource)

        def create(connection: Connection) -> IdempotencyRecord | None:
            if record is not None:
                earlier = self._records.claim(connection, record, entity.id, now)
                if earlier is not None:
                    return earlier
            self._check_parent(connection, resource, entity)
            self.memberships.change(connection, resource, entity.id, MemberChanges(members))
            connection.execute(insert(table.table).values(table.values(entity)))
            self._keep(connection, resource, act, [(resource.ids(entity), entity.version)])
            if self._events is not None:
                event = self._events.created(resource, entity, current().traceparent)
                self._emit(connection, [event])
            return None

        return self._write_unique(resource, create)

    def get(self, resource: Resource[EntityT], ids: Ids) -> EntityT | None:
        """See Storage."""
        table = self._schema.of(resource)
        found = select(*table.columns).where(table.is_at(ids))
        row = self._database.read(lambda connection: connection.execute(found).one_or_none())
        return None if row is None else table.entity(row)

    def change(self, resource: Resource[EntityT], ids: Ids, change: Change) -> EntityT:
        """See Storage."""
        table = self._schema.of(resource)

        def change_row(connection: Connection) -> EntityT:
            old = self._locked(connection, resource, ids)
            entity = change.apply_to(old)
            changed = self.memberships.change(connection, resource, ids[-1], change.members)
            if change.members.steps() and not (changed or change.values):
                return old
            connection.execute(
                update(table.table).where(table.is_at(ids)).values(table.values(entity))
            )
            self._keep(connection, resource, change.act, [(ids, entity.version)])
            if self._events is not None:
                event = self._events.changed(resource, old, entity, current().traceparent)
                self._emit(connection, [event])
            return entity

        return self._write_unique(resource, change_row)

    def delete(
        self,
        resource: Resource[EntityT],
        ids: Ids,
        versions: ExpectedVersions,
        now: int,
        act: Act | None = None,
    ) -> None:
        """See Storage."""
        below = children(self._schema.resources, resource)

        def delete_rows(connection: Connection) -> None:
            at = act.at if act else timestamp(now * 1000)
            self.memberships.lock_owners(connection, resource, ids[-1])
            check_version(self._locked(connection, resource, ids), versions)
            for child in below:
                if child.counter and child.counter.blocks_deletion:
                    counted = _counted(self._schema.of(child), child.counter, ids)
                    if connection.execute(select(exists(counted))).scalar_one():
                        raise child.counter.blocks_deletion
            for owner, changed in self.memberships.leave(connection, resource, ids[-1], at):
                assert owner.members is not None  # noqa: S101 - it had the entity as one
                self._keep(connection, owner, act and act.of_owner(owner.members.field), changed)
            self.memberships.forget(connection, resource, ids[-1])
            deleted = [child for child in below if child.on_parent_deletion == "delete"]
            for one in (*deleted, resource):
                deleted_ids = self._delete(connection, self._schema.of(one), ids)
                self._keep(connection, one, act, deleted_ids)
                if self._events is not None:
                    made = [self._events.deleted(one, *owner, at) for owner in deleted_ids]
                    self._emit(connection, made)

        self._database.write(delete_rows)

    def list(self, resource: Resource[EntityT], parent: Ids, query: Query) -> Page[EntityT]:
        """See Storage."""
        table = self._schema.of(resource)
        listed = page_select(table, resource, query)
        if parent:
            listed = listed.where(table.is_at(parent))

        def read(connection: Connection) -> list[EntityT]:
            entities = [table.entity(row) for row in connection.execute(listed)]
            if resource.parent and not entities:
                known = exists().where(self._schema.of(resource.parent).is_at(parent))
                either = select(known | exists().where(table.is_at(parent)))
                if not connection.execute(either).scalar_one():
                    raise resource.parent.not_found
            return entities

        entities = self._database.read(read)
        items = entities[: query.limit]
        return Page(items, items[-1].id if len(entities) > query.limit else None)

    def history(self, resource: Resource[EntityT], ids: Ids, query: Query) -> Page[HistoryEntry]:
        """See Storage."""
        table, history = self._schema.of(resource), self._schema.history
        listed = history_select(history, ids, query)

        def read(connection: Connection) -> list[HistoryEntry]:
            entries = [history.entry(row) for row in connection.execute(listed)]
            if not entries and query.after is None:
                known = select(exists().where(table.is_at(ids)))
                if not connection.execute(known).scalar_one():
                    raise resource.not_found
            return entries

        entries = self._database.read(read)
        items = entries[: query.limit]
        return Page(items, items[-1].id if len(entries) > query.limit else None)

    def prepare(self) -> None:
        """See Storage."""
        self._database.open()

    def check(self) -> None:
        """See Storage."""
        self._database.read(lambda connection: connection.execute(select(1)).scalar_one())

    def close(self) -> None:
        """See Storage."""
        self._database.close()

    def _locked(
        self, connection: Connection, resource: Resource[EntityT], ids: Ids, *, shared: bool = False
    ) -> EntityT:
        """Return the entity, its row locked. Raises its not_found."""
        table = self._schema.of(resource)
        locked = select(*table.columns).where(table.is_at(ids)).with_for_update(read=shared)
        row = connection.execute(locked).one_or_none()
        if row is None:
            raise resource.not_found
        return table.entity(row)

    def _check_parent(
        self, connection: Connection, resource: Resource[EntityT], entity: EntityT
    ) -> None:
        """Lock the parent, if there is one.

        Raises its not_found, the guard's refusal, the counter's `exceeded`.
        """
        if resource.parent is None:
            return
        path, counter = resource.ids(entity)[:-1], resource.counter
        # Creations exclude each other only where they are counted up to a maximum.
        is_limited = counter is not None and counter.maximum is not None
        parent = self._locked(connection, resource.parent, path, shared=not is_limited)
        if resource.parent_guard:
            resource.parent_guard.check(parent)
        if counter and counter.maximum is not None and counter.counts(entity):
            counted = _counted(self._schema.of(resource), counter, path).subquery()
            number = connection.execute(select(func.count()).select_from(counted)).scalar_one()
            if number >= counter.maximum:
                raise counter.exceeded

    def _keep(
        self,
        connection: Connection,
        resource: Resource[Any],
        act: Act | None,
        owners: Sequence[tuple[Ids, int]],
    ) -> None:
        """Keep what was done to entities, each with its path and the version that was made."""
        history = self._schema.history
        if act is not None and owners:
            rows = [history.values(resource, ids, act.entry(version)) for ids, version in owners]
            connection.execute(insert(history.table), rows)

    def _emit(self, connection: Connection, events: Sequence[CloudEvent | None]) -> None:
        """Keep those that are events, for the relay."""
        self.outbox.write(connection, [event for event in events if event is not None])

    def _delete(
        self, connection: Connection, table: ResourceTable[Any], ids: Ids
    ) -> Sequence[tuple[Ids, int]]:
        """Delete all rows at `ids` and below, and leave tombstones of their creations' records.

        Return the path of each entity and the version after its last one.
        """
        self._records.bury(connection, select(table.id).where(table.is_at(ids)))
        deleted = delete(table.table).where(table.is_at(ids)).returning(*table.path, table.version)
        return [(tuple(path), last + 1) for *path, last in connection.execute(deleted)]

    def _write_unique(
        self, resource: Resource[Any], operation: Callable[[Connection], Result]
    ) -> Result:
        """Write what may violate the resource's unique fields. Raises their `taken`."""
        try:
            return self._database.write(operation)
        except IntegrityError as error:
            for unique in resource.unique:
                # PostgreSQL names the constraint, SQLite the column.
                if re.search(f"{resource.name}[._]{unique.field}_key", str(error.orig)):
                    raise unique.taken from None
            # Without the error itself: it is logged, and PostgreSQL's quotes the row.
            diagnosis = getattr(error.orig, "diag", None)
            constraint = getattr(diagnosis, "constraint_name", None) or "one of the table's"
            raise RuntimeError(f"A constraint refused a row: {constraint}.") from None


def _counted(table: ResourceTable[Any], counter: Counter, parent: Ids) -> Select[Any]:
    """Return the selection of the children that are counted."""
    counted = select(table.id).where(table.is_at(parent))
    if counter.field is None:
        return counted
    return counted.where(table.table.c[counter.field].in_(counter.values))
