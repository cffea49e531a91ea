"""Pages of lists, each from key ranges of one partition or a few: never a Scan.

A page is filled although a filter drops rows
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.FilterExpression.html),
with a bounded number of Queries: a page that was cut short says where the next one continues.
"""

import heapq
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any

from chalicelib.domain.resource import Entity, EntityT, Ids, Resource
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.dynamodb.items import INDEX, Item, Key, Layout, ResourceItems
from chalicelib.storage.dynamodb.requests import Operation

# A filter that drops nearly every row ends the page after this many Queries of a partition, each
# of twice as many rows as the one before: at most 63 times the rows that the page may hold.
_MAX_QUERIES = 6

Row = tuple[str, Item | None]


class Lists:
    """The lists in the table `table`; those of everything are merged from `shards` partitions."""

    def __init__(self, table: str, layout: Layout, shards: int) -> None:
        self._table = table
        self._layout = layout
        self._shards = range(shards)

    def all(
        self, operation: Operation, items: ResourceItems[EntityT], query: Query
    ) -> Page[EntityT]:
        """Return a page of all entities, merged from the shards of the index."""
        low, high = _bounds(items.resource.prefix, query)
        if low > high:
            return Page([], None)
        rows = heapq.merge(
            *(self._shard(operation, items, query, shard, (low, high)) for shard in self._shards),
            key=itemgetter(0),
            reverse=not query.ascending,
        )
        return _page(rows, items, query.limit)

    def small(
        self, operation: Operation, items: ResourceItems[EntityT], query: Query
    ) -> Page[EntityT]:
        """Return a page of the entities of a small resource."""
        low, high = _bounds(items.resource.prefix, query)
        if low > high:
            return Page([], None)
        request = self._range(items, items.partition(()), items.sort_key((high,)), low, query)
        rows = _rows(operation, request, query.limit + 1)
        return _page(((items.id(key), row) for key, row in rows), items, query.limit)

    def children(
        self, operation: Operation, items: ResourceItems[EntityT], parent: Ids, query: Query
    ) -> Page[EntityT]:
        """Return a page of a parent's children. Raises the parent's not_found."""
        resource, partition = items.resource, items.partition(parent)
        low, high = _bounds(resource.prefix, query)
        # A range without an upper bound may read the parent's item too, and so tells a parent
        # without children from no parent, without another request.
        reads_parent = self._layout.lies_before_parent(items) and high == resource.prefix + "~"
        end = self._parent_sort_key(resource) if reads_parent else items.sort_key((high,))
        request = self._range(items, partition, end, low, query)
        if query.filters and reads_parent:
            # Only a parent's item is in the index.
            request["FilterExpression"] += " OR attribute_exists(GSI1PK)"
        is_known = False

        def rows() -> Iterator[Row]:
            nonlocal is_known
            limit = query.limit + 1 + reads_parent
            for key, row in _rows(operation, request, limit) if low <= high else ():
                is_known = True
                if key["SK"]["S"].startswith(f"{items.type}#"):
                    yield items.id(key), row

        page = _page(rows(), items, query.limit)
        if not is_known and not self._exists(operation, items, parent):
            assert resource.parent is not None  # noqa: S101 - a list under a parent
            raise resource.parent.not_found
        return page

    def _shard(
        self,
        operation: Operation,
        items: ResourceItems[Any],
        query: Query,
        shard: int,
        bounds: tuple[str, str],
    ) -> Iterator[Row]:
        request = {
            "TableName": self._table,
            "IndexName": INDEX,
            "KeyConditionExpression": "GSI1PK = :key AND GSI1SK BETWEEN :low AND :high",
            **_selection(items.shard_partition(shard), *bounds, query),
        }
        # One row more than the page holds tells whether there is a next page.
        rows = _rows(operation, request, query.limit + 1)
        return ((items.id(key), row) for key, row in rows)

    def _range(
        self, items: ResourceItems[Any], partition: str, end: str, low: str, query: Query
    ) -> dict[str, Any]:
        """Return the Query of a partition from the id `low` to the sort key `end`."""
        return {
            "TableName": self._table,
            "KeyConditionExpression": "PK = :key AND SK BETWEEN :low AND :high",
            "ConsistentRead": True,
            **_selection(partition, items.sort_key((low,)), end, query),
        }

    def _parent_sort_key(self, resource: Resource[Any]) -> str:
        assert resource.parent is not None  # noqa: S101 - a list under a parent
        return self._layout.of(resource.parent).type

    def _exists(self, operation: Operation, items: ResourceItems[Any], parent: Ids) -> bool:
        """Return whether there is the parent, or one of its children that outlive it."""
        resource, partition = items.resource, items.partition(parent)
        if self._layout.lies_before_parent(items):
            first, last = f"{items.type}#", self._parent_sort_key(resource)
        else:
            first = last = self._parent_sort_key(resource)
        found = self._has_rows(operation, partition, first, last)
        if not found and first == last and resource.on_parent_deletion == "keep":
            found = self._has_rows(operation, partition, f"{items.type}#", f"{items.type}#~")
        return found

    def _has_rows(self, operation: Operation, partition: str, first: str, last: str) -> bool:
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "PK = :key AND SK BETWEEN :low AND :high",
            "ExpressionAttributeValues": {
                ":key": {"S": partition},
                ":low": {"S": first},
                ":high": {"S": last},
            },
            "ConsistentRead": True,
            "Limit": 1,
        }
        return bool(operation.send("Query", request)["Items"])


