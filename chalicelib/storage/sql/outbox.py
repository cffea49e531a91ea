"""The outbox: events are written in the transaction of their change, and relayed afterwards.

PostgreSQL gives row ids before transactions are committed, so ids of different subjects may become
visible in another order. Those of one subject cannot: each change holds the lock of its entity's
row from before it writes its event until it is committed.
"""

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection, Select, Table, delete, exists, insert, select

from chalicelib.domain.deliveries import Message
from chalicelib.domain.events import CloudEvent
from chalicelib.storage.sql.deliveries import SQLDeliveries
from chalicelib.storage.sql.transactions import Database, is_postgresql

# How far a relay looks for subjects that no other relay has, in rows for each event that it passes
# on: so that the backlog of one subject does not have to be read to its end.
_WINDOW = 10

_decode = msgspec.json.Decoder(CloudEvent).decode


class SQLOutbox:
    """See Outbox. `table` is that of `schema.outbox_table`."""

    def __init__(self, database: Database, table: Table, deliveries: SQLDeliveries) -> None:
        self._database = database
        self._table = table
        self._deliveries = deliveries

    def write(self, connection: Connection, events: Sequence[CloudEvent]) -> None:
        """Keep events, in their order, in the transaction of `connection`."""
        rows = [{"subject": event.subject, "event": event.to_json()} for event in events]
        if rows:
            connection.execute(insert(self._table), rows)

    def relay(
        self, limit: int, deliver: Callable[[Sequence[CloudEvent]], Sequence[Message]]
    ) -> int:
        """See Outbox. On SQLite nobody else writes while `deliver` runs."""
        table = self._table

        def pass_on(connection: Connection) -> int:
            selected = self._free(connection, limit) if is_postgresql(connection) else self._first()
            rows = [] if selected is None else connection.execute(selected.limit(limit)).all()
            if rows:
                messages = deliver([_decode(row.event) for row in rows])
                self._deliveries.insert(connection, messages)
                connection.execute(delete(table).where(table.c.id.in_([row.id for row in rows])))
            return len(rows)

        # SQLite has one writer, which nobody should have to wait for while there is nothing to do.
        first = select(table.c.id).order_by(table.c.id).limit(1)
        is_empty = self._database.read(lambda connection: connection.scalar(first)) is None
        return 0 if is_empty else self._database.write(pass_on)

    def _first(self) -> Select[tuple[int, str]]:
        """Return the selection of the events in their order."""
        return select(self._table.c.id, self._table.c.event).order_by(self._table.c.id)

    def _free(self, connection: Connection, limit: int) -> Select[tuple[int, str]] | None:
        """Return the selection of events that no other relay has, None if there is none.

        Whoever locks the first event of a subject has all of them: a later one is passed on only
        with those before it, or after they are gone.
        """
        table = self._table
        last = select(table.c.id).order_by(table.c.id).offset(_WINDOW * limit).limit(1)
        end = connection.scalar(last)
        earlier = table.alias()
        is_first = ~exists().where(earlier.c.subject == table.c.subject, earlier.c.id < table.c.id)
        heads = (
            select(table.c.subject)
            .where(is_first)
            .order_by(table.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=table)
        )
        if end is not None:
            heads = heads.where(table.c.id < end)
        subjects = connection.scalars(heads).all()
        if not subjects:
            return None
        # Only those of the subjects whose first event is locked, in the order of all.
        free = self._first().where(table.c.subject.in_(subjects))
        return free if end is None else free.where(table.c.id < end)
