"""Every case of the contract runs on every engine; here is how each of them is had, empty."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from sqlalchemy import create_engine

from chalicelib.storage import open_storage
from chalicelib.storage.base import Storage
from chalicelib.storage.dynamodb import DynamoDBStorage
from chalicelib.storage.dynamodb_client import make_client
from chalicelib.storage.dynamodb_table import create_table
from chalicelib.storage.sql_schema import METADATA
from tests.engines import Engines, Missing, environment

ENGINES = ("memory", "sqlite", "postgresql", "ministack", "dynamodb-local")

# AWS's DynamoDB Local as it comes in the npm package is of January 2020.
NEWER_THAN_DYNAMODB_LOCAL = {
    "test_a_value_of_metadata_may_be_empty": "empty strings came to DynamoDB in May 2020",
}

MakeStorage = Callable[..., Any]


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Run the servers that this session needs, each when it is first needed."""
    with Engines() as running:
        yield running


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Name the engine that the case runs on."""
    name: str = request.param
    reason = NEWER_THAN_DYNAMODB_LOCAL.get(request.node.originalname)
    if name == "dynamodb-local" and reason:
        pytest.skip(reason)
    return name


@pytest.fixture
def new_storage(
    engine: str, engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeStorage]:
    """Make an empty storage, of which the one before may no longer be used."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Storage:
            if engine == "memory":
                return open_storage("memory:")
            if engine == "sqlite":
                return _open(stack, f"sqlite:///{tmp_path}/{secrets.token_hex(8)}.db")
            if engine == "postgresql":
                url = url_of(engines, engine)
                _empty(url)
                return _open(stack, url)
            for name, value in environment(url_of(engines, engine)).items():
                monkeypatch.setenv(name, value)
            client = make_client if engine == "ministack" else dynamodb_local_client
            table = stack.enter_context(a_table())
            storage = DynamoDBStorage(table, client=client, **options)
            stack.callback(storage.close)
            return storage

        yield make


@pytest.fixture
def storage(new_storage: MakeStorage) -> Storage:
    """Make an empty storage."""
    made: Storage = new_storage()
    return made


@pytest.fixture
def emulator(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make an empty table on ministack, which the AWS variables point at, and return its name."""
    for name, value in environment(url_of(engines, "ministack")).items():
        monkeypatch.setenv(name, value)
    with a_table() as table:
        yield table


def url_of(engines: Engines, name: str) -> str:
    """Return the engine's address; skip the test without it, or fail where all have to run."""
    try:
        return engines.url(name)
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@contextlib.contextmanager
def a_table() -> Iterator[str]:
    """Make a table, and delete it in the end."""
    name = f"users-{secrets.token_hex(8)}"
    client = boto3.client("dynamodb")
    create_table(client, name, ttl=True, point_in_time_recovery=False, deletion_protection=False)
    try:
        yield name
    finally:
        client.delete_table(TableName=name)
        client.close()


def dynamodb_local_client(budget: float) -> Any:
    """Return a client that gives DynamoDB Local a feature of 2023.

    It does not hand back the item that refused a single write (ReturnValuesOnConditionCheckFailure)
    so it is read right afterwards. That is no longer one act, but storage decides nothing by it
    without a further condition.
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


def _open(stack: contextlib.ExitStack, url: str) -> Storage:
    storage = open_storage(url)
    stack.callback(storage.close)
    return storage


def _empty(url: str) -> None:
    database = create_engine(url)
    METADATA.create_all(database)
    with database.begin() as connection:
        for table in METADATA.sorted_tables:
            connection.execute(table.delete())
    database.dispose()
