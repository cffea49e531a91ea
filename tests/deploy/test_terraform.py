"""`make terraform`: the Terraform directory, validated and applied."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import (
    AUTH_PARAMETER,
    AUTHENTICATION,
    CURSOR_SECRET,
    Deployed,
    DeployedSuite,
)
from tests.deploy.monitoring import assert_is_monitored
from tests.deploy.project import ROOT, Project, succeeded
from tests.support.issuer import SECRET
from tests.support.needs import missing, terraform

pytestmark = pytest.mark.slow

NAME = "user-management-prod"
ALARM = "aws_cloudwatch_metric_alarm"
COMPOSITE_ALARM = "aws_cloudwatch_composite_alarm"
QUERY_DEFINITION = "AWS::Logs::QueryDefinition"


class Workspace:
    """The Terraform directory of a project, to run Terraform in."""

    def __init__(self, project: Project, cloud: Cloud) -> None:
        self._program, self._variables = terraform()
        self.project = project
        self._cloud = cloud
        self.make()
        done = self.run("init", "-input=false")
        if done.returncode != 0:
            missing(f"Terraform cannot install the AWS provider: {done.stderr[-300:]}")

    def make(self, *choice: str) -> None:
        """Create the directory, or recreate it."""
        succeeded(self.project.deployment("terraform", "prod", *choice))

    def run(self, command: str, *arguments: str) -> Any:
        """Run a Terraform command."""
        directory = "-chdir=build/prod/terraform"
        options = (*arguments, "-no-color")
        variables = {**self._variables, **self._cloud.variables}
        return self.project.run(self._program, directory, command, *options, **variables)

    def plan(self) -> list[dict[str, Any]]:
        """Return the planned changes of resources. Warnings are errors."""
        printed = succeeded(self.run("plan", "-input=false", "-out=planned"))
        assert "Warning" not in printed
        shown = json.loads(succeeded(self.run("show", "-json", "planned")))
        return [
            planned
            for planned in shown["resource_changes"]
            if planned["change"]["actions"] not in (["no-op"], ["read"])
        ]

    def apply(self, *arguments: str) -> None:
        """Apply all changes."""
        succeeded(self.run("apply", "-input=false", "-auto-approve", *arguments))

    def output(self, name: str) -> str:
        """Return the output `name`."""
        return str(json.loads(succeeded(self.run("output", "-json")))[name]["value"])


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Run a new emulator for this module."""
    with running_cloud() as running:
        running.put_secret(AUTH_PARAMETER, SECRET)
        running.put_secret("/user-management/prod/cursor-secret", CURSOR_SECRET)
        yield running


