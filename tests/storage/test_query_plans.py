"""Every statement that the SQL engine sends finds its rows by an index."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import Engine as AnyEngine

from chalicelib.problems import Problem
from chalicelib.storage import open_storage
from chalicelib.storage.base import Query, Storage, UserQuery
from localdev.engines import Engines
from tests.conftest import url_of
from tests.storage.operations import OPERATIONS, Operation, set_up
from tests.storage.things import NOW

# Beside those that DynamoDB's costs are told of: every way through a list.
LISTS = [
    Operation("users after", lambda s, it: s.list_users(UserQuery(limit=5, after=it.user.user_id))),
    Operation("users, oldest first", lambda s, _: s.list_users(UserQuery(limit=5, ascending=True))),
    Operation(
        "users between",
        lambda s, _: s.list_users(UserQuery(limit=5, from_id="usr_0", to_id="usr_f", status="active")),
    ),
    Operation(
        "orders by status after",
        lambda s, it: s.list_orders(
            it.user.user_id, Query(limit=5, status="paid", after=it.order.order_id)
        ),
    ),
]
# In SQLite's words, and in PostgreSQL's.
WHOLE_TABLE = re.compile(r"SCAN (?!CONSTANT)\w+(?! USING)|USE TEMP B-TREE|Seq Scan|Sort Key")


def statements(storage: Storage, operation: Operation) -> list[tuple[str, Any]]:
    """Return what `operation` sends, with its parameters."""
    scene = set_up(storage)
    operation.prepare(storage, scene)
    sent: list[tuple[str, Any]] = []

    def note(_: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            sent.append((statement, parameters))

    event.listen(AnyEngine, "before_cursor_execute", note)
    try:
        operation.act(storage, scene)
    except Problem:
        pass
    finally:
        event.remove(AnyEngine, "before_cursor_execute", note)
    return [pair for pair in sent if " FROM " in pair[0] or pair[0].startswith("UPDATE")]


def plans(engine: Engine, explain: str, sent: list[tuple[str, Any]]) -> list[str]:
    """Return the plan of each statement."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # Small tables are read whole because they are small.
            connection.execute(text("SET enable_seqscan = off"))
        return [
            "\n".join(
                str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
            )
            for statement, parameters in sent
        ]


def check(url: str, explain: str, operation: Operation, prepare: Callable[[], None]) -> None:
    """Raise AssertionError when a plan of `operation` reads a whole table, or sorts."""
    prepare()
    storage = open_storage(url)
    sent = statements(storage, operation)
    engine = create_engine(url)
    found = plans(engine, explain, sent)
    engine.dispose()
    storage.close()
    assert NOW
    for (statement, _), plan in zip(sent, found, strict=True):
        assert not WHOLE_TABLE.search(plan), f"{statement}\n{plan}"


@pytest.mark.parametrize("operation", [*OPERATIONS, *LISTS], ids=lambda it: it.name)
def test_sqlite_goes_by_an_index(operation: Operation, tmp_path: Path) -> None:
    """No statement on SQLite reads a whole table or sorts what it read."""
    check(f"sqlite:///{tmp_path}/x.db", "EXPLAIN QUERY PLAN", operation, lambda: None)


@pytest.mark.parametrize("operation", [*OPERATIONS, *LISTS], ids=lambda it: it.name)
def test_postgresql_goes_by_an_index(operation: Operation, engines: Engines) -> None:
    """No statement on PostgreSQL has to read a whole table."""
    url = url_of(engines, "postgresql")

    def empty() -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            for table in ("users", "orders", "idempotency_records"):
                connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        engine.dispose()

    check(url, "EXPLAIN", operation, empty)
