"""Transactions: each operation runs in one, which is retried where the database asks for that."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine, MetaData, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chalicelib.domain.errors import Unavailable
from chalicelib.storage.sql.connections import open_engine
from chalicelib.telemetry.activity import current

Result = TypeVar("Result")

# https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure and
# deadlock_detected leave nothing behind and are meant to be retried.
_RETRIED_STATES = frozenset({"40001", "40P01"})
_ATTEMPTS = 8


class Database:
    """Runs operations in the database at `url`; nothing is opened before the first one.

    An SQLite file gets the tables and optional columns of `metadata` that it lacks. `password` is
    called for the password of each connection; None leaves it to the URL.
    """

    def __init__(self, url: str, metadata: MetaData, password: Callable[[], str | None]) -> None:
        self._url = url
        self._metadata = metadata
        self._password = password
        self._opening = threading.Lock()
        self._opened: Engine | None = None

    def open(self) -> Engine:
        """Return the engine, opened on first use."""
        with self._opening:
            if self._opened is None:
                self._opened = open_engine(self._url, self._metadata, self._password)
            return self._opened

    def close(self) -> None:
        """Close connections; the next operation opens them again."""
        with self._opening:
            if self._opened is not None:
                self._opened.dispose()
                self._opened = None

    def read(self, operation: Callable[[Connection], Result]) -> Result:
        """Return what `operation` returns, in a transaction that only reads.

        It may be called again. Raises Unavailable, and what `operation` raises.
        """
        return self._transact(operation, writes=False)

    def write(self, operation: Callable[[Connection], Result]) -> Result:
        """Return what `operation` returns, in a transaction that is rolled back if it raises.

        It may be called again. Raises Unavailable, IntegrityError, and what `operation` raises.
        """
        return self._transact(operation, writes=True)

    def _transact(self, operation: Callable[[Connection], Result], *, writes: bool) -> Result:
        activity = current()
        for attempt in range(_ATTEMPTS):
            activity.calls += 1
            started = time.perf_counter_ns()
            try:
                engine = self.open().execution_options(writes=writes)
                with engine.begin() as connection:
                    return operation(connection)
            except IntegrityError:
                raise
            except PoolTimeoutError as error:
                raise Unavailable from error
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _RETRIED_STATES:
                    raise _unavailable_or(error) from error
            finally:
                activity.nanoseconds += time.perf_counter_ns() - started
            activity.conflicts += 1
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter
        raise Unavailable


def upsert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an insertion that can say what becomes of rows whose keys are there already."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def _unavailable_or(error: DBAPIError) -> Exception:
    """Return Unavailable if the database cannot be reached or is too slow, else the error."""
    is_operational = type(error.orig).__name__ in {"OperationalError", "QueryCanceled"}
    return Unavailable() if is_operational or error.connection_invalidated else error
