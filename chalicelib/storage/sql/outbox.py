"""The outbox: events are written in the transaction of their change, and relayed afterwards.

PostgreSQL gives row ids before transactions are committed, so ids of different subjects may become
visible in another order. Those of one subject cannot: each change holds the lock of its entity's
row from before it writes its event until it is committed.
"""

import logging
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection, Table, delete, insert, select

from chalicelib.domain.deliveries import Message
from chalicelib.domain.events import CloudEvent
from chalicelib.storage.sql.deliveries import SQLDeliveries
from chalicelib.storage.sql.transactions import Database
from chalicelib.telemetry.activity import current

# How far a relay looks for subjects that no other relay has, in rows for each event that it may
# pass on: at first, and where the others have all that it finds. Beyond that it leaves events to
# the next time: a backlog is not read to its end.
_WINDOWS = (10, 100, 1000)
# PostgreSQL takes 65,535 parameters in a statement.
_HEADS = 10_000

_decode = msgspec.json.Decoder(CloudEvent).decode
_log = logging.getLogger(__name__)


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
        """See Outbox. On SQLite nobody else writes while `deliver` runs.

        An event that cannot be read never could be: it is logged, noted as the error of the
        activity, and left out, so that nothing waits behind it.
        """
        table = self._table

        def pass_on(connection: Connection) -> int:
            chosen = self._locked(connection, limit)
            if chosen:
                rows = select(table.c.id, table.c.event).where(table.c.id.in_(chosen))
                found = connection.execute(rows.order_by(table.c.id))
                events = [event for row in found if (event := _event(row.id, row.event))]
                self._deliveries.insert(connection, deliver(events))
                connection.execute(delete(table).where(table.c.id.in_(chosen)))
            return len(chosen)

        # SQLite has one writer, which nobody should have to wait for while there is nothing to do.
        is_empty = self._database.read(lambda connection: not self._first(connection, 1))
        return 0 if is_empty else self._database.write(pass_on)

    def oldest(self) -> str | None:
        """See Outbox."""
        columns = self._table.c
        first = select(columns.event).where(columns.id > 0).order_by(columns.id).limit(1)
        text = self._database.read(lambda connection: connection.scalar(first))
        return None if text is None else _decode(text).time

    def _locked(self, connection: Connection, limit: int) -> list[int]:
        """Return the ids of the first events that no other relay has.

        Whoever locks the first event of a subject has all of them: a later one is passed on only
        together with those before it, or after they are gone. Each look is a statement of its own,
        which sees an event only together with those before it.
        """
        for window in _WINDOWS:
            events = self._first(connection, window * limit)
            heads: dict[str, int] = {}
            for own_id, subject in events:
                heads.setdefault(subject, own_id)
            locked = self._lock(connection, [*heads.values()], limit)
            if locked or len(events) < window * limit:
                break
        return [own_id for own_id, subject in events if heads[subject] in locked][:limit]

    def _lock(self, connection: Connection, heads: Sequence[int], limit: int) -> set[int]:
        """Lock up to `limit` of these events that nobody has locked, the first ones."""
        own_id = self._table.c.id
        for start in range(0, len(heads), _HEADS):
            free = (
                select(own_id)
                .where(own_id.in_(heads[start : start + _HEADS]))
                .order_by(own_id)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            if locked := {*connection.scalars(free)}:
                return locked
        return set()

    def _first(self, connection: Connection, limit: int) -> list[tuple[int, str]]:
        """Return the id and the subject of the first events, in the order of writing."""
        columns = self._table.c
        # As a range of the key, so that the plan says that no more is read.
        first = select(columns.id, columns.subject).where(columns.id > 0)
        rows = connection.execute(first.order_by(columns.id).limit(limit))
        return [(row.id, row.subject) for row in rows]


def _event(own_id: int, text: str) -> CloudEvent | None:
    try:
        return _decode(text)
    except msgspec.MsgspecError as error:
        _log.exception("The event %d in the outbox cannot be read, and was left out", own_id)
        current().error = error
        return None
