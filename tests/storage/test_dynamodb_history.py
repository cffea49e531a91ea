"""The history on DynamoDB, where others act between the requests of one operation."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from msgspec.structs import replace

from chalicelib.aws.http_messages import Request, Response
from chalicelib.domain.resource import Change
from chalicelib.domain.storage import Query
from chalicelib.domain.users import USERS
from chalicelib.settings_error import SettingsError
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.requests import make_client
from localdev.emulators import Emulators, environment
from tests.conftest import a_table, url_of
from tests.storage.wire import FakeClock, Wire, error, operation_of, send
from tests.support.factories import LATER, NOW, a_user, an_act, user_change
from tests.support.synthetic import REMINDERS, a_reminder

ALL = Query(limit=100, ascending=True)


@pytest.fixture
def table(engines: Emulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return a table for users and for children that are deleted with them."""
    for name, value in environment(url_of(engines, "ministack")).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("dynamodb")
    with a_table(client, (USERS, REMINDERS)) as name:
        yield name
    client.close()


def test_a_child_that_changes_while_its_parent_is_deleted_keeps_its_entry(table: str) -> None:
    """A change between the deletion's read and its transaction is in the history before it."""
    wire = Wire()
    clock = FakeClock().clock
    storage = DynamoDBStorage(table, (USERS, REMINDERS), client=wire, clock=clock)
    other = DynamoDBStorage(table, (USERS, REMINDERS))
    user = a_user()
    reminder = a_reminder(user.user_id)
    path = (user.user_id, reminder.reminder_id)
    storage.create(USERS, user, None, NOW, an_act("created"))
    storage.create(REMINDERS, reminder, None, NOW, an_act("created"))

    def change_before(request: Request) -> Response:
        assert operation_of(request) == "TransactWriteItems"
        act = an_act("changed", "text")
        other.change(REMINDERS, path, Change(values={"text": "x"}, updated_at=LATER, act=act))
        return send(request)

    # After the user and its children were read.
    wire.reset(change_before, (2,))
    storage.delete(USERS, (user.user_id,), None, NOW, an_act("deleted"))

    entries = storage.history(REMINDERS, path, ALL).items
    assert [(it.version, it.action) for it in entries] == [
        (1, "created"),
        (2, "changed"),
        (3, "deleted"),
    ]
    assert storage.get(REMINDERS, path) is None
    storage.close()
    other.close()


class Refusing:
    """A client whose credentials are gone when entries are to be moved."""

    def __init__(self, budget: float) -> None:
        self._client = make_client(budget)

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request, but refuse those that move entries."""
        if operation == "PutItem":
            raise SettingsError("There are no AWS credentials.")
        return self._client.call(operation, parameters)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def test_a_move_that_fails_fails_no_change_and_names_nobody(
    table: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A change that was carried out succeeds although its entries stay, which is logged."""
    storage = DynamoDBStorage(table, (USERS, REMINDERS), client=Refusing)
    user = a_user()
    storage.create(USERS, user, None, NOW, an_act("created"))
    caplog.set_level(logging.WARNING)
    for _ in range(12):
        change = replace(user_change(name="New"), act=an_act("changed", "name"))
        storage.change(USERS, (user.user_id,), change)
    assert len(storage.history(USERS, (user.user_id,), ALL).items) == 13
    assert "The history of a user stays until its next change" in caplog.text
    assert user.user_id not in caplog.text
    storage.close()


def test_a_late_change_does_not_move_entries(table: str) -> None:
    """Entries are moved only while there is time for it in the budget of the operation."""
    wire, hours = Wire(), FakeClock()
    storage = DynamoDBStorage(table, (USERS, REMINDERS), client=wire, clock=hours.clock)
    user = a_user()
    storage.create(USERS, user, None, NOW, an_act("created"))

    def change() -> list[str]:
        act = an_act("changed", "name")
        storage.change(USERS, (user.user_id,), replace(user_change(name="New"), act=act))
        return [name for name, _ in wire.requests]

    def fail_for_long(request: Request) -> Response:
        hours.seconds += 4
        return error(500, "InternalServerError")(request)

    for _ in range(24):
        wire.reset(fail_for_long, (0,))
        assert change() == ["UpdateItem", "UpdateItem"]
    wire.reset()
    assert "PutItem" in change()
    assert len(storage.history(USERS, (user.user_id,), ALL).items) == 26
    storage.close()
