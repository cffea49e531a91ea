"""Pages of users and orders, each from key ranges of one partition or a few: never a Scan.

A page is filled although a filter drops rows
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.FilterExpression.html),
with a bounded number of Queries: one that was cut short says where the next one goes on.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any, TypeVar

from chalicelib.domain.errors import UserNotFound
from chalicelib.domain.ids import ORDER_PREFIX, USER_PREFIX
from chalicelib.domain.model import Order, User
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.dynamodb import items
from chalicelib.storage.dynamodb.items import Item, Key
from chalicelib.storage.dynamodb.requests import Act

Thing = TypeVar("Thing", User, Order)

# A filter that drops nearly every row ends the page after this many Queries of a partition, each
# of twice as many rows as the one before: at most 63 times the rows that the page may hold.
_MOST_QUERIES = 6


def users_page(act: Act, table: str, shards: Iterable[int], query: Query) -> Page[User]:
    """Return a page of all users, merged from the shards of the index."""
    low, high = _bounds(USER_PREFIX, query)
    if low > high:
        return Page([], None)
    # One row more than the page holds tells whether there is a next page.
    limit = query.limit + 1
    rows = heapq.merge(
        *(
            map(
                _with_user_id,
                _rows(
                    act,
                    {
                        "TableName": table,
                        "IndexName": items.INDEX,
                        "KeyConditionExpression": "GSI1PK = :key AND GSI1SK BETWEEN :low AND :high",
                        **_selection(items.shard_partition(shard), low, high, query),
                    },
                    limit,
                ),
            )
            for shard in shards
        ),
        key=itemgetter(0),
        reverse=not query.ascending,
    )
    return _page(rows, items.user_of, query.limit)


def orders_page(act: Act, table: str, user_id: str, query: Query) -> Page[Order]:
    """Return a page of one user's orders. Raises UserNotFound where there is nothing at all."""
    low, high = _bounds(ORDER_PREFIX, query)
    partition = items.user_partition(user_id)
    # The user's own item sorts right after its orders: a range without an upper bound reads it
    # too, and so tells a user without orders from no user, without another request.
    to_the_end = high == _bounds(ORDER_PREFIX, Query(limit=1))[1]
    request = {
        "TableName": table,
        "KeyConditionExpression": "PK = :key AND SK BETWEEN :low AND :high",
        "ConsistentRead": True,
        **_selection(
            partition,
            items.ORDER_SK + low,
            items.USER_SK if to_the_end else items.ORDER_SK + high,
            query,
        ),
    }
    if query.status is not None:
        request["FilterExpression"] += " OR attribute_exists(open_orders)"
    found = False

    def rows() -> Iterator[tuple[str, Item | None]]:
        nonlocal found
        for key, row in _rows(act, request, query.limit + 1 + to_the_end) if low <= high else ():
            found = True
            if key["SK"]["S"] != items.USER_SK:
                yield items.order_id_of(key), row

    page = _page(rows(), items.order_of, query.limit)
    if not found and not _exists(act, table, partition):
        raise UserNotFound
    return page


def admits(query: Query, user: User) -> bool:
    """Tell whether `user` lies in the bounds of `query` and passes its filter by status."""
    low, high = _bounds(USER_PREFIX, query)
    return low <= user.user_id <= high and query.status in {None, user.status}


def _bounds(prefix: str, query: Query) -> tuple[str, str]:
    """Return the first and the last id that the query admits; neither need exist.

    "!" sorts before and "~" after every character of an id.
    """
    low = query.from_id or prefix
    beyond = query.to_id
    if query.after is not None and query.ascending:
        low = max(low, query.after + "!")
    elif query.after is not None:
        beyond = min(beyond or query.after, query.after)
    if not beyond:
        return low, prefix + "~"
    return low, f"{beyond[:-1]}{chr(ord(beyond[-1]) - 1)}~"


def _selection(partition: str, low: str, high: str, query: Query) -> dict[str, Any]:
    values = {":key": {"S": partition}, ":low": {"S": low}, ":high": {"S": high}}
    selection = {
        "ExpressionAttributeValues": values,
        "ScanIndexForward": query.ascending,
    }
    if query.status is None:
        return selection
    values[":status"] = {"S": query.status}
    return {
        **selection,
        "FilterExpression": "#status = :status",
        "ExpressionAttributeNames": {"#status": "status"},
    }


def _rows(act: Act, request: dict[str, Any], limit: int) -> Iterator[tuple[Key, Item | None]]:
    """Yield the rows, each with its key, of as many Queries as are asked for.

    Where no further Query may be made but there are more rows, the last thing yielded is the key
    up to which rows were read, and None.
    """
    start: dict[str, Any] = {}
    for turn in range(_MOST_QUERIES):
        answer = act.send("query", {**request, **start, "Limit": limit << turn})
        for row in answer["Items"]:
            yield row, row
        if "LastEvaluatedKey" not in answer:
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    yield start["ExclusiveStartKey"], None


def _with_user_id(row: tuple[Key, Item | None]) -> tuple[str, Item | None]:
    return items.user_id_of(row[0]), row[1]


def _page(
    rows: Iterable[tuple[str, Item | None]], read: Callable[[Item], Thing], limit: int
) -> Page[Thing]:
    """Return a page of `rows`, which hold at least one more than its `limit` if there is one."""
    things: list[Thing] = []
    last = ""
    for thing_id, row in rows:
        if row is None:
            return Page(things, thing_id)
        if len(things) == limit:
            return Page(things, last)
        things.append(read(row))
        last = thing_id
    return Page(things, None)


def _exists(act: Act, table: str, partition: str) -> bool:
    request = {
        "TableName": table,
        "KeyConditionExpression": "PK = :key",
        "ExpressionAttributeValues": {":key": {"S": partition}},
        "ConsistentRead": True,
        "Limit": 1,
    }
    return bool(act.send("query", request)["Items"])
