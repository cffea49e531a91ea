"""Every statement of the SQL engine uses an index."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from chalicelib.domain.errors import Problem
from chalicelib.domain.orders import ORDERS
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS
from tests.storage.operations import OPERATIONS, Operation, set_up

# Besides the operations with documented costs: every way through a list.
LISTS = [
    Operation(
        "users after", lambda s, it: s.list(USERS, (), Query(limit=5, after=it.user.user_id))
    ),
    Operation(
        "users, oldest first", lambda s, _: s.list(USERS, (), Query(limit=5, ascending=True))
    ),
    Operation(
        "users between",
        lambda s, _: s.list(
            USERS, (), Query(limit=5, from_id="usr_0", to_id="usr_f", filters={"status": "active"})
        ),
    ),
    Operation(
        "orders by status after",
        lambda s, it: s.list(
            ORDERS,
            (it.user.user_id,),
            Query(limit=5, after=it.order.order_id, filters={"status": "paid"}),
        ),
    ),
]
# As SQLite and PostgreSQL put it. "SCAN users USING INDEX" follows an index up to the limit.
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
            # Tables this small would be read whole otherwise.
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
def test_every_statement_uses_an_index(storage: Storage, operation: Operation) -> None:
    """No statement scans a whole table."""
    state = set_up(storage)
    operation.prepare(storage, state)
    with explained() as plans, contextlib.suppress(Problem):
        operation.run(storage, state)
    assert plans
    assert not {statement: plan for statement, plan in plans.items() if SLOW.search(plan)}