@pytest.fixture(scope="module")
def workspace(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Create the directory from a copy of the project and initialise it."""
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


def as_terraform(properties: dict[str, Any]) -> dict[str, Any]:
    """Return a CloudFormation alarm's properties with Terraform's names.

    References to other resources are left out, so dimensions have only their names.
    """
    properties = {
        **properties,
        "Dimensions": sorted(one["Name"] for one in properties["Dimensions"]),
    }
    del properties["AlarmActions"]
    return {re.sub("(?<!^)(?=[A-Z])", "_", name).lower(): properties[name] for name in properties}


def template(workspace: Workspace) -> dict[str, Any]:
    """Return the CloudFormation template of the workspace's project."""
    path = workspace.project.folder / "build/prod/cloudformation/template.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def math_of(alarm: dict[str, Any]) -> dict[str, Any]:
    """Return what a CloudFormation alarm computes, in a form to compare."""
    [expression] = [one for one in alarm["Metrics"] if one["ReturnData"]]
    return {
        "description": alarm["AlarmDescription"],
        "expression": expression["Expression"],
        "threshold": alarm["Threshold"],
        "comparison": alarm["ComparisonOperator"],
        "missing": alarm["TreatMissingData"],
        "metrics": {
            one["Id"]: (
                one["MetricStat"]["Metric"]["Namespace"],
                one["MetricStat"]["Metric"]["MetricName"],
                one["MetricStat"]["Stat"],
                one["MetricStat"]["Period"],
                {pair["Name"]: pair["Value"] for pair in one["MetricStat"]["Metric"]["Dimensions"]},
            )
            for one in alarm["Metrics"]
            if not one["ReturnData"]
        },
    }


def math_planned(alarm: dict[str, Any]) -> dict[str, Any]:
    """Return what a planned alarm of Terraform computes, in the same form."""
    [expression] = [one for one in alarm["metric_query"] if one["return_data"]]
    metrics = {
        one["id"]: one["metric"][0] for one in alarm["metric_query"] if not one["return_data"]
    }
    return {
        "description": alarm["alarm_description"],
        "expression": expression["expression"],
        "threshold": alarm["threshold"],
        "comparison": alarm["comparison_operator"],
        "missing": alarm["treat_missing_data"],
        "metrics": {
            name: (
                metric["namespace"],
                metric["metric_name"],
                metric["stat"],
                metric["period"],
                metric["dimensions"],
            )
            for name, metric in metrics.items()
        },
    }


def test_terraform_accepts_the_directory(workspace: Workspace) -> None:
    """With either routing, validation and plan succeed without warnings."""
    for choice in (("--routing", "per-route"), ()):
        workspace.make(*choice)
        assert "Success" in succeeded(workspace.run("validate"))
        planned = workspace.plan()
        assert {action for one in planned for action in one["change"]["actions"]} == {"create"}


def test_terraform_accepts_a_domain_and_a_vpc(cloud: Cloud, tmp_path: Path) -> None:
    """With a custom domain and functions in a VPC, the plan succeeds too."""
    project = Project(tmp_path / "vpc")
    project.configure("prod", **AUTHENTICATION)
    project.add_vpc_and_domain("prod")
    workspace = Workspace(project, cloud)
    assert "Success" in succeeded(workspace.run("validate"))
    assert "aws_api_gateway_base_path_mapping" in {one["type"] for one in workspace.plan()}


def alarms_alike(workspace: Workspace) -> int:
    """Check that Terraform plans the alarms of the CloudFormation template; return how many."""
    succeeded(workspace.project.deployment("package", "prod"))
    resources = template(workspace)["Resources"].values()
    alarms = [one["Properties"] for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
    expected = [as_terraform(one) for one in alarms if "Metrics" not in one]
    names = set().union(*expected)
    planned = [
        one["change"]["after"]
        for one in workspace.plan()
        if one["type"] == ALARM and one["name"] == "this"
    ]
    found = [{name: one[name] for name in names if one[name] is not None} for one in planned]
    for alarm in found:
        alarm["dimensions"] = sorted(alarm["dimensions"])
    assert {json.dumps(one, sort_keys=True) for one in found} == {
        json.dumps(one, sort_keys=True) for one in expected
    }
    return len(found)


def test_the_alarms_are_those_of_cloudformation(workspace: Workspace) -> None:
    """Terraform creates the same alarms as the CloudFormation template."""
    assert alarms_alike(workspace) == 18


def test_the_alarms_of_a_stage_on_postgresql(cloud: Cloud, tmp_path: Path) -> None:
    """On PostgreSQL too the alarms are the same: the API's, and those of the outbox's function."""
    project = Project(tmp_path / "postgresql")
    project.configure("prod", **AUTHENTICATION, STORAGE_URL="postgresql+psycopg://a@db.internal/a")
    project.add_vpc_and_domain("prod")
    shutil.copy(ROOT / "requirements-postgresql.txt", project.folder)
    assert alarms_alike(Workspace(project, cloud)) == 6


def test_the_burn_alarms_are_those_of_cloudformation(workspace: Workspace) -> None:
    """Terraform creates the same alarms on burn rates as the CloudFormation template."""
    succeeded(workspace.project.deployment("package", "prod"))
    resources = template(workspace)["Resources"]
    plan = workspace.plan()
    found = {
        one["index"].replace("-", ""): math_planned(one["change"]["after"])
        for one in plan
        if (one["type"], one["name"]) == (ALARM, "burn")
    }
    assert found == {
        name.lower(): math_of(resources[name]["Properties"])
        for name in ("FastBurn1h", "FastBurn5m", "SlowBurn6h", "SlowBurn30m")
    }
    composites = {
        one["index"]: one["change"]["after"] for one in plan if one["type"] == COMPOSITE_ALARM
    }
    assert {name: alarm["alarm_rule"] for name, alarm in composites.items()} == {
        "fast-burn": f'ALARM("{NAME}-fast-burn-1h") AND ALARM("{NAME}-fast-burn-5m")',
        "slow-burn": f'ALARM("{NAME}-slow-burn-6h") AND ALARM("{NAME}-slow-burn-30m")',
    }
    for name, logical_id in (("fast-burn", "FastBurn"), ("slow-burn", "SlowBurn")):
        description = resources[logical_id]["Properties"]["AlarmDescription"]
        assert composites[name]["alarm_description"] == description


@pytest.mark.parametrize("routing", ["single", "per-route"])
def test_the_monitoring_is_that_of_cloudformation(workspace: Workspace, routing: str) -> None:
    """The dashboard and the queries are those of the CloudFormation template, for both routings."""
    succeeded(workspace.project.deployment("package", "prod", "--routing", routing))
    workspace.make("--routing", routing)
    generated = workspace.project.folder / "build/prod/terraform/monitoring.tf.json"
    mine = json.loads(generated.read_text())["locals"]
    resources = template(workspace)["Resources"]
    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    theirs = json.loads(body.replace("${AWS::Region}", "${data.aws_region.chalice.name}"))
    for dashboard in (mine["dashboard"], theirs):
        del dashboard["widgets"][0]["properties"]["alarms"]
    assert mine["dashboard"] == theirs
    queries = [one["Properties"] for one in resources.values() if one["Type"] == QUERY_DEFINITION]
    assert {f"{NAME}/{title}": query["query"] for title, query in mine["queries"].items()} == {
        query["Name"]: query["QueryString"] for query in queries
    }
    assert {
        f"{NAME}/{title}": len(query["log_groups"]) for title, query in mine["queries"].items()
    } == {query["Name"]: len(query["LogGroupNames"]) for query in queries}
    workspace.make()


class TestApplied(DeployedSuite):
    """The suite, on a stage deployed with Terraform."""

    def test_nothing_is_left_to_do(self, workspace: Workspace, api: Deployed) -> None:
        """A second plan changes only alarms, which the emulator does not store exactly.

        The composite alarms and the dashboard depend on them.
        """
        assert api.prefix == NAME
        changed = {one["type"] for one in workspace.plan()}
        assert changed <= {ALARM, COMPOSITE_ALARM, "aws_cloudwatch_dashboard"}

    def test_the_monitoring_is_there(self, cloud: Cloud, api: Deployed) -> None:
        """The dashboard, the queries and the composite alarms are created."""
        assert_is_monitored(cloud, api.prefix)

    def test_logs_and_limits_are_set(self, cloud: Cloud, api: Deployed) -> None:
        """Log groups have a retention; the stage has a rate limit, an access log and tracing."""
        kept = cloud.client("logs").describe_log_groups()["logGroups"]
        assert len(kept) == 13
        assert {group["retentionInDays"] for group in kept} == {30}
        [gateway] = cloud.client("apigateway").get_rest_apis()["items"]
        assert gateway["name"] == api.prefix
        stage = cloud.client("apigateway").get_stage(restApiId=gateway["id"], stageName="prod")
        assert stage["tracingEnabled"]
        assert "request_id" in stage["accessLogSettings"]["format"]


def test_each_route_can_have_its_function(workspace: Workspace, api: Deployed) -> None:
    """After an update to one function per route, the API still works."""
    workspace.make("--routing", "per-route")
    workspace.apply()
    user = api.user()
    assert api.call("GET", f"/users/{user}").json()["user_id"] == user
    assert api.call("GET", f"/users/{user}/orders").json()["orders"] == []


def test_the_protected_table_cannot_be_destroyed(cloud: Cloud, workspace: Workspace) -> None:
    """The protected table prevents destruction; without protection everything is destroyed."""
    failed = workspace.run("destroy", "-auto-approve", "-input=false")
    assert failed.returncode == 1
    assert "protected against deletion" in failed.stderr

    unprotected = "-var=deletion_protection=false"
    workspace.apply(unprotected)
    succeeded(workspace.run("destroy", "-auto-approve", "-input=false", unprotected))

    assert cloud.client("dynamodb").list_tables()["TableNames"] == []
    assert cloud.client("apigateway").get_rest_apis()["items"] == []
