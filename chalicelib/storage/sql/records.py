"""Idempotency records in SQL, written in the transactions of what they are records of."""

import msgspec
from sqlalchemy import Connection, Select, Table, delete, select, update

from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.storage.sql.transactions import upsert

_PURGED_RECORDS = 20


class SQLRecords:
    """The records in `table`."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._columns = [table.c[name] for name in IdempotencyRecord.__struct_fields__]

    def live(self, connection: Connection, key: str, now: int) -> IdempotencyRecord | None:
        """Return the record of a key that expires after `now` (seconds), None if there is none."""
        columns = self._table.c
        found = select(*self._columns).where(columns.key == key, columns.expires_at > now)
        row = connection.execute(found).one_or_none()
        return None if row is None else IdempotencyRecord(*row)

    def claim(
        self, connection: Connection, record: IdempotencyRecord, owner_id: str, now: int
    ) -> IdempotencyRecord | None:
        """Keep `record` unless a live one has its key; return that one."""
        columns = self._table.c
        expired = (
            select(columns.key)
            .where(columns.expires_at <= now)
            .limit(_PURGED_RECORDS)
            .with_for_update(skip_locked=True)
        )
        connection.execute(delete(self._table).where(columns.key.in_(expired)))
        values = msgspec.structs.asdict(record) | {"owner_id": owner_id}
        claimed = connection.execute(
            upsert(connection, self._table)
            .values(values)
            .on_conflict_do_update(
                index_elements=[columns.key], set_=values, where=columns.expires_at <= now
            )
            .returning(columns.key)
        )
        if claimed.first() is not None:
            return None
        row = connection.execute(select(*self._columns).where(columns.key == record.key)).one()
        return IdempotencyRecord(*row)

    def bury(self, connection: Connection, owners: Select[tuple[str]]) -> None:
        """Leave tombstones of the records of entities that are deleted."""
        tombstone = {"digest": "", "body": "", "owner_id": None}
        of_owners = self._table.c.owner_id.in_(owners)
        connection.execute(update(self._table).where(of_owners).values(tombstone))
