"""Fixtures of the storage tests: every test of the contract runs on every engine."""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from sqlalchemy import create_engine

from chalicelib.aws.errors import ServiceError
from chalicelib.domain.deliveries import EventfulStorage
from chalicelib.domain.events import Events
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Resources
from chalicelib.domain.storage import Storage
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.requests import DynamoDBClient, make_client
from chalicelib.storage.factory import open_storage
from chalicelib.storage.sql.schema import Schema
from localdev.emulators import Emulators, environment
from tests.conftest import a_table, url_of

ENGINES = (
    "memory",
    "sqlite",
    "postgresql",
    "ministack",
    # Stricter with DynamoDB's expressions, but slower.
    pytest.param("dynamodb-local", marks=pytest.mark.slow),
)

# The npm package's DynamoDB Local is from January 2020.
_TWO_MEMBERS_AT_ONCE = "two members do not fit into its transactions of ten items"
NEWER_THAN_DYNAMODB_LOCAL = {
    "test_a_value_of_metadata_may_be_empty": "empty strings came to DynamoDB in May 2020",
    "test_members_are_a_set": _TWO_MEMBERS_AT_ONCE,
    "test_members_change_together_with_the_rest": _TWO_MEMBERS_AT_ONCE,
    "test_concurrent_changes_of_members_all_happen": _TWO_MEMBERS_AT_ONCE,
}

# The emulators share this machine with a hundred threads, and with other work.
_BUDGET = 60
# Since 2022, DynamoDB's transactions have 100.
_ITEMS_OF_DYNAMODB_LOCAL = 10

MakeStorage = Callable[..., Any]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Return the name of the engine."""
    name: str = request.param
    reason = NEWER_THAN_DYNAMODB_LOCAL.get(request.node.originalname)
    if name == "dynamodb-local" and reason:
        pytest.skip(reason)
    return name


@pytest.fixture
def new_storage(
    engine: str, engines: Emulators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeStorage]:
    """Return a function that makes an empty storage, and invalidates the one before.

    It takes the resources to keep, what makes events of changes, and options of DynamoDB's engine,
    which makes none.
    """
    tables: list[Any] = []
    with contextlib.ExitStack() as stack:

        def make(
            resources: Resources = RESOURCES, events: Events | None = None, **options: Any
        ) -> EventfulStorage:
            if engine == "memory":
                return open_storage("memory:", resources, events=events)
            if engine == "sqlite":
                url = f"sqlite:///{tmp_path}/{secrets.token_hex(8)}.db"
                return _open(stack, url, resources, events)
            if engine == "postgresql":
                url = url_of(engines, engine)
                empty(url, resources)
                return _open(stack, url, resources, events)
            for name, value in environment(url_of(engines, engine)).items():
                monkeypatch.setenv(name, value)
            if not tables:
                # Making one is slow.
                tables.append(boto3.client("dynamodb"))
                stack.callback(tables[0].close)
            table = stack.enter_context(a_table(tables[0], resources))
            storage = DynamoDBStorage(
                table,
                resources,
                client=CLIENTS[engine],
                budget=_BUDGET,
                **{**limits_of(engine), **options},
            )
            stack.callback(storage.close)
            return storage

        yield make


@pytest.fixture
def storage(new_storage: MakeStorage) -> Storage:
    """Return an empty storage."""
    made: Storage = new_storage()
    return made


class DynamoDBLocalClient:
    """A client that adds a feature of 2023 to DynamoDB Local.

    DynamoDB Local does not return the item that refused a single write
    (ReturnValuesOnConditionCheckFailure), so it is read afterwards. That is not atomic, but storage
    decides nothing by it without a further condition.
    """

    def __init__(
        self, budget: float, make: Callable[[float], DynamoDBClient] = make_client
    ) -> None:
        self._client = make(budget)

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request."""
        try:
            return self._client.call(operation, parameters)
        except ServiceError as error:
            is_refused = error.code == "ConditionalCheckFailedException"
            if is_refused and "ReturnValuesOnConditionCheckFailure" in parameters:
                place = {name: parameters[name] for name in ("TableName", "Key")}
                found = self._client.call("GetItem", {**place, "ConsistentRead": True})
                error.members = {**error.members, "Item": found.get("Item")}
            raise

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


CLIENTS: dict[str, Callable[[float], DynamoDBClient]] = {
    "ministack": make_client,
    "dynamodb-local": DynamoDBLocalClient,
}


def _open(
    stack: contextlib.ExitStack, url: str, resources: Resources, events: Events | None
) -> EventfulStorage:
    storage = open_storage(url, resources, events=events)
    stack.callback(storage.close)
    return storage


def limits_of(engine: str) -> dict[str, Any]:
    """Return the options of a storage on an emulator that differ from DynamoDB's."""
    return {"transaction_items": _ITEMS_OF_DYNAMODB_LOCAL} if engine == "dynamodb-local" else {}


def empty(url: str, resources: Resources = RESOURCES) -> None:
    """Create the tables of the database at `url`, and delete all rows."""
    database = create_engine(url)
    metadata = Schema(resources).metadata
    metadata.create_all(database)
    with database.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    database.dispose()
