"""What an act on SQL reads: counted by the database itself, with the plans by which it reads."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, event

_COUNTED = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Reads(NamedTuple):
    """How much was read, in the engine's own unit, and the plans of the statements, each once."""

    amount: int
    plans: tuple[str, ...]


def reads(act: Callable[[], object]) -> Reads:
    """Return what `act` reads.

    SQLite counts the steps of its virtual machine, each row that is read being some of them
    (https://www.sqlite.org/c3ref/progress_handler.html); PostgreSQL counts the rows that its scans
    found, those that a filter dropped included (https://www.postgresql.org/docs/current/sql-explain.html).
    """
    # What a connection needs once is not the act's.
    act()
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
            # The statement itself follows, so that what this one writes is taken back.
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
        act()
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
