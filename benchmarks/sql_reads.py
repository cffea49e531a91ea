"""What an operation on SQL reads, as counted by the database, and the query plans it uses."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, event

_COUNTED = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Reads(NamedTuple):
    """The amount read, in the engine's own unit, and the distinct query plans."""

    amount: int
    plans: tuple[str, ...]


def reads(operation: Callable[..., object]) -> Reads:
    """Return what `operation` reads.

    SQLite counts steps of its virtual machine, several for each row
    (https://www.sqlite.org/c3ref/progress_handler.html). PostgreSQL counts the rows that its scans
    found, including those a filter dropped (https://www.postgresql.org/docs/current/sql-explain.html).
    """
    # A connection's one-time setup is not counted.
    operation()
    amount = 0
    plans: dict[str, None] = {}
    connections: list[Any] = []

    def step() -> int:
        nonlocal amount
        amount += 1
        return 0

    def look(connection: Connection, _: Any, statement: str, values: Any, *__: object) -> None:
        nonlocal amount
        if not statement.startswith(_COUNTED):
            return
        cursor = connection.connection.cursor()
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            driver.set_progress_handler(None, 1)
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.update(dict.fromkeys(row[-1] for row in cursor.fetchall()))
            driver.set_progress_handler(step, 1)
            connections.append(driver)
        else:
            # The statement itself runs next, so undo what this one writes.
            cursor.execute("SAVEPOINT counted")
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
            [[[explained]]] = cursor.fetchall()
            cursor.execute("ROLLBACK TO SAVEPOINT counted")
            for node in _nodes(explained["Plan"]):
                if "Scan" in node["Node Type"]:
                    amount += _rows(node)
                    plans[_named(node)] = None
        cursor.close()

    event.listen(Engine, "before_cursor_execute", look)
    try:
        operation()
    finally:
        event.remove(Engine, "before_cursor_execute", look)
        for driver in connections:
            driver.set_progress_handler(None, 1)
    return Reads(amount, tuple(plans))


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _rows(node: Mapping[str, Any]) -> int:
    dropped: int = node.get("Rows Removed by Filter", 0) + node.get(
        "Rows Removed by Index Recheck", 0
    )
    found: float = (node["Actual Rows"] + dropped) * node["Actual Loops"]
    return round(found)


def _named(node: Mapping[str, Any]) -> str:
    index = f" using {node['Index Name']}" if "Index Name" in node else ""
    return f"{node['Node Type']}{index}" + (
        f" on {node['Relation Name']}" if "Relation Name" in node else ""
    )
