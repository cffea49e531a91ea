"""The functions' role has the permissions that they need, and no others."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import AUTHENTICATION, CURSOR_SECRET, ORDER, Deployed, assert_is_problem
from tests.deploy.project import Project
from tests.deploy.stack import BUCKET, NAME, deploy
from tests.support.issuer import AUDIENCE, ISSUER, SigningKey, claims, serving

pytestmark = pytest.mark.slow

# Actions of Lambda's runtime. The emulator does not check them.
RUNTIME_ACTIONS = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
}

# The operations that need each action.
NEEDED_BY: Mapping[str, set[str]] = {
    "dynamodb:DeleteItem": {"change the e-mail", "delete a user"},
    "dynamodb:GetItem": {
        "check health",
        "read a user",
        "find a user by e-mail",
        "read an order",
        "cancel an order",
        "delete a user",
        "read a history",
        "read the history of a deleted user",
    },
    # A deletion keeps the history.
    "dynamodb:PutItem": {"create a user", "create an order", "change the e-mail", "delete a user"},
    "dynamodb:Query": {
        "list users",
        "list a page of users",
        "list orders",
        "read the history of a deleted user",
    },
    "dynamodb:UpdateItem": {
        "change a name",
        "change the e-mail",
        "create an order",
        "pay an order",
        "cancel an order",
    },
    "ssm:GetParameter": {"list a page of users"},
}

Operations = dict[str, Callable[[], Any]]
Statement = dict[str, Any]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Run a new emulator for this module."""
    with running_cloud() as running:
        running.put_secret("/user-management/prod/cursor-secret", CURSOR_SECRET)
        running.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture(scope="module")
def token() -> Iterator[dict[str, str]]:
    """Serve an identity provider's keys; return its URL and an administrator's token.

    With public keys the authorizer needs no permissions, so only the operation itself can fail.
    """
    key = SigningKey("tests", "ES256")
    with serving() as provider:
        provider.keys.append(key.jwk)
        yield {"url": provider.url, "token": key.sign(claims(sub="boss", roles=["admin"]))}


@pytest.fixture(scope="module")
def api(
    cloud: Cloud, token: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """Deploy the stack, with an identity provider, and return its API."""
    project = Project(tmp_path_factory.mktemp("privilege"))
    provider = {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE, "AUTH_JWKS_URL": token["url"]}
    project.configure("prod", **provider, CORS_ORIGINS=AUTHENTICATION["CORS_ORIGINS"])
    deployed = Deployed(cloud, deploy(project, cloud), "prod", NAME, token["token"])
    with closing(deployed):
        yield deployed


@pytest.fixture
def role(cloud: Cloud, api: Deployed) -> Iterator["Role"]:
    """Return the role. Afterwards it has all its permissions again."""
    assert api.prefix == NAME
    role = Role(cloud)
    yield role
    role.allow(role.statements)


class Role:
    """The role of the functions, with its one policy."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._iam = cloud.client("iam")
        [role] = [r for r in self._iam.list_roles()["Roles"] if "DefaultRole" in r["RoleName"]]
        self._name = role["RoleName"]
        [self._policy] = self._iam.list_role_policies(RoleName=self._name)["PolicyNames"]
        document = self._iam.get_role_policy(RoleName=self._name, PolicyName=self._policy)
        self.statements: list[Statement] = document["PolicyDocument"]["Statement"]

    @property
    def actions(self) -> set[str]:
        """Every action in the policy."""
        return {action for statement in self.statements for action in statement["Action"]}

    def allow(self, statements: list[Statement]) -> None:
        """Replace the statements of the policy, and restart the functions."""
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self._iam.put_role_policy(
            RoleName=self._name, PolicyName=self._policy, PolicyDocument=document
        )
        # Running processes have read their secrets already.
        functions = self._cloud.client("lambda")
        variables = functions.get_function_configuration(FunctionName=NAME)["Environment"]
        changed = {**variables["Variables"], "STARTED_FOR": str(len(document))}
        functions.update_function_configuration(
            FunctionName=NAME, Environment={"Variables": changed}
        )


def operations(api: Deployed) -> Operations:
    """Return one request for each operation of the API, on resources created for it."""
    read, renamed, moved, deleted = (api.user() for _ in range(4))
    orders = f"/users/{read}/orders"
    order, paid, cancelled = (api.order(read) for _ in range(3))
    gone = api.user()
    api.call("DELETE", f"/users/{gone}")
    email = api.call("GET", f"/users/{read}").json()["email"]
    new = {"name": "Cy", "email": f"cy.{deleted}@example.com"}

    def patch(path: str, **changes: str) -> Callable[[], Any]:
        return lambda: api.call("PATCH", path, json=changes)

    def get(path: str, **parameters: str) -> Callable[[], Any]:
        return lambda: api.call("GET", path, params=parameters)

    return {
        "check health": get("/health"),
        "create a user": lambda: api.call("POST", "/users", json=new),
        "read a user": get(f"/users/{read}"),
        "find a user by e-mail": get("/users", email=email),
        "list users": get("/users", limit="100"),
        "list a page of users": get("/users", limit="1"),
        "change a name": patch(f"/users/{renamed}", name="Dee"),
        "change the e-mail": patch(f"/users/{moved}", email=f"moved.{moved}@example.com"),
        "delete a user": lambda: api.call("DELETE", f"/users/{deleted}"),
        "read a history": get(f"/users/{read}/history"),
        "read the history of a deleted user": get(f"/users/{gone}/history"),
        "create an order": lambda: api.call("POST", orders, json=ORDER),
        "read an order": get(f"{orders}/{order}"),
        "list orders": get(orders),
        "pay an order": patch(f"{orders}/{paid}", status="paid"),
        "cancel an order": patch(f"{orders}/{cancelled}", status="cancelled"),
    }


def failures(requests: Operations) -> set[str]:
    """Send the requests and return those that fail. Each must be a problem that hides its cause."""
    failed = set()
    for name, send in requests.items():
        response = send()
        if response.status_code >= 300:
            assert_is_problem(response, 500, "internal-error")
            assert "AccessDenied" not in response.text
            failed.add(name)
    return failed


def test_everything_works_with_the_whole_policy(api: Deployed, role: Role) -> None:
    """With the template's policy, no operation fails."""
    assert role.actions
    assert failures(operations(api)) == set()


def test_every_action_is_accounted_for(role: Role) -> None:
    """Every action in the policy is needed by an operation or by Lambda's runtime."""
    assert role.actions == NEEDED_BY.keys() | RUNTIME_ACTIONS


@pytest.mark.parametrize("action", sorted(NEEDED_BY))
def test_an_action_is_needed(api: Deployed, role: Role, action: str) -> None:
    """Without the action, exactly the operations that need it fail."""
    requests = operations(api)
    kept = [
        {**statement, "Action": [other for other in statement["Action"] if other != action]}
        for statement in role.statements
    ]
    role.allow([statement for statement in kept if statement["Action"]])

    assert failures(requests) == NEEDED_BY[action]


def test_the_index_is_needed(api: Deployed, role: Role) -> None:
    """Without the table's index, only listing users fails."""
    requests = operations(api)
    role.allow(
        [
            {**statement, "Resource": [r for r in statement["Resource"] if "/index/" not in r]}
            for statement in role.statements
        ]
    )

    assert failures(requests) == {"list users", "list a page of users"}
