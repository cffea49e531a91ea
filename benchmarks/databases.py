"""Databases with few users and with very many; the first user has many orders."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Storage
from chalicelib.storage.factory import open_storage
from chalicelib.storage.sql.schema import Schema
from localdev.emulators import EmulatorMissing, Emulators

_NUMBERS = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :many)"
    " SELECT {columns} FROM s",
    "postgresql": "SELECT {columns} FROM generate_series(1, :many) s(n)",
}
_ID = {
    "sqlite": "'{prefix}' || printf('%032x', n)",
    "postgresql": "'{prefix}' || lpad(to_hex(n), 32, '0')",
}
_TIME = "'2026-11-21T09:30:00.000Z'"


def user_id(number: int) -> str:
    """Return the id of a user by its number, counted from 1."""
    return f"usr_{number:032x}"


def order_id(number: int) -> str:
    """Return the id of an order by its number, counted from 1; all belong to the first user."""
    return f"ord_{number:032x}"


def urls(folder: Path, engines: Emulators) -> Iterator[tuple[str, Callable[[int], str]]]:
    """Yield each available engine, and a function that makes an empty database for a size."""
    yield "SQLite", lambda users: f"sqlite:///{folder}/{users}.db"
    try:
        base = engines.url("postgresql")
    except EmulatorMissing:
        return

    def database(users: int) -> str:
        engine = create_engine(base, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE users{users}"))
        engine.dispose()
        return base.rpartition("/")[0] + f"/users{users}"

    yield "PostgreSQL", database


@contextmanager
def filled(url: str, users: int, orders: int) -> Iterator[Storage]:
    """Yield storage at `url` with so many users and so many orders of the first user."""
    engine = create_engine(url)
    Schema(RESOURCES).metadata.create_all(engine)
    _fill(engine, "users", "usr_", users, _USER)
    _fill(engine, "orders", "ord_", orders, _ORDER)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()
    storage = open_storage(url, RESOURCES)
    try:
        yield storage
    finally:
        storage.close()


# The oldest quarter of the users is suspended, and of the orders paid: more than a page even in the
# smallest database, and last in a list that begins with the newest.
_USER = {
    "user_id": "{id}",
    "name": "'Ann Example'",
    "email": "'u' || n || '@example.com'",
    "email_key": "'u' || n || '@example.com'",
    "status": "CASE WHEN n <= {many} / 4 THEN 'suspended' ELSE 'active' END",
    "metadata": """'{{"team":"blue"}}'""",
    "created_at": _TIME,
    "updated_at": _TIME,
    "version": "1",
}
_ORDER = {
    "user_id": f"'{user_id(1)}'",
    "order_id": "{id}",
    "status": "CASE WHEN n <= {many} / 4 THEN 'paid' ELSE 'delivered' END",
    "currency": "'EUR'",
    "items": """'[{{"sku":"book","quantity":2,"unit_price":1250}}]'""",
    "total": "2500",
    "metadata": "'{{}}'",
    "created_at": _TIME,
    "updated_at": _TIME,
    "version": "1",
}


def _fill(engine: Engine, table: str, prefix: str, many: int, columns: dict[str, str]) -> None:
    dialect = engine.dialect.name
    made_id = _ID[dialect].format(prefix=prefix)
    values = ", ".join(value.format(id=made_id, many=many) for value in columns.values())
    rows = _NUMBERS[dialect].format(columns=values.replace(":", "\\:"))
    with engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO {table} ({', '.join(columns)}) {rows}"),
            {"many": many},
        )
