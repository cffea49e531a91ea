"""The manifest in app.py, from which Chalice makes the policy, against the calls that are made."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from chalicelib.parameter_store import read_parameter
from chalicelib.storage.dynamodb.table import create_table
from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import ORDER
from tests.deploy.project import Project, succeeded
from tests.served import Served, bearer, served

pytestmark = pytest.mark.slow

# What each part of a transaction is to IAM.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
_PARTS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Run a clean emulator."""
    with running_cloud() as running:
        yield running


@pytest.fixture
def calls(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return a set that gathers the actions of every call that is made through botocore."""
    gathered: set[str] = set()
    for name, value in cloud.variables.items():
        monkeypatch.setenv(name, value)

    def gather(params: Mapping[str, Any], model: Any, **_: object) -> None:
        gathered.update(actions(model.service_model.service_name, model.name, params))

    create = Session.create_client

    def create_client(session: Session, *arguments: Any, **options: Any) -> Any:
        client = create(session, *arguments, **options)
        client.meta.events.register("provide-client-params", gather)
        return client

    monkeypatch.setattr(Session, "create_client", create_client)
    return gathered


def actions(service: str, operation: str, parameters: Mapping[str, Any]) -> set[str]:
    """Return what IAM has to allow for a call."""
    if operation == "TransactWriteItems":
        return {_PARTS[part] for item in parameters["TransactItems"] for part in item}
    return {f"{service}:{operation}"}


def live(api: Served) -> None:
    """Do everything that storage can do, at least once."""
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
    """`chalice gen-policy` prints the actions of the calls that are made: no more, and no less."""
    create_table(
        cloud.client("dynamodb"),
        "users",
        ttl=False,
        point_in_time_recovery=False,
        deletion_protection=False,
    )
    cloud.keep_secret("/secret", "a secret of the tests")
    calls.clear()

    with served(STORAGE_URL="dynamodb://users") as api:
        live(api)
    read_parameter("/secret")

    printed = json.loads(succeeded(Project(tmp_path / "project").chalice("gen-policy")))

    granted = {action for statement in printed["Statement"] for action in statement["Action"]}
    assert granted == calls
