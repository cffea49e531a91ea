"""Fixtures of the storage tests: every test of the contract runs on every engine."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Resources
from chalicelib.domain.storage import Storage
from chalicelib.storage.dynamodb.client import make_client
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
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
NEWER_THAN_DYNAMODB_LOCAL = {
    "test_a_value_of_metadata_may_be_empty": "empty strings came to DynamoDB in May 2020",
}

# The emulators share this machine with a hundred threads, and with other work.
_BUDGET = 60

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

    It takes the resources to keep, and options of DynamoDB's engine.
    """
    # Making a client is slow, so the storages of a test share one.
    clients: list[Any] = []
    with contextlib.ExitStack() as stack:

        def make(resources: Resources = RESOURCES, **options: Any) -> Storage:
            if engine == "memory":
                return open_storage("memory:", resources)
            if engine == "sqlite":
                return _open(stack, f"sqlite:///{tmp_path}/{secrets.token_hex(8)}.db", resources)
            if engine == "postgresql":
                url = url_of(engines, engine)
                empty(url, resources)
                return _open(stack, url, resources)
            for name, value in environment(url_of(engines, engine)).items():
                monkeypatch.setenv(name, value)
            if not clients:
                clients.append(_CLIENTS[engine](_BUDGET))
                stack.callback(clients[0].close)
            table = stack.enter_context(a_table(clients[0], resources))
            storage = DynamoDBStorage(
                table, resources, client=lambda _budget: clients[0], budget=_BUDGET, **options
            )
            stack.callback(storage.close)
            return storage

        yield make


@pytest.fixture
def storage(new_storage: MakeStorage) -> Storage:
    """Return an empty storage."""
    made: Storage = new_storage()
    return made


def dynamodb_local_client(budget: float) -> Any:
    """Return a client that adds a feature of 2023 to DynamoDB Local.

    DynamoDB Local does not return the item that refused a single write
    (ReturnValuesOnConditionCheckFailure), so it is read afterwards. That is not atomic, but storage
    decides nothing by it without a further condition.
    """
    client = make_client(budget)

    def remember(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        context["update"] = params

    def hand_back(parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        if parsed.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
            place = {name: context["update"][name] for name in ("TableName", "Key")}
            found = client.get_item(**place, ConsistentRead=True)
            parsed["Item"] = found.get("Item")

    client.meta.events.register("before-parameter-build.dynamodb.UpdateItem", remember)
    client.meta.events.register("after-call.dynamodb.UpdateItem", hand_back)
    return client


_CLIENTS = {"ministack": make_client, "dynamodb-local": dynamodb_local_client}


def _open(stack: contextlib.ExitStack, url: str, resources: Resources) -> Storage:
    storage = open_storage(url, resources)
    stack.callback(storage.close)
    return storage


def empty(url: str, resources: Resources = RESOURCES) -> None:
    """Create the tables of the database at `url`, and delete all rows."""
    database = create_engine(url)
    metadata = Schema(resources).metadata
    metadata.create_all(database)
    with database.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    database.dispose()
