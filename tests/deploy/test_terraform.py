"""`make terraform`: the directory, accepted by Terraform as it is, and applied."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import (
    AUTH_PARAMETER,
    AUTHENTICATION,
    CURSOR_SECRET,
    Deployed,
    DeployedSuite,
)
from tests.deploy.project import Project, succeeded
from tests.issuer import SECRET
from tests.needs import missing, terraform

pytestmark = pytest.mark.slow

NAME = "user-management-prod"


class Workspace:
    """The Terraform directory of a project, and Terraform in it."""

    def __init__(self, project: Project, cloud: Cloud) -> None:
        self._program, self._variables = terraform()
        self._project = project
        self._cloud = cloud
        self.make()
        done = self.run("init", "-input=false")
        if done.returncode != 0:
            missing(f"Terraform cannot get the AWS provider: {done.stderr[-300:]}")

    def make(self, *choice: str) -> None:
        """Make the directory, or make it anew."""
        succeeded(self._project.deployment("terraform", "prod", *choice))

    def run(self, command: str, *arguments: str) -> Any:
        """Run a command of Terraform's."""
        place = "-chdir=build/prod/terraform"
        plain = (*arguments, "-no-color")
        variables = {**self._variables, **self._cloud.variables}
        return self._project.run(self._program, place, command, *plain, **variables)

    def plan(self) -> dict[str, list[str]]:
        """Return what Terraform would do to each resource; nothing may be warned of."""
        printed = succeeded(self.run("plan", "-input=false", "-out=planned"))
        assert "Warning" not in printed
        shown = json.loads(succeeded(self.run("show", "-json", "planned")))
        return {
            change["address"]: change["change"]["actions"]
            for change in shown["resource_changes"]
            if change["change"]["actions"] not in (["no-op"], ["read"])
        }

    def apply(self, *arguments: str) -> None:
        """Carry out what is due."""
        succeeded(self.run("apply", "-input=false", "-auto-approve", *arguments))

    def output(self, name: str) -> str:
        """Return an output."""
        return str(json.loads(succeeded(self.run("output", "-json")))[name]["value"])


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Run a clean emulator for this module."""
    with running_cloud() as running:
        running.keep_secret(AUTH_PARAMETER, SECRET)
        running.keep_secret("/user-management/prod/cursor-secret", CURSOR_SECRET)
        yield running


@pytest.fixture(scope="module")
def workspace(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make the directory from a copy of the project, and initialise it."""
    project = Project(tmp_path_factory.mktemp("terraform"))
    project.configure("prod", **AUTHENTICATION)
    return Workspace(project, cloud)


@pytest.fixture(scope="module")
def api(cloud: Cloud, workspace: Workspace) -> Iterator[Deployed]:
    """Apply the directory and return its API."""
    workspace.apply()
    api = workspace.output("RestAPIId")
    with closing(Deployed(cloud, api, "prod", NAME)) as deployed:
        yield deployed


def test_terraform_accepts_the_directory(workspace: Workspace) -> None:
    """Validation and plan raise no error and no warning, for either routing."""
    for choice in (("--routing", "per-route"), ()):
        workspace.make(*choice)
        assert "Success" in succeeded(workspace.run("validate"))
        assert {action for actions in workspace.plan().values() for action in actions} == {"create"}


def test_terraform_accepts_a_domain_and_a_vpc(cloud: Cloud, tmp_path: Path) -> None:
    """With a domain of one's own and functions in a VPC the plan is clean too."""
    project = Project(tmp_path / "vpc")
    project.configure("prod", **AUTHENTICATION)
    project.connect("prod")
    workspace = Workspace(project, cloud)
    assert "Success" in succeeded(workspace.run("validate"))
    planned = workspace.plan()
    assert any(address.startswith("aws_api_gateway_base_path_mapping") for address in planned)


class TestApplied(DeployedSuite):
    """The suite, on what Terraform made."""

    def test_nothing_is_left_to_do(self, workspace: Workspace, api: Deployed) -> None:
        """A second plan finds everything as it should be; alarms the emulator keeps badly."""
        assert api.prefix == NAME
        left = workspace.plan()
        assert {address.partition(".")[0] for address in left} <= {"aws_cloudwatch_metric_alarm"}

    def test_logs_and_limits_are_set(self, cloud: Cloud, api: Deployed) -> None:
        """Each function has a log group that forgets; the stage has a limit, a log and tracing."""
        kept = cloud.client("logs").describe_log_groups()["logGroups"]
        assert len(kept) == 11
        assert {group["retentionInDays"] for group in kept} == {30}
        [gateway] = cloud.client("apigateway").get_rest_apis()["items"]
        assert gateway["name"] == api.prefix
        stage = cloud.client("apigateway").get_stage(restApiId=gateway["id"], stageName="prod")
        assert stage["tracingEnabled"]
        assert "request_id" in stage["accessLogSettings"]["format"]


def test_each_founding_route_can_have_its_function(workspace: Workspace, api: Deployed) -> None:
    """After another apply with a function for each founding route the API still answers."""
    workspace.make("--routing", "per-route")
    workspace.apply()
    user = api.user()
    assert api.call("GET", f"/users/{user}").json()["user_id"] == user
    assert api.call("GET", f"/users/{user}/orders").json()["orders"] == []


def test_destroying_asks_for_the_protection_first(cloud: Cloud, workspace: Workspace) -> None:
    """The protected table stops a destruction; without protection everything goes."""
    refused = workspace.run("destroy", "-auto-approve", "-input=false")
    assert refused.returncode == 1
    assert "protected against deletion" in refused.stderr

    unprotected = "-var=deletion_protection=false"
    workspace.apply(unprotected)
    succeeded(workspace.run("destroy", "-auto-approve", "-input=false", unprotected))

    assert cloud.client("dynamodb").list_tables()["TableNames"] == []
    assert cloud.client("apigateway").get_rest_apis()["items"] == []
