"""PostgreSQL only: migrations, retries, timeouts, and lost connections."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, text

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Storage
from chalicelib.domain.users import USERS
from chalicelib.storage.factory import open_storage
from chalicelib.storage.sql.schema import Schema
from localdev.emulators import Emulators
from tests.conftest import url_of
from tests.support.factories import a_user, user_change

ROOT = Path(__file__).parents[2]
METADATA = Schema(RESOURCES).metadata


def alembic(url: str) -> Config:
    """Return the project's Alembic configuration for the database at `url`."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", url)
    return config


@pytest.fixture
def database(engines: Emulators) -> Iterator[Engine]:
    """Return a newly migrated database."""
    url = url_of(engines, "postgresql")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            connection.execute(text(statement))
    command.upgrade(alembic(url), "head")
    yield engine
    engine.dispose()


@pytest.fixture
def storage(database: Engine) -> Iterator[Storage]:
    """Return storage in the migrated database."""
    opened = open_storage(database.url.render_as_string(hide_password=False), RESOURCES)
    yield opened
    opened.close()


def test_the_migrations_create_the_schema(database: Engine) -> None:
    """A migrated database has the tables, columns and indexes of the schema."""
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_the_migrations_can_be_undone(database: Engine) -> None:
    """After a full downgrade, none of the tables is left."""
    command.downgrade(alembic(str(database.url)), "base")
    with database.connect() as connection:
        assert not set(database.dialect.get_table_names(connection)) & set(METADATA.tables)


def test_a_lost_connection_is_replaced(database: Engine, storage: Storage) -> None:
    """An operation succeeds after the server has closed the pooled connection."""
    user = a_user()
    storage.create(USERS, user, None, 0)
    with database.connect() as connection:
        end_others(connection)
    assert storage.get(USERS, (user.user_id,)) == user


def end_others(connection: Connection) -> None:
    """Terminate all other connections, as a failover does."""
    connection.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    )


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_transient_errors_are_retried(database: Engine, storage: Storage, state: str) -> None:
    """A serialization failure and a deadlock are retried, and the operation happens once."""
    with database.connect() as connection:
        connection.execute(text("CREATE SEQUENCE attempts"))
        connection.exec_driver_sql(
            "CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('attempts') < 3 THEN"
            f" RAISE EXCEPTION 'not this time' USING ERRCODE = '{state}'; END IF;"
            " RETURN NEW; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER failing BEFORE INSERT OR UPDATE ON users"
            " FOR EACH ROW EXECUTE FUNCTION fail_twice()"
        )
    user = a_user()
    assert storage.create(USERS, user, None, 0) is None
    assert storage.get(USERS, (user.user_id,)) == user


@pytest.mark.slow
def test_waiting_for_a_lock_is_bounded(database: Engine, storage: Storage) -> None:
    """An operation whose row is locked beyond the timeout is Unavailable, and writes nothing."""
    user = a_user()
    storage.create(USERS, user, None, 0)
    blocking = database.execution_options(isolation_level="READ COMMITTED")
    with blocking.begin() as connection:
        connection.execute(text("SELECT 1 FROM users FOR UPDATE"))
        with pytest.raises(Unavailable):
            storage.change(USERS, (user.user_id,), user_change(name="Late"))
    assert storage.get(USERS, (user.user_id,)) == user


def test_an_unreachable_server_is_unavailable() -> None:
    """If nothing listens, checks and operations raise Unavailable."""
    storage = open_storage("postgresql+psycopg://app@127.0.0.1:1/nothing", RESOURCES)
    with pytest.raises(Unavailable):
        storage.check()
    with pytest.raises(Unavailable):
        storage.get(USERS, ("usr_1",))
    storage.close()


def test_one_connection_is_kept(database: Engine, storage: Storage) -> None:
    """After a burst of threads one connection stays open, which is all a Lambda function needs."""
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: storage.check(), range(50)))
    others = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    with database.connect() as connection:
        # The server notices a closed connection after a moment.
        for _ in range(100):
            if connection.execute(others).scalar_one() == 1:
                break
            time.sleep(0.05)
        assert connection.execute(others).scalar_one() == 1
