"""What the SQL engine reads for a page does not grow with the rows it does not show."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.databases import filled, order_id, user_id
from benchmarks.sql_reads import reads
from chalicelib.domain.orders import ORDERS
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS
from localdev.emulators import Emulators
from tests.conftest import url_of
from tests.storage.conftest import empty

# There are 4,000 of each. The requested status is that of a quarter, which is listed last.
MANY = 4_000
LIMIT = 20
MIDDLE = MANY // 8
LISTS: dict[str, Callable[[Storage], object]] = {
    "users by status": lambda s: s.list(
        USERS, (), Query(limit=LIMIT, filters={"status": "suspended"})
    ),
    "users by status after": lambda s: s.list(
        USERS, (), Query(limit=LIMIT, after=user_id(MIDDLE), filters={"status": "suspended"})
    ),
    "users by status, oldest first": lambda s: s.list(
        USERS, (), Query(limit=LIMIT, ascending=True, filters={"status": "active"})
    ),
    "users by status between": lambda s: s.list(
        USERS,
        (),
        Query(
            limit=LIMIT, from_id=user_id(10), to_id=user_id(MIDDLE), filters={"status": "suspended"}
        ),
    ),
    "orders by status": lambda s: s.list(
        ORDERS, (user_id(1),), Query(limit=LIMIT, filters={"status": "paid"})
    ),
    "orders by status after": lambda s: s.list(
        ORDERS,
        (user_id(1),),
        Query(limit=LIMIT, after=order_id(MIDDLE), filters={"status": "paid"}),
    ),
}


@pytest.mark.parametrize(("engine", "most"), [("sqlite", 40 * LIMIT), ("postgresql", LIMIT + 1)])
def test_a_page_reads_only_what_it_shows(
    engine: str, most: int, engines: Emulators, tmp_path: Path
) -> None:
    """No page reads beyond its end, wherever its rows are."""
    url = f"sqlite:///{tmp_path}/many.db"
    with ExitStack() as stack:
        if engine == "postgresql":
            url = url_of(engines, engine)
            empty(url)
        storage = stack.enter_context(filled(url, MANY, MANY))
        read = {
            name: reads(lambda read_page=read_page: read_page(storage))
            for name, read_page in LISTS.items()
        }
    assert {name: found for name, found in read.items() if found.amount > most} == {}
