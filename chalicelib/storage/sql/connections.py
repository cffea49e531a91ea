"""Connections to SQLite and PostgreSQL: opened on first use, pooled, with timeouts."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, inspect, make_url

_BUSY_SECONDS = 10
_STATEMENT_MILLISECONDS = 5000
_WAL_ATTEMPTS = 100


def open_engine(url: str, metadata: MetaData, password: Callable[[], str | None]) -> Engine:
    """Return an engine for `url`; an SQLite file gets what it lacks of `metadata`."""
    if make_url(url).get_backend_name() == "sqlite":
        return _open_sqlite(url, metadata)
    return _open_postgresql(url, password)


def _open_sqlite(url: str, metadata: MetaData) -> Engine:
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Errors are logged, so they must not quote what is stored.
    engine = create_engine(
        url,
        pool_size=4,
        max_overflow=60,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    with engine.execution_options(writes=True).begin() as connection:
        metadata.create_all(connection)
        _add_columns(connection, metadata)
    return engine


def _add_columns(connection: Connection, metadata: MetaData) -> None:
    """Add the optional columns that the tables of an older version lack.

    SQLite cannot add a column that is unique, but an index that makes it so.
    """
    inspector = inspect(connection)
    preparer = connection.dialect.identifier_preparer
    for table in metadata.sorted_tables:
        present = {column["name"] for column in inspector.get_columns(table.name)}
        name = preparer.format_table(table)
        for column in table.columns:
            if column.name in present or not column.nullable:
                continue
            own, kind = preparer.format_column(column), column.type.compile(connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {own} {kind}")
            if column.unique:
                index = preparer.quote(f"{table.name}_{column.name}")
                connection.exec_driver_sql(f"CREATE UNIQUE INDEX {index} ON {name} ({own})")


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions by itself, but too late to lock out other writers.
    connection.isolation_level = None
    # Unlike other statements, switching to WAL does not wait for other connections.
    for attempt in range(_WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if attempt == _WAL_ATTEMPTS - 1:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgresql(url: str, password: Callable[[], str | None]) -> Engine:
    options: dict[str, Any] = {
        "connect_timeout": 3,
        "tcp_user_timeout": _STATEMENT_MILLISECONDS,
        # Named prepared statements would pin a connection of RDS Proxy to a client.
        "prepare_threshold": None,
    }
    # A Lambda function serves one request at a time, so it keeps one connection. The threads of a
    # local server open more when they need them.
    engine = create_engine(
        url,
        pool_size=1,
        max_overflow=19,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args=options,
        hide_parameters=True,
    )

    def add_password(*arguments: Any) -> None:  # noqa: ANN401 - SQLAlchemy's event
        current = password()
        if current is not None:
            arguments[-1]["password"] = current

    event.listen(engine, "do_connect", add_password)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _begin_postgresql(connection: Connection) -> None:
    # For the transaction only: RDS Proxy does not pass on session settings.
    connection.exec_driver_sql(
        f"SELECT set_config('statement_timeout', '{_STATEMENT_MILLISECONDS}', true)"
    )
