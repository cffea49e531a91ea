"""Every statement that the SQL engine sends finds its rows by an index."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from chalicelib.domain.errors import Problem
from chalicelib.domain.storage import Query, Storage, UserQuery
from tests.storage.operations import OPERATIONS, Operation, set_up

# Beside those that DynamoDB's costs are told of: every way through a list.
LISTS = [
    Operation("users after", lambda s, it: s.list_users(UserQuery(limit=5, after=it.user.user_id))),
    Operation("users, oldest first", lambda s, _: s.list_users(UserQuery(limit=5, ascending=True))),
    Operation(
        "users between",
        lambda s, _: s.list_users(
            UserQuery(limit=5, from_id="usr_0", to_id="usr_f", status="active")
        ),
    ),
    Operation(
        "orders by status after",
        lambda s, it: s.list_orders(
            it.user.user_id, Query(limit=5, status="paid", after=it.order.order_id)
        ),
    ),
]
# In SQLite's words and in PostgreSQL's. "SCAN users USING INDEX" goes along an index to the limit.
SLOW = re.compile(r"SCAN (?!CONSTANT)\w+\b(?! USING)|USE TEMP B-TREE|Seq Scan")


@contextlib.contextmanager
def explained() -> Iterator[dict[str, str]]:
    """Collect the plan of each statement that is sent while the block runs."""
    plans: dict[str, str] = {}

    def explain(
        connection: Connection, _: Any, statement: str, parameters: Any, *__: object
    ) -> None:
        if not statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            return
        cursor = connection.connection.cursor()
        if connection.dialect.name == "postgresql":
            # The tables are so small that they would be read whole for that alone.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {statement}", parameters)
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans[statement] = "\n".join(str(row) for row in cursor.fetchall())
        cursor.close()

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("operation", [*OPERATIONS, *LISTS], ids=lambda it: it.name)
def test_every_statement_goes_by_an_index(storage: Storage, operation: Operation) -> None:
    """No statement reads a whole table."""
    scene = set_up(storage)
    operation.prepare(storage, scene)
    with explained() as plans, contextlib.suppress(Problem):
        operation.act(storage, scene)
    assert plans
    assert not {statement: plan for statement, plan in plans.items() if SLOW.search(plan)}
