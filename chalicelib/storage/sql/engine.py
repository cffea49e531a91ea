"""Storage in SQLite (the embedded default) and PostgreSQL (RDS, Aurora), on SQLAlchemy Core.

Each operation is one transaction. It reads and locks the row that it depends on, decides, and
writes: on SQLite a writing transaction begins with the write lock, on PostgreSQL the row is locked.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, Select, delete, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.history import Act, HistoryEntry
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.resource import (
    Change,
    Counter,
    EntityT,
    ExpectedVersions,
    Ids,
    Resource,
    Resources,
    check_version,
    children,
)
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.sql.connections import open_engine
from chalicelib.storage.sql.pages import history_select, page_select
from chalicelib.storage.sql.schema import ResourceTable, Schema
from chalicelib.telemetry.activity import current

Result = TypeVar("Result")

# https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure and
# deadlock_detected leave nothing behind and are meant to be retried.
_RETRIED_STATES = frozenset({"40001", "40P01"})
_ATTEMPTS = 8
_PURGED_RECORDS = 20


class SQLStorage:
    """See Storage. `url` is SQLAlchemy's; nothing is opened before the first operation.

    `password` is called for the password of each connection; None leaves it to the URL.
    """

    def __init__(
        self, url: str, resources: Resources, password: Callable[[], str | None] = lambda: None
    ) -> None:
        self._url = url
        self._password = password
        self._schema = Schema(resources)
        self._opening = threading.Lock()
        self._opened: Engine | None = None

    def create(
        self,
        resource: Resource[EntityT],
        entity: EntityT,
        record: IdempotencyRecord | None,
        now: int,
        act: Act | None = None,
    ) -> IdempotencyRecord | None:
        """See Storage."""
        table = self._schema.of(resource)

        def create(connection: Connection) -> IdempotencyRecord | None:
            earlier = self._claim(connection, record, entity.id, now)
            if earlier is not None:
                return earlier
            self._check_parent(connection, resource, entity)
            connection.execute(insert(table.table).values(table.values(entity)))
            self._keep(connection, resource, act, [(resource.ids(entity), entity.version)])
            return None

        return self._write_unique(resource, create)

    def get(self, resource: Resource[EntityT], ids: Ids) -> EntityT | None:
        """See Storage."""
        table = self._schema.of(resource)
        found = select(*table.columns).where(table.is_at(ids))
        row = self._read(lambda connection: connection.execute(found).one_or_none())
        return None if row is None else table.entity(row)

    def change(self, resource: Resource[EntityT], ids: Ids, change: Change) -> EntityT:
        """See Storage."""
        table = self._schema.of(resource)

        def change_row(connection: Connection) -> EntityT:
            entity = change.apply_to(self._locked(connection, resource, ids))
            connection.execute(
                update(table.table).where(table.is_at(ids)).values(table.values(entity))
            )
            self._keep(connection, resource, change.act, [(ids, entity.version)])
            return entity

        return self._write_unique(resource, change_row)

    def delete(
        self,
        resource: Resource[EntityT],
        ids: Ids,
        versions: ExpectedVersions,
        now: int,  # noqa: ARG002 - tombstones of expired records do no harm here
        act: Act | None = None,
    ) -> None:
        """See Storage."""
        below = children(self._schema.resources, resource)

        def delete_rows(connection: Connection) -> None:
            check_version(self._locked(connection, resource, ids), versions)
            for child in below:
                if child.counter and child.counter.blocks_deletion:
                    counted = _counted(self._schema.of(child), child.counter, ids)
                    if connection.execute(select(exists(counted))).scalar_one():
                        raise child.counter.blocks_deletion
            deleted = [child for child in below if child.on_parent_deletion == "delete"]
            for one in (*deleted, resource):
                deleted_ids = self._delete(connection, self._schema.of(one), ids)
                self._keep(connection, one, act, deleted_ids)

        self._write(delete_rows)

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

        entities = self._read(read)
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

        entries = self._read(read)
        items = entries[: query.limit]
        return Page(items, items[-1].id if len(entries) > query.limit else None)

    def prepare(self) -> None:
        """See Storage."""
        self._engine()

    def check(self) -> None:
        """See Storage."""
        self._read(lambda connection: connection.execute(select(1)).scalar_one())

    def close(self) -> None:
        """See Storage."""
        with self._opening:
            if self._opened is not None:
                self._opened.dispose()
                self._opened = None

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

    def _claim(
        self, connection: Connection, record: IdempotencyRecord | None, owner_id: str, now: int
    ) -> IdempotencyRecord | None:
        """Keep `record` unless a live one has its key; return that one."""
        if record is None:
            return None
        records = self._schema.records
        expired = (
            select(records.c.key)
            .where(records.c.expires_at <= now)
            .limit(_PURGED_RECORDS)
            .with_for_update(skip_locked=True)
        )
        connection.execute(delete(records).where(records.c.key.in_(expired)))
        insert_or = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
        values = msgspec.structs.asdict(record) | {"owner_id": owner_id}
        claimed = connection.execute(
            insert_or(records)
            .values(values)
            .on_conflict_do_update(
                index_elements=[records.c.key], set_=values, where=records.c.expires_at <= now
            )
            .returning(records.c.key)
        )
        if claimed.first() is not None:
            return None
        columns = self._schema.record_columns
        row = connection.execute(select(*columns).where(records.c.key == record.key)).one()
        return IdempotencyRecord(*row)

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

    def _delete(
        self, connection: Connection, table: ResourceTable[Any], ids: Ids
    ) -> Sequence[tuple[Ids, int]]:
        """Delete all rows at `ids` and below, and leave tombstones of their creations' records.

        Return the path of each entity and the version after its last one.
        """
        records = self._schema.records
        owners = select(table.id).where(table.is_at(ids))
        tombstone = {"digest": "", "body": "", "owner_id": None}
        connection.execute(update(records).where(records.c.owner_id.in_(owners)).values(tombstone))
        deleted = delete(table.table).where(table.is_at(ids)).returning(*table.path, table.version)
        return [(tuple(path), last + 1) for *path, last in connection.execute(deleted)]

    def _engine(self) -> Engine:
        with self._opening:
            if self._opened is None:
                self._opened = open_engine(self._url, self._schema.metadata, self._password)
            return self._opened

    def _read(self, operation: Callable[[Connection], Result]) -> Result:
        return self._transact(operation, writes=False)

    def _write(self, operation: Callable[[Connection], Result]) -> Result:
        return self._transact(operation, writes=True)

    def _write_unique(
        self, resource: Resource[Any], operation: Callable[[Connection], Result]
    ) -> Result:
        """Write what may violate the resource's unique fields. Raises their `taken`."""
        try:
            return self._write(operation)
        except IntegrityError as error:
            for unique in resource.unique:
                # PostgreSQL names the constraint, SQLite the column.
                if re.search(f"{resource.name}[._]{unique.field}_key", str(error.orig)):
                    raise unique.taken from None
            # Without the error itself: it is logged, and PostgreSQL's quotes the row.
            diagnosis = getattr(error.orig, "diag", None)
            constraint = getattr(diagnosis, "constraint_name", None) or "one of the table's"
            raise RuntimeError(f"A constraint refused a row: {constraint}.") from None

    def _transact(self, operation: Callable[[Connection], Result], *, writes: bool) -> Result:
        activity = current()
        for attempt in range(_ATTEMPTS):
            activity.calls += 1
            started = time.perf_counter_ns()
            try:
                engine = self._engine().execution_options(writes=writes)
                with engine.begin() as connection:
                    return operation(connection)
            except IntegrityError:
                raise
            except PoolTimeoutError as error:
                raise Unavailable from error
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _RETRIED_STATES:
                    raise _unavailable_or(error) from error
            finally:
                activity.nanoseconds += time.perf_counter_ns() - started
            activity.conflicts += 1
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter
        raise Unavailable


def _counted(table: ResourceTable[Any], counter: Counter, parent: Ids) -> Select[Any]:
    """Return the selection of the children that are counted."""
    counted = select(table.id).where(table.is_at(parent))
    if counter.field is None:
        return counted
    return counted.where(table.table.c[counter.field].in_(counter.values))


def _unavailable_or(error: DBAPIError) -> Exception:
    """Return Unavailable if the database cannot be reached or is too slow, else the error."""
    is_operational = type(error.orig).__name__ in {"OperationalError", "QueryCanceled"}
    return Unavailable() if is_operational or error.connection_invalidated else error
