"""Every case of the contract runs on every engine; here is how each of them is had, empty."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from chalicelib.domain.storage import Storage
from chalicelib.storage.dynamodb.client import make_client
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.factory import open_storage
from chalicelib.storage.sql.schema import METADATA
from localdev.engines import Engines, environment
from tests.conftest import a_table, url_of

ENGINES = (
    "memory",
    "sqlite",
    "postgresql",
    "ministack",
    # The stricter of the two judges of DynamoDB's expressions, and the slower one.
    pytest.param("dynamodb-local", marks=pytest.mark.slow),
)

# AWS's DynamoDB Local as it comes in the npm package is of January 2020.
NEWER_THAN_DYNAMODB_LOCAL = {
    "test_a_value_of_metadata_may_be_empty": "empty strings came to DynamoDB in May 2020",
}

# The emulators share this machine with a hundred threads at once, and with other work.
_BUDGET = 60

MakeStorage = Callable[..., Any]


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
    # Making a client takes as long as a test, so a test that makes many storages has only one.
    clients: list[Any] = []
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Storage:
            if engine == "memory":
                return open_storage("memory:")
            if engine == "sqlite":
                return _open(stack, f"sqlite:///{tmp_path}/{secrets.token_hex(8)}.db")
            if engine == "postgresql":
                url = url_of(engines, engine)
                empty(url)
                return _open(stack, url)
            for name, value in environment(url_of(engines, engine)).items():
                monkeypatch.setenv(name, value)
            if not clients:
                clients.append(_CLIENTS[engine](_BUDGET))
                stack.callback(clients[0].close)
            table = stack.enter_context(a_table(clients[0]))
            storage = DynamoDBStorage(
                table, client=lambda _budget: clients[0], budget=_BUDGET, **options
            )
            stack.callback(storage.close)
            return storage

        yield make


@pytest.fixture
def storage(new_storage: MakeStorage) -> Storage:
    """Make an empty storage."""
    made: Storage = new_storage()
    return made


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


_CLIENTS = {"ministack": make_client, "dynamodb-local": dynamodb_local_client}


def _open(stack: contextlib.ExitStack, url: str) -> Storage:
    storage = open_storage(url)
    stack.callback(storage.close)
    return storage


def empty(url: str) -> None:
    """Make the tables of the database at `url`, without rows."""
    database = create_engine(url)
    METADATA.create_all(database)
    with database.begin() as connection:
        for table in METADATA.sorted_tables:
            connection.execute(table.delete())
    database.dispose()
