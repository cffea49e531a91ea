"""Pages of a list: the part of an index's order that a query selects."""

from typing import Any

from sqlalchemy import Select, select, tuple_

from chalicelib.domain.history import version_at
from chalicelib.domain.resource import Ids, Resource
from chalicelib.domain.storage import Query
from chalicelib.storage.sql.schema import HistoryTable, ResourceTable


def page_select(table: ResourceTable[Any], resource: Resource[Any], query: Query) -> Select[Any]:
    """Return the selection of the page, and of one row more to know whether it is the last."""
    # The first filter with an index is asked for as a range of that index. With an equality
    # PostgreSQL could also go by the primary key, and would, past any number of rows with other
    # values, which it assumes to be evenly spread.
    field = next((name for name in resource.filters if name in query.filters), None)
    listed = select(*table.columns).where(
        *(table.filter(name, value) for name, value in query.filters.items() if name != field)
    )
    order = [table.id] if field is None else [table.table.c[field], table.id]
    fixed = () if field is None else (query.filters[field],)
    # One bound on each side, the closer one: SQLite seeks by no more.
    after = (query.after or "", True) if query.ascending else ("", True)
    first, is_exclusive = max((query.from_id or "", False), after)
    ends = (query.to_id, None if query.ascending else query.after)
    last = min((end for end in ends if end is not None), default=None)
    row, start = tuple_(*order), tuple_(*fixed, first)
    listed = listed.where(row > start if is_exclusive else row >= start)
    if last is not None:
        listed = listed.where(row < tuple_(*fixed, last))
    elif field is not None:
        listed = listed.where(table.table.c[field] <= query.filters[field])
    ordered = order if query.ascending else [column.desc() for column in order]
    return listed.order_by(*ordered).limit(query.limit + 1)


def history_select(history: HistoryTable, ids: Ids, query: Query) -> Select[Any]:
    """Return the selection of a page of an entity's history, and of one row more."""
    listed = select(*history.columns).where(history.is_of(ids))
    version = history.version
    if query.after is not None:
        last = version_at(query.after)
        listed = listed.where(version > last if query.ascending else version < last)
    ordered = version if query.ascending else version.desc()
    return listed.order_by(ordered).limit(query.limit + 1)
