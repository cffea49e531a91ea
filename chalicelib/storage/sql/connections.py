"""Connections to SQLite and PostgreSQL: opened on first use, kept, and told when to give up."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from chalicelib.storage.sql.schema import METADATA

_BUSY_SECONDS = 10
_STATEMENT_MILLISECONDS = 5000
_WAL_ATTEMPTS = 100


def open_engine(url: str, password: Callable[[], str | None]) -> Engine:
    """Return an engine for `url`, an SQLite file's tables being made where they are missing."""
    if make_url(url).get_backend_name() == "sqlite":
        return _open_sqlite(url)
    return _open_postgresql(url, password)


def _open_sqlite(url: str) -> Engine:
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=4,
        max_overflow=60,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    with engine.execution_options(writes=True).begin() as connection:
        METADATA.create_all(connection)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions by itself, and too late to keep other writers out.
    connection.isolation_level = None
    # Changing to WAL does not wait for other connections as all else does.
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
        # Named prepared statements would pin a connection of RDS Proxy to one client.
        "prepare_threshold": None,
    }
    # A Lambda function serves one request at a time, so it keeps one connection; the threads of a
    # local server borrow more for as long as they need them.
    engine = create_engine(
        url,
        pool_size=1,
        max_overflow=19,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args=options,
    )

    def add_password(*arguments: Any) -> None:  # noqa: ANN401 - SQLAlchemy's event
        known = password()
        if known is not None:
            arguments[-1]["password"] = known

    event.listen(engine, "do_connect", add_password)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _begin_postgresql(connection: Connection) -> None:
    # For the transaction alone: settings of the session do not go through RDS Proxy.
    connection.exec_driver_sql(
        f"SELECT set_config('statement_timeout', '{_STATEMENT_MILLISECONDS}', true)"
    )
