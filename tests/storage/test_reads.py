"""What the SQL engine reads for a page of a list does not grow with what it does not show."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.databases import filled, order_id, user_id
from benchmarks.sql_reads import reads
from chalicelib.domain.storage import Query, Storage, UserQuery
from localdev.engines import Engines
from tests.conftest import url_of
from tests.storage.conftest import empty

# Of both there are 4,000, a quarter with the status that is asked for, behind all the others.
MANY = 4_000
LIMIT = 20
MIDDLE = MANY // 8
LISTS: dict[str, Callable[[Storage], object]] = {
    "users by status": lambda s: s.list_users(UserQuery(limit=LIMIT, status="suspended")),
    "users by status after": lambda s: s.list_users(
        UserQuery(limit=LIMIT, status="suspended", after=user_id(MIDDLE))
    ),
    "users by status, oldest first": lambda s: s.list_users(
        UserQuery(limit=LIMIT, status="active", ascending=True)
    ),
    "users by status between": lambda s: s.list_users(
        UserQuery(limit=LIMIT, status="suspended", from_id=user_id(10), to_id=user_id(MIDDLE))
    ),
    "orders by status": lambda s: s.list_orders(user_id(1), Query(limit=LIMIT, status="paid")),
    "orders by status after": lambda s: s.list_orders(
        user_id(1), Query(limit=LIMIT, status="paid", after=order_id(MIDDLE))
    ),
}


@pytest.mark.parametrize(("engine", "most"), [("sqlite", 40 * LIMIT), ("postgresql", LIMIT + 1)])
def test_a_page_costs_what_it_shows(
    engine: str, most: int, engines: Engines, tmp_path: Path
) -> None:
    """No page reads further than its end, wherever the things that it shows lie."""
    url = f"sqlite:///{tmp_path}/many.db"
    with ExitStack() as stack:
        if engine == "postgresql":
            url = url_of(engines, engine)
            empty(url)
        storage = stack.enter_context(filled(url, MANY, MANY))
        read = {name: reads(lambda ask=ask: ask(storage)) for name, ask in LISTS.items()}
    assert {name: found for name, found in read.items() if found.amount > most} == {}
