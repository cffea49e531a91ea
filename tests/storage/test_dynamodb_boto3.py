"""Storage does the same over its own client and over boto3's, act by act."""

from collections import Counter
from collections.abc import Callable

import boto3
import pytest

from chalicelib.domain.errors import Problem
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Storage
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.requests import DynamoDBClient, make_client
from localdev.emulators import Emulators, environment
from tests.conftest import a_table, url_of
from tests.storage.acts import Act, Acts
from tests.storage.boto3_client import Boto3Client
from tests.storage.conftest import DynamoDBLocalClient
from tests.storage.test_dynamodb_faults import Table

SEED = 20_261_124
BUDGET = 60

# What acts must come to, lest they show little.
EXPECTED = {
    "IdempotencyRecord",
    "IllegalTransition",
    "Order",
    "OrderNotFound",
    "TooManyPairs",
    "UserHasOpenOrders",
    "UserSuspended",
    "VersionMismatch",
}

MakeClient = Callable[[float], DynamoDBClient]


def on_dynamodb_local(make: MakeClient) -> MakeClient:
    """Return what makes a client for DynamoDB Local."""
    return lambda budget: DynamoDBLocalClient(budget, make)


def outcome(act: Act, storage: Storage) -> object:
    """Return the result of an act, or its problem's type and text."""
    try:
        return act(storage)
    except Problem as problem:
        return type(problem), str(problem)


@pytest.mark.parametrize(
    ("engine", "count"),
    [
        ("ministack", 60),
        pytest.param("ministack", 1000, marks=pytest.mark.slow),
        pytest.param("dynamodb-local", 1000, marks=pytest.mark.slow),
    ],
)
def test_both_clients_do_the_same(
    engines: Emulators, monkeypatch: pytest.MonkeyPatch, engine: str, count: int
) -> None:
    """Random acts have the same results and problems, and leave the same items."""
    for name, value in environment(url_of(engines, engine)).items():
        monkeypatch.setenv(name, value)
    adapted = on_dynamodb_local if engine == "dynamodb-local" else lambda make: make
    database = boto3.client("dynamodb")
    with a_table(database) as ours, a_table(database) as theirs:
        own = DynamoDBStorage(ours, RESOURCES, budget=BUDGET, client=adapted(make_client))
        other = DynamoDBStorage(theirs, RESOURCES, budget=BUDGET, client=adapted(Boto3Client))
        acts, seen = Acts(SEED), Counter[str]()
        for number in range(count):
            name, act = acts.next()
            result = outcome(act, own)
            assert (number, name, result) == (number, name, outcome(act, other))
            seen[result[0].__name__ if isinstance(result, tuple) else type(result).__name__] += 1
        tables = Table(ours), Table(theirs)
        assert tables[0].read() == tables[1].read()
        for table in tables:
            table.close()
        own.close()
        other.close()
    database.close()
    assert seen.keys() >= (EXPECTED if count >= 1000 else {"User", "Page", "EmailTaken"})
