"""`make deploy` and `make delete` on an emulated AWS that enforces IAM."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import AUTH_PARAMETER, AUTHENTICATION, Deployed, DeployedSuite
from tests.deploy.project import Project, succeeded
from tests.support.issuer import SECRET

pytestmark = pytest.mark.slow

NAME = "user-management-dev"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Run a new emulator for this module."""
    with running_cloud() as running:
        running.put_secret(AUTH_PARAMETER, SECRET)
        yield running


@pytest.fixture(scope="module")
def project(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Deploy the stage dev from a copy of the project."""
    made = Project(tmp_path_factory.mktemp("deploy"))
    made.configure("dev", **AUTHENTICATION)
    printed = succeeded(made.deployment("deploy", "dev", **cloud.variables))
    assert f"curl https://{made.api_id('dev')}.execute-api" in printed
    return made


@pytest.fixture(scope="module")
def api(cloud: Cloud, project: Project) -> Iterator[Deployed]:
    """Return the deployed API."""
    with closing(Deployed(cloud, project.api_id("dev"), "dev", NAME)) as deployed:
        yield deployed


def actions(cloud: Cloud) -> dict[str, list[str]]:
    """Return the resources of each action in the policy of the functions' role."""
    policy = cloud.client("iam").get_role_policy(RoleName=NAME, PolicyName=NAME)
    return {
        action: statement["Resource"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }


class TestDeployed(DeployedSuite):
    """The suite, on a stage deployed with `make deploy`."""

    def test_the_role_is_restricted(self, cloud: Cloud, api: Deployed) -> None:
        """The role can access only the table, its index, the secrets and the functions' logs."""
        assert api.prefix == NAME
        granted = actions(cloud)
        table = f"arn:aws:dynamodb:us-east-1:000000000000:table/{NAME}"
        assert granted["dynamodb:Query"] == [table, f"{table}/index/*"]
        parameter = "arn:aws:ssm:us-east-1:000000000000:parameter/user-management"
        assert granted["ssm:GetParameter"] == [
            f"{parameter}/dev/cursor-secret",
            f"{parameter}/tests/auth-secret",
            f"{parameter}/dev/webhook-key",
        ]
        assert all(f"/aws/lambda/{NAME}" in group for group in granted["logs:PutLogEvents"])

    def test_the_functions_of_events_are_complete(self, cloud: Cloud, api: Deployed) -> None:
        """Each has its role, which reaches no user, and its source what Chalice cannot say."""
        iam = cloud.client("iam")
        for name in ("relayEvents", "sendWebhooks"):
            role = f"{api.prefix}-{name}"
            policy = iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
            for statement in policy["Statement"]:
                assert statement["Action"][0].startswith("xray:") or statement["Resource"] != ["*"]
                if "dynamodb:PutItem" in statement["Action"]:
                    keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                    assert not [key for key in keys if key.startswith("USER")]
        stream, queue = sorted(
            cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"],
            key=lambda source: str(source["EventSourceArn"]),
        )
        for source in (stream, queue):
            assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert stream["MaximumRecordAgeInSeconds"] == 82_800
        assert len(stream["FilterCriteria"]["Filters"]) == 2
        failures = stream["DestinationConfig"]["OnFailure"]["Destination"]
        assert failures.endswith(f":{api.prefix}-stream-failures")
        for name in ("relayEvents", "sendWebhooks"):
            variables = cloud.client("lambda").get_function_configuration(
                FunctionName=f"{api.prefix}-{name}"
            )["Environment"]["Variables"]
            assert variables["WEBHOOK_QUEUE_URL"].endswith(f"/{api.prefix}-webhooks")

    def test_the_table_is_protected(self, cloud: Cloud, api: Deployed) -> None:
        """The table has deletion protection and expiry."""
        dynamodb = cloud.client("dynamodb")
        assert dynamodb.describe_table(TableName=api.prefix)["Table"]["DeletionProtectionEnabled"]
        expiry = dynamodb.describe_time_to_live(TableName=api.prefix)["TimeToLiveDescription"]
        assert expiry["AttributeName"] == "expires_at"


def test_deploying_again_updates(cloud: Cloud, project: Project, api: Deployed) -> None:
    """A second deployment updates the API, and keeps its data and the restrictions of its role."""
    before = project.api_id("dev")
    user = api.user()
    settings = project.folder / "chalicelib" / "settings.py"
    settings.write_text(settings.read_text() + "\n# Changed.\n")

    succeeded(project.deployment("deploy", "dev", **cloud.variables))

    assert project.api_id("dev") == before
    assert len(cloud.client("apigateway").get_rest_apis()["items"]) == 1
    assert len(cloud.client("lambda").list_functions()["Functions"]) == 12
    assert api.call("GET", f"/users/{user}").status_code == 200
    assert api.call("GET", "/users", None).json()["type"] == "/problems/unauthenticated"
    assert "*" not in actions(cloud)["dynamodb:GetItem"]


def test_a_stage_deployed_from_elsewhere_is_left_alone(
    cloud: Cloud, api: Deployed, tmp_path: Path
) -> None:
    """Another checkout does not create a second API."""
    elsewhere = Project(tmp_path / "elsewhere")
    elsewhere.configure("dev", **AUTHENTICATION)

    done = elsewhere.deployment("deploy", "dev", **cloud.variables)

    assert done.returncode == 1
    assert f"{api.prefix!r} is deployed in this account already" in done.stderr


def test_a_bus_that_does_not_exist_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    """EventBridge would take events for it and drop them, so nothing is deployed."""
    project = Project(tmp_path / "without-a-bus")
    project.configure("prod", **AUTHENTICATION, EVENT_BUS="missing")

    done = project.deployment("deploy", "prod", **cloud.variables)

    assert done.returncode == 1
    assert "There is no event bus 'missing', which EVENT_BUS names" in done.stderr
    names = cloud.client("dynamodb").list_tables()["TableNames"]
    assert "user-management-prod" not in names


def test_deleting_keeps_the_data_by_default(cloud: Cloud, project: Project, api: Deployed) -> None:
    """`make delete` keeps only the table and its queues; TABLE=delete deletes these too.

    The queues name the deliveries in the table that are still to be sent.
    """
    sqs, dynamodb = cloud.client("sqs"), cloud.client("dynamodb")

    printed = succeeded(project.deployment("delete", "dev", **cloud.variables))

    assert "TABLE=delete" in printed
    assert cloud.client("apigateway").get_rest_apis()["items"] == []
    assert cloud.client("lambda").list_functions()["Functions"] == []
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/")
    assert groups["logGroups"] == []
    assert {url.rpartition("/")[2] for url in sqs.list_queues()["QueueUrls"]} == {
        f"{api.prefix}-{name}" for name in ("webhooks", "webhooks-failures", "stream-failures")
    }
    assert cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert dynamodb.list_tables()["TableNames"] == [api.prefix]
    succeeded(project.deployment("delete", "dev", "--table", "delete", **cloud.variables))
    assert dynamodb.list_tables()["TableNames"] == []
    assert sqs.list_queues().get("QueueUrls", []) == []
    left = cloud.client("ssm").describe_parameters()["Parameters"]
    assert [parameter["Name"] for parameter in left] == [AUTH_PARAMETER]
