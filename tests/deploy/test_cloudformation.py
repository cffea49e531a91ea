"""`make package`: the CloudFormation template, linted, and deployed on an emulated AWS."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

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
from tests.deploy.stack import BUCKET, NAME, TEMPLATE, deploy
from tests.support.issuer import SECRET
from tests.support.needs import cfn_tool

pytestmark = pytest.mark.slow

CHOICES = {
    "single": (),
    "per-route": ("--routing", "per-route"),
    "snapstart": ("--routing", "per-route", "--snapstart"),
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Run a new emulator for this module."""
    with running_cloud() as running:
        running.put_secret(AUTH_PARAMETER, SECRET)
        running.put_secret("/user-management/prod/cursor-secret", CURSOR_SECRET)
        running.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Copy and configure the project."""
    made = Project(tmp_path_factory.mktemp("cloudformation"))
    made.configure("prod", **AUTHENTICATION)
    return made


@pytest.fixture
def project_in_vpc(tmp_path: Path) -> Project:
    """Copy the project, with a custom domain and a VPC configured."""
    made = Project(tmp_path / "vpc")
    made.configure("prod", **AUTHENTICATION)
    made.add_vpc_and_domain("prod")
    return made


@pytest.fixture(scope="module")
def api(cloud: Cloud, project: Project) -> Iterator[Deployed]:
    """Deploy the stack and return its API."""
    with closing(Deployed(cloud, deploy(project, cloud), "prod", NAME)) as deployed:
        yield deployed


@pytest.mark.parametrize("choice", CHOICES)
def test_cfn_lint_finds_nothing(project: Project, choice: str) -> None:
    """With every option, the template passes cfn-lint, which transforms it as SAM does."""
    succeeded(project.deployment("package", "prod", *CHOICES[choice]))
    lint = (*cfn_tool("cfn-lint"), "--include-checks", "I", "--regions", "eu-central-1", "--")
    assert succeeded(project.run(*lint, TEMPLATE)) == ""


def test_a_domain_and_a_vpc_pass_too(project_in_vpc: Project) -> None:
    """The template passes cfn-lint with a custom domain and functions in a VPC."""
    succeeded(project_in_vpc.deployment("package", "prod"))
    lint = (*cfn_tool("cfn-lint"), "--include-checks", "I", "--regions", "eu-central-1", "--")
    assert succeeded(project_in_vpc.run(*lint, TEMPLATE)) == ""


class TestCreated(DeployedSuite):
    """The suite, on a stack with one function for all routes."""

    def test_logs_and_limits_are_set(self, cloud: Cloud, api: Deployed) -> None:
        """Each function has a log group with retention; the stage has a rate limit and tracing."""
        functions = cloud.client("lambda").list_functions()["Functions"]
        kept = {
            group["logGroupName"]: group["retentionInDays"]
            for group in cloud.client("logs").describe_log_groups()["logGroups"]
        }
        expected = [f"/aws/lambda/{function['FunctionName']}" for function in functions]
        expected.append(f"/aws/apigateway/{api.prefix}")
        assert kept == dict.fromkeys(expected, 30)
        [gateway] = cloud.client("apigateway").get_rest_apis()["items"]
        stages = cloud.client("apigateway").get_stages(restApiId=gateway["id"])["item"]
        assert [stage["stageName"] for stage in stages] == ["prod"]
        stage = cloud.client("apigateway").get_stage(restApiId=gateway["id"], stageName="prod")
        assert stage["tracingEnabled"]
        assert stage["methodSettings"]["*/*"]["throttlingRateLimit"] == 200

    def test_the_monitoring_is_there(self, cloud: Cloud, api: Deployed) -> None:
        """The dashboard, the queries and the composite alarms are created."""
        assert_is_monitored(cloud, api.prefix)


class TestUpdated(DeployedSuite):
    """The suite, on the stack after an update to one function per route, called by alias."""

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls, cloud: Cloud, project: Project, api: Deployed) -> Iterator[Deployed]:
        """Update the stack, check that it kept its data, and return its API."""
        user = api.user()
        choice = CHOICES["snapstart"]
        with closing(Deployed(cloud, deploy(project, cloud, *choice), "prod", NAME)) as updated:
            assert updated.call("GET", f"/users/{user}").status_code == 200
            yield updated

    def test_each_route_has_its_function(self, cloud: Cloud, api: Deployed) -> None:
        """A request on a route with its own function runs that function."""
        api.call("GET", "/users")
        streams = cloud.client("logs").describe_log_streams(
            logGroupName=f"/aws/lambda/{NAME}-listUsersLambda"
        )
        assert streams["logStreams"]

    def test_the_monitoring_follows(self, cloud: Cloud, api: Deployed) -> None:
        """An update replaces the dashboard, the queries and the alarms."""
        assert_is_monitored(cloud, api.prefix)


def test_deleting_the_stack_keeps_the_table(cloud: Cloud, api: Deployed) -> None:
    """Deleting the stack does not delete the data."""
    assert api.prefix == NAME
    formation = cloud.client("cloudformation")

    formation.delete_stack(StackName=NAME)
    formation.get_waiter("stack_delete_complete").wait(StackName=NAME)

    assert cloud.client("dynamodb").list_tables()["TableNames"] == [NAME]
    assert cloud.client("lambda").list_functions()["Functions"] == []


def test_requests_are_logged_as_json(project: Project) -> None:
    """The access log has one JSON object for each request."""
    succeeded(project.deployment("package", "prod"))
    template = yaml.safe_load((project.folder / TEMPLATE).read_text())
    setting = template["Resources"]["RestAPI"]["Properties"]["AccessLogSetting"]
    logged = json.loads(setting["Format"])
    assert logged["request_id"] == "$context.requestId"


def test_snapstart_takes_effect(project: Project) -> None:
    """With SnapStart, API Gateway calls every function through its alias."""
    succeeded(project.deployment("package", "prod", *CHOICES["snapstart"]))
    template = (project.folder / TEMPLATE).read_text()
    resources = yaml.safe_load(template)["Resources"]
    called = {
        name.removesuffix("InvokePermission"): resources[name]["Properties"]["FunctionName"]
        for name in resources
        if name.endswith("InvokePermission")
    }

    assert len(called) == 9
    for name, permitted in called.items():
        assert permitted == {"Ref": f"{name}Aliaslive"}
        assert f"${{{name}.Arn}}/invocations" not in template
        assert f"${{{name}Aliaslive}}/invocations" in template
        assert resources[name]["Properties"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}


@pytest.mark.parametrize("column", [1, 2])
def test_the_documented_price_of_alarms_is_correct(project: Project, column: int) -> None:
    """docs/deploying.md has the number of alarms and their price, for both routings."""
    routing = ("single", "per-route")[column - 1]
    succeeded(project.deployment("package", "prod", *CHOICES[routing]))
    resources = yaml.safe_load((project.folder / TEMPLATE).read_text())["Resources"].values()
    alarms = [one["Properties"] for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
    composites = [one for one in resources if one["Type"] == "AWS::CloudWatch::CompositeAlarm"]
    # $0.10 for each metric that an alarm reads, and $0.50 for a composite alarm:
    # https://aws.amazon.com/cloudwatch/pricing/
    metrics = sum(
        sum("MetricStat" in one for one in alarm.get("Metrics", [])) or 1 for alarm in alarms
    )
    price = metrics * 0.10 + len(composites) * 0.50
    document = (ROOT / "docs/deploying.md").read_text()
    rows = {line.split(" | ")[0]: line for line in document.splitlines() if line.startswith("| ")}
    [row] = [line for name, line in rows.items() if name == "| alarms"]
    number = len(alarms) + len(composites)
    assert row.strip("| ").split(" | ")[column] == f"{number}, for ${price:.2f} a month"
    [row] = [line for name, line in rows.items() if name.startswith("| metric alarms")]
    assert row.strip("| ").split(" | ")[column] == f"{metrics * 0.10:.2f}"
