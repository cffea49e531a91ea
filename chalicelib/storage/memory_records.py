"""The idempotency records of the engine that keeps everything in memory."""

import threading

from chalicelib.domain.idempotency import IdempotencyRecord


class MemoryRecords:
    """Records by their key. Whoever uses them holds `lock`, also for what goes with a record."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        # With the entity that the record is of, until that is deleted.
        self._records: dict[str, tuple[IdempotencyRecord, str | None]] = {}

    def live(self, key: str, now: int) -> IdempotencyRecord | None:
        """Return the record of a key that expires after `now` (seconds), None if there is none."""
        record, _ = self._records.get(key, (None, None))
        return record if record is not None and record.expires_at > now else None

    def keep(self, record: IdempotencyRecord, owner_id: str) -> None:
        """Keep the record of what became `owner_id`."""
        self._records[record.key] = record, owner_id

    def bury(self, owner_id: str) -> None:
        """Leave tombstones of the records of an entity that is deleted."""
        for key, (record, owner) in self._records.items():
            if owner == owner_id:
                self._records[key] = record.tombstone(), None
