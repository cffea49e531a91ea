"""The AWS calls declared in app.py, from which Chalice derives the policy, match the real calls."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.domain.registry import RESOURCES
from chalicelib.parameter_store import read_parameter
from chalicelib.storage.dynamodb.table import create_table
from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import ORDER
from tests.deploy.project import Project, succeeded
from tests.deploy.recorder import Call, recorded
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
# The namespaces of IAM actions, by the first part of X-Amz-Target.
_SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSSM": "ssm"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Run a new emulator."""
    with running_cloud() as running:
        yield running


def actions(call: Call) -> set[str]:
    """Return the IAM actions that a call needs."""
    target, body = call
    service, _, operation = target.partition(".")
    if operation == "TransactWriteItems":
        return {_PARTS[part] for item in body["TransactItems"] for part in item}
    return {f"{_SERVICES[service]}:{operation}"}


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
    for number in range(7):
        api.as_administrator("PATCH", f"/users/{other}", {"name": f"Dee {number}"})
    api.as_administrator("DELETE", f"/users/{other}")
    api.as_administrator("GET", f"/users/{other}/history")


def test_the_policy_is_what_the_code_calls(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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
    for name, value in cloud.variables.items():
        monkeypatch.setenv(name, value)
    with recorded(cloud.endpoint) as (url, calls):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with served(STORAGE_URL="dynamodb://users") as api:
            use_everything(api)
        read_parameter("/secret")

    printed = json.loads(succeeded(Project(tmp_path / "project").chalice("gen-policy")))

    granted = {action for statement in printed["Statement"] for action in statement["Action"]}
    assert granted == {action for call in calls for action in actions(call)}
