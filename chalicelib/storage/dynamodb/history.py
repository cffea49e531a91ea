"""The history of an entity: how it leaves the entity's item, and how it is read.

An item grows by an entry with each change. When it has enough of them for a chunk, the change that
sees so moves the oldest, after it has been carried out: it writes the chunk, then removes the
entries. If it stops in between, the entries are in both places, and the next change does the same
again. Readers take each version once.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import Any

from chalicelib.aws.errors import ServiceError
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.history import HistoryEntry, version_at
from chalicelib.domain.storage import Page, Query
from chalicelib.settings_error import SettingsError
from chalicelib.storage.dynamodb.creation import put_new
from chalicelib.storage.dynamodb.history_items import (
    CHUNK_ENTRIES,
    HISTORY,
    chunk,
    chunk_partition,
    chunk_sort_key,
    entries,
    inline,
)
from chalicelib.storage.dynamodb.items import Item, Key
from chalicelib.storage.dynamodb.requests import ConditionFailed, Operation

_log = logging.getLogger(__name__)


class History:
    """The history of the entities in the table `table`."""

    def __init__(self, table: str) -> None:
        self._table = table

    def move(self, operation: Operation, item: Item) -> None:
        """Move the oldest entries of an entity, whose item is given, if they fill a chunk.

        The change that calls this is done, so a failure is logged, and left to the next change.
        """
        elements = item.get(HISTORY, {"L": []})["L"][: 2 * CHUNK_ENTRIES]
        if len(elements) < 2 * CHUNK_ENTRIES:
            return
        key = {"PK": item["PK"], "SK": item["SK"]}
        try:
            # If there is such a chunk, it has these entries, and those up to the deletion if the
            # entity has been deleted since.
            with suppress(ConditionFailed):
                operation.send("PutItem", put_new(self._table, chunk(key, elements))["Put"])
            with suppress(ConditionFailed):
                operation.send("UpdateItem", self._removal(key, elements))
        except (Unavailable, ServiceError, SettingsError) as error:
            # Without its id, which may be the caller's subject.
            kind = key["SK"]["S"].partition("#")[0].lower()
            _log.warning("The history of a %s stays until its next change: %r", kind, error)

    def read(self, operation: Operation, key: Key, query: Query) -> Page[HistoryEntry] | None:
        """Return a page of the history of the entity with this key, None if nothing is known of it.

        Strongly consistent: the item is read before the chunks, so that no entry can go from the
        one to the other unseen.
        """
        request = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        item = operation.send("GetItem", request).get("Item")
        own = entries(inline(item or {}))
        after = None if query.after is None else version_at(query.after)
        # What begins with the first version is whole.
        moved = (
            self._moved(operation, key, query, after) if not own or own[0].version > 1 else iter(())
        )
        every = chain(moved, own) if query.ascending else chain(reversed(own), moved)
        found = list(islice(_onward(every, after, ascending=query.ascending), query.limit + 1))
        if not found and item is None and after is None:
            return None
        page = found[: query.limit]
        return Page(page, page[-1].id if len(found) > query.limit else None)

    def _removal(self, key: Key, elements: list[dict[str, Any]]) -> dict[str, Any]:
        # From the last to the first, although each place means the item before the update.
        places = ", ".join(f"#history[{place}]" for place in reversed(range(len(elements))))
        return {
            "TableName": self._table,
            "Key": key,
            "UpdateExpression": f"REMOVE {places}",
            "ConditionExpression": "#history[0] = :first",
            "ExpressionAttributeNames": {"#history": HISTORY},
            "ExpressionAttributeValues": {":first": elements[0]},
        }

    def _moved(
        self, operation: Operation, key: Key, query: Query, after: int | None
    ) -> Iterator[HistoryEntry]:
        """Yield the entries in chunks, from the one on that has what follows the version `after`.

        Requests are sent as the caller consumes the entries.
        """
        first, last = f"{key['SK']['S']}#", f"{key['SK']['S']}#~"
        # A chunk is found by the first of its versions, and may have any number of them.
        limit = query.limit // CHUNK_ENTRIES + 2
        if after is None:
            ranges = [(first, last, query.ascending, limit)]
        elif query.ascending:
            until, beyond = chunk_sort_key(key, after), chunk_sort_key(key, after + 1)
            ranges = [(first, until, False, 1), (beyond, last, True, limit)]
        else:
            ranges = [(first, chunk_sort_key(key, after), False, limit)]
        for low, high, ascending, maximum in ranges:
            for item in self._chunks(operation, key, (low, high), maximum, ascending=ascending):
                found = entries(item["entries"]["L"])
                yield from found if query.ascending else reversed(found)
                if maximum == 1:
                    break

    def _chunks(
        self,
        operation: Operation,
        key: Key,
        bounds: tuple[str, str],
        limit: int,
        *,
        ascending: bool,
    ) -> Iterator[Item]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "PK = :key AND SK BETWEEN :low AND :high",
            "ExpressionAttributeValues": {
                ":key": {"S": chunk_partition(key)},
                ":low": {"S": bounds[0]},
                ":high": {"S": bounds[1]},
            },
            "ScanIndexForward": ascending,
            "ConsistentRead": True,
            "Limit": limit,
        }
        return operation.items(request)


def _onward(
    found: Iterable[HistoryEntry], after: int | None, *, ascending: bool
) -> Iterator[HistoryEntry]:
    """Yield those entries that lie beyond `after` and beyond all that came before them."""
    for entry in found:
        if after is None or (entry.version > after if ascending else entry.version < after):
            after = entry.version
            yield entry
