"""Deliveries to webhooks, and their queue: one table is both.

A worker claims a delivery by setting the time of its next attempt to the end of a lease. If the
worker dies, the delivery is due again by then, and nobody has to clean up.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    delete,
    exists,
    func,
    select,
    tuple_,
    update,
)

from chalicelib.domain.deliveries import SETTLED, Delivery, Message
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.sql.records import SQLRecords
from chalicelib.storage.sql.schema import DeliveryTable
from chalicelib.storage.sql.transactions import Database, upsert

_PURGED_ROWS = 1000


class _Changed(Exception):  # noqa: N818 - rolls a transaction back
    """A delivery is no longer as it was seen."""


class SQLDeliveries:
    """See Deliveries and DeliveryQueue."""

    def __init__(self, database: Database, table: DeliveryTable, records: SQLRecords) -> None:
        self._database = database
        self._table = table
        self._records = records

    def add(self, messages: Sequence[Message]) -> None:
        """See Deliveries."""
        if messages:
            self._database.write(lambda connection: self.insert(connection, messages))

    def insert(self, connection: Connection, messages: Sequence[Message]) -> None:
        """Add deliveries in the transaction of `connection`."""
        rows = [self._table.values(message) for message in messages]
        if rows:
            connection.execute(upsert(connection, self._table.table).on_conflict_do_nothing(), rows)

    def get(self, webhook_id: str, delivery_id: str) -> Message | None:
        """See Deliveries."""
        table = self._table
        found = select(*table.message_columns).where(table.is_at(webhook_id, delivery_id))
        row = self._database.read(lambda connection: connection.execute(found).one_or_none())
        return None if row is None else table.message(row)

    def replace(self, delivery: Delivery, seen: Delivery) -> bool:
        """See Deliveries."""
        return self._database.write(lambda connection: self._replace(connection, delivery, seen))

    def request(
        self,
        message: Message,
        seen: Delivery | None,
        record: IdempotencyRecord | None,
        now: int,
    ) -> bool:
        """See Deliveries."""
        delivery = message.delivery

        def write(connection: Connection) -> bool:
            if record is not None and self._records.claim(connection, record, delivery.id, now):
                return False
            if seen is None:
                self.insert(connection, [message])
            elif not self._replace(connection, delivery, seen):
                raise _Changed
            return True

        try:
            return self._database.write(write)
        except _Changed:
            return False

    def record(self, key: str, now: int) -> IdempotencyRecord | None:
        """See Deliveries."""
        return self._database.read(lambda connection: self._records.live(connection, key, now))

    def due_webhooks(self, now: str) -> list[str]:
        """See DeliveryQueue. Reads two rows for each webhook that has a pending delivery."""
        due = self._due_webhooks(now)
        return self._database.read(lambda connection: [*connection.execute(due).scalars()])

    def claim(self, webhook_id: str, now: str, until: str, limit: int) -> list[Message]:
        """See DeliveryQueue."""
        table = self._table
        columns = table.table.c
        due = (
            select(*table.message_columns)
            .where(
                table.is_pending,
                columns.webhook_id == webhook_id,
                columns.next_attempt_at <= now,
            )
            .order_by(columns.next_attempt_at, columns.delivery_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )

        def lease(connection: Connection) -> list[Message]:
            messages = [table.message(row) for row in connection.execute(due)]
            claimed = [message.delivery.id for message in messages]
            is_claimed: ColumnElement[bool] = columns.webhook_id == webhook_id
            is_claimed &= columns.delivery_id.in_(claimed)
            if claimed:
                connection.execute(
                    update(table.table).where(is_claimed).values(next_attempt_at=until)
                )
            return [
                msgspec.structs.replace(
                    message,
                    delivery=msgspec.structs.replace(message.delivery, next_attempt_at=until),
                )
                for message in messages
            ]

        return self._database.write(lease)

    def purge(self, now: int) -> None:
        """See DeliveryQueue. Some at a time, so that no transaction takes long."""
        table = self._table.table
        key = tuple_(table.c.webhook_id, table.c.delivery_id)
        expired = (
            select(table.c.webhook_id, table.c.delivery_id)
            .where(table.c.expires_at <= now)
            .limit(_PURGED_ROWS)
        )
        purged = delete(table).where(key.in_(expired))
        while self._database.write(lambda connection: connection.execute(purged).rowcount):
            pass

    def list(self, webhook_id: str, query: Query) -> Page[Delivery]:
        """See Deliveries."""
        table = self._table
        columns = table.table.c
        listed = select(*table.columns).where(columns.webhook_id == webhook_id)
        own = columns.delivery_id
        if query.after is not None:
            listed = listed.where(own > query.after if query.ascending else own < query.after)
        listed = listed.order_by(own if query.ascending else own.desc()).limit(query.limit + 1)
        rows = self._database.read(lambda connection: connection.execute(listed).all())
        items = [table.delivery(row) for row in rows[: query.limit]]
        return Page(items, items[-1].id if len(rows) > query.limit else None)

    def has_succeeded(self, webhook_id: str, since: str) -> bool:
        """See Deliveries."""
        columns = self._table.table.c
        succeeded = exists().where(
            columns.webhook_id == webhook_id,
            columns.status == "succeeded",
            columns.last_attempt_at >= since,
        )
        return self._database.read(
            lambda connection: connection.execute(select(succeeded)).scalar_one()
        )

    def _replace(self, connection: Connection, delivery: Delivery, seen: Delivery) -> bool:
        table = self._table
        replaced = (
            update(table.table)
            .where(
                table.is_at(delivery.webhook_id, delivery.id),
                *(table.table.c[name] == getattr(seen, name) for name in SETTLED),
            )
            .values(table.fields(delivery))
        )
        return connection.execute(replaced).rowcount == 1

    def _due_webhooks(self, now: str) -> Select[tuple[str]]:
        """Return the selection of webhooks, which goes through the index in steps.

        A plain DISTINCT would read all deliveries that are pending.
        https://wiki.postgresql.org/wiki/Loose_indexscan
        """
        is_pending, own = self._table.is_pending, self._table.table.c
        first = select(func.min(own.webhook_id).label("webhook_id")).where(is_pending)
        pending = first.cte("pending", recursive=True)
        following = select(func.min(own.webhook_id)).where(
            is_pending, own.webhook_id > pending.c.webhook_id
        )
        # After the last one it is NULL.
        is_one = pending.c.webhook_id.is_not(None)
        pending = pending.union_all(select(following.scalar_subquery()).where(is_one))
        earliest = select(func.min(own.next_attempt_at)).where(
            is_pending, own.webhook_id == pending.c.webhook_id
        )
        return select(pending.c.webhook_id).where(earliest.scalar_subquery() <= now)
