"""The AWS calls declared in app.py, from which Chalice derives the policy, match the real calls."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from chalicelib.domain.registry import RESOURCES
from chalicelib.parameter_store import read_parameter
from chalicelib.storage.dynamodb.table import create_table
from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import ORDER
from tests.deploy.project import Project, succeeded
from tests.support.served import Served, bearer, served

pytestmark = pytest.mark.slow

# The IAM action for each part of a transaction.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
_PARTS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Run a new emulator."""
    with running_cloud() as running:
        yield running


@pytest.fixture
def calls(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return a set that collects the IAM actions of every call through botocore."""
    collected: set[str] = set()
    for name, value in cloud.variables.items():
        monkeypatch.setenv(name, value)

    def collect(params: Mapping[str, Any], model: Any, **_: object) -> None:
        collected.update(actions(model.service_model.service_name, model.name, params))

    create = Session.create_client

    def create_client(session: Session, *arguments: Any, **options: Any) -> Any:
        client = create(session, *arguments, **options)
        client.meta.events.register("provide-client-params", collect)
        return client

    monkeypatch.setattr(Session, "create_client", create_client)
    return collected


def actions(service: str, operation: str, parameters: Mapping[str, Any]) -> set[str]:
    """Return the IAM actions that a call needs."""
    if operation == "TransactWriteItems":
        return {_PARTS[part] for item in parameters["TransactItems"] for part in item}
    return {f"{service}:{operation}"}


def use_everything(api: Served) -> None:
    """Use every operation of the storage at least once."""
    user, other = api.user(), api.user()
    api.as_administrator("GET", "/health")
    api.as_administrator("PATCH", f"/users/{user}", {"name": "Dee"})
    api.as_administrator("PATCH", f"/users/{user}", {"email": "dee@example.com"})
    api.as_administrator("GET", "/users?limit=1")
    api.as_administrator("GET", "/users?email=dee@example.com")
    order = api.order(user, "paid", "shipped", "delivered")
    api.as_administrator("GET", f"/users/{user}/orders/{order}")
    api.as_administrator("GET", f"/users/{user}/orders")
    headers = {"Idempotency-Key": "once"}
    boss = bearer("boss", roles=["admin"])
    for _ in range(2):
        assert api.call("POST", f"/users/{user}/orders", boss, ORDER, headers).status == 201
    api.as_administrator("DELETE", f"/users/{other}")


def test_the_policy_is_what_the_code_calls(cloud: Cloud, calls: set[str], tmp_path: Path) -> None:
    """`chalice gen-policy` prints exactly the actions of the calls that are made."""
    create_table(
        cloud.client("dynamodb"),
        "users",
        RESOURCES,
        ttl=False,
        point_in_time_recovery=False,
        deletion_protection=False,
    )
    cloud.put_secret("/secret", "a secret of the tests")
    calls.clear()

    with served(STORAGE_URL="dynamodb://users") as api:
        use_everything(api)
    read_parameter("/secret")

    printed = json.loads(succeeded(Project(tmp_path / "project").chalice("gen-policy")))

    granted = {action for statement in printed["Statement"] for action in statement["Action"]}
    assert granted == calls
