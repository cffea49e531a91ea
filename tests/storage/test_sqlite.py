"""SQLite only: what becomes of a database of an older version."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Query
from chalicelib.domain.users import USERS, UserNameTaken
from chalicelib.storage.factory import open_storage
from tests.support.factories import NOW, a_user, user_change

OLD = """
CREATE TABLE users (
    user_id VARCHAR(36) PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL,
    status TEXT NOT NULL, metadata TEXT NOT NULL, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL, version INTEGER NOT NULL, email_key TEXT NOT NULL UNIQUE
)
"""
INSERT = """
INSERT INTO users
VALUES (:user_id, :name, :email, :status, '{"team":"blue"}', :time, :time, 1, :key)
"""


def test_an_older_database_gets_the_columns_that_it_lacks(tmp_path: Path) -> None:
    """Users from before are kept, and may have the members that are new, unique ones included."""
    url = f"sqlite:///{tmp_path}/old.db"
    user, other = a_user(), a_user(user_name="Ann.Example")
    row = {name: getattr(user, name) for name in ("user_id", "name", "email", "status")}
    row |= {"time": user.created_at, "key": user.email.casefold()}
    database = create_engine(url)
    with database.begin() as connection:
        connection.execute(text(OLD))
        connection.execute(text(INSERT), row)
    database.dispose()

    for _ in range(2):
        storage = open_storage(url, RESOURCES)
        assert storage.get(USERS, (user.user_id,)) == user
        storage.close()
    storage = open_storage(url, RESOURCES)
    storage.create(USERS, other, None, NOW)
    with pytest.raises(UserNameTaken):
        storage.change(USERS, (user.user_id,), user_change(user_name="ann.EXAMPLE"))
    storage.change(USERS, (user.user_id,), user_change(user_name="Bea", external_id="b"))
    found = storage.list(USERS, (), Query(limit=2, filters={"external_id": "b"})).items
    assert [one.user_id for one in found] == [user.user_id]
    storage.close()