def matches(query: Query, resource: Resource[Any], entity: Entity) -> bool:
    """Return whether the entity lies in the bounds of the query and passes its filters."""
    low, high = _bounds(resource.prefix, query)
    unique = {unique.field: unique for unique in resource.unique}
    return low <= entity.id <= high and all(
        unique[field].key(entity) == unique[field].normalize(value)
        if field in unique
        else getattr(entity, field) == value
        for field, value in query.filters.items()
    )


def _bounds(prefix: str, query: Query) -> tuple[str, str]:
    """Return the first and the last id that the query allows; neither need exist.

    "!" sorts before and "~" after every character of an id.
    """
    low = query.from_id or prefix
    end = query.to_id
    if query.after is not None and query.ascending:
        low = max(low, query.after + "!")
    elif query.after is not None:
        end = min(end or query.after, query.after)
    if not end:
        return low, prefix + "~"
    return low, f"{end[:-1]}{chr(ord(end[-1]) - 1)}~"


def _selection(partition: str, low: str, high: str, query: Query) -> dict[str, Any]:
    values = {":key": {"S": partition}, ":low": {"S": low}, ":high": {"S": high}}
    selection: dict[str, Any] = {
        "ExpressionAttributeValues": values,
        "ScanIndexForward": query.ascending,
    }
    if not query.filters:
        return selection
    values |= {f":{field}": {"S": value} for field, value in query.filters.items()}
    conditions = " AND ".join(f"#{field} = :{field}" for field in query.filters)
    return {
        **selection,
        "FilterExpression": conditions if len(query.filters) == 1 else f"({conditions})",
        "ExpressionAttributeNames": {f"#{field}": field for field in query.filters},
    }


def _rows(
    operation: Operation, request: dict[str, Any], limit: int
) -> Iterator[tuple[Key, Item | None]]:
    """Yield keys and rows, sending Queries as the caller consumes them.

    If rows remain after the last Query, yield the last key that was read, and None.
    """
    start: dict[str, Any] = {}
    for turn in range(_MAX_QUERIES):
        response = operation.send("Query", {**request, **start, "Limit": limit << turn})
        for row in response["Items"]:
            yield row, row
        if "LastEvaluatedKey" not in response:
            return
        start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}
    yield start["ExclusiveStartKey"], None


def _page(rows: Iterable[Row], items: ResourceItems[EntityT], limit: int) -> Page[EntityT]:
    """Return a page of `rows`, which hold at least one more than its `limit` if there is one."""
    found: list[EntityT] = []
    for entity_id, row in rows:
        if row is None:
            return Page(found, entity_id)
        if len(found) == limit:
            return Page(found, found[-1].id)
        found.append(items.entity(row))
    return Page(found, None)
