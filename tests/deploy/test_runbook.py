"""The runbook's commands, run on a stage that is deployed on an emulated AWS."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import AUTHENTICATION, CURSOR_SECRET, Deployed, assert_is_problem
from tests.deploy.project import Project
from tests.deploy.runbook import Shell, sections
from tests.deploy.stack import BUCKET, NAME, deploy
from tests.support.issuer import SECRET, claims, shared
from tests.support.needs import cfn_tool

pytestmark = pytest.mark.slow

AUTH_PARAMETER = "/user-management/prod/auth-secret"
# What cannot run here, and why. test_operating.py checks the names and parameters of all commands.
MISSING: Mapping[str, str] = {
    "cognito-idp admin-disable-user": "the stage has no user pool",
    "cognito-idp admin-user-global-sign-out": "the stage has no user pool",
    "dynamodb update-contributor-insights": "the emulator has no such request",
    "rds restore-db-instance-to-point-in-time": "the stage has no RDS instance",
    "rds wait": "the stage has no RDS instance",
    "service-quotas request-service-quota-increase": "the emulator has no Service Quotas",
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
def api(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy the stage, whose shared secret has the name that the runbook uses."""
    project = Project(tmp_path_factory.mktemp("runbook"))
    project.configure("prod", **{**AUTHENTICATION, "AUTH_SECRET_PARAMETER": AUTH_PARAMETER})
    with closing(Deployed(cloud, deploy(project, cloud), "prod", NAME)) as deployed:
        yield deployed


@pytest.fixture
def shell(cloud: Cloud, tmp_path: Path) -> Shell:
    """Return a shell with the AWS CLI, where operations in MISSING do nothing."""
    python, aws = cfn_tool("aws")
    patterns = "|".join(f'"{operation}"' for operation in MISSING)
    script = f'case "$1 $2" in {patterns}) ;; *) exec "{python}" "{aws}" "$@" ;; esac'
    return Shell(tmp_path, {"aws": script, "sleep": ""}, **cloud.variables)


def variables(api: Deployed, user: str) -> str:
    """Return the block that sets the runbook's variables, for the deployed stage."""
    [block] = sections()[""]
    assert "\nURL=" in block
    block = re.sub("^URL=.*", f"URL={api.url}", block, flags=re.MULTILINE)
    return f"{block}USER_ID={user}\nTOKEN={api.token}\nUSER_POOL=pool\nUSERNAME=ann\n"


def section(title: str, api: Deployed, user: str) -> list[str]:
    """Return the blocks of a section and the variables that they need."""
    blocks = [re.sub("^USER_ID=.*", "", block, flags=re.MULTILINE) for block in sections()[title]]
    # The tests may run in another environment than the project's.
    own = [block.replace(".venv/bin/python", f'"{sys.executable}"') for block in blocks]
    return [variables(api, user), *own]


def new_token(cloud: Cloud) -> str:
    """Return an administrator's token, signed with the secret that the stage has now."""
    parameter = cloud.client("ssm").get_parameter(Name=AUTH_PARAMETER, WithDecryption=True)
    return shared(claims(sub="boss", roles=["admin"]), parameter["Parameter"]["Value"])


def test_faults_and_health_are_shown(shell: Shell, api: Deployed) -> None:
    """When 5xx rises, the commands print whether the API is healthy, and the query's result."""
    printed = shell.run(*section("5xx rises", api, api.user()))
    assert '{"status":"ok"}' in printed
    assert '"status": "Complete"' in printed


def test_limits_are_raised(cloud: Cloud, shell: Shell, api: Deployed) -> None:
    """Against throttling, the stage gets a higher limit, and the function reserved concurrency."""
    shell.run(*section("Throttling", api, api.user()))
    stage = cloud.client("apigateway").get_stage(restApiId=api.id, stageName="prod")
    limits = stage["methodSettings"]["*/*"]
    assert (limits["throttlingRateLimit"], limits["throttlingBurstLimit"]) == (400, 800)
    reserved = cloud.client("lambda").get_function_concurrency(FunctionName=NAME)
    assert reserved["ReservedConcurrentExecutions"] == 200


def test_one_route_is_limited(cloud: Cloud, shell: Shell, api: Deployed) -> None:
    """Against a stuck client, one route gets a limit of its own."""
    shell.run(*section("A stuck client", api, api.user()))
    stage = cloud.client("apigateway").get_stage(restApiId=api.id, stageName="prod")
    [route] = [one for one in stage["methodSettings"] if one != "*/*"]
    assert route.endswith("/PATCH")
    assert stage["methodSettings"][route]["throttlingRateLimit"] == 5


def test_a_leaked_token_is_worthless(cloud: Cloud, shell: Shell, api: Deployed) -> None:
    """Against a leaked token, the old token is rejected, and one of the new secret accepted."""
    user = api.user()
    old = api.token
    assert api.call("GET", f"/users/{user}", old).status_code == 200

    # Without the emergency stop, which has a test of its own.
    *blocks, _, _ = section("A leaked token", api, user)
    shell.run(*blocks)

    assert_is_problem(api.call("GET", f"/users/{user}", old), 401, "unauthenticated")
    api.token = new_token(cloud)
    assert api.call("GET", f"/users/{user}").status_code == 200


def test_the_emergency_stop_stops(cloud: Cloud, shell: Shell, api: Deployed) -> None:
    """While the authorizer may not run, public routes work; afterwards the others do again."""
    user = api.user()
    variables, *_, stop, start = section("A leaked token", api, user)

    shell.run(variables, stop)

    functions = cloud.client("lambda")
    reserved = functions.get_function_concurrency(FunctionName=f"{NAME}-tokens")
    assert reserved["ReservedConcurrentExecutions"] == 0
    assert api.call("GET", "/health", None).status_code == 200
    shell.run(variables, start)
    assert api.call("GET", f"/users/{user}").status_code == 200


def test_a_restored_table_is_complete(cloud: Cloud, shell: Shell, api: Deployed) -> None:
    """After the restoration under the same name, the data is there, and the table's options."""
    user = api.user()
    order = api.order(user)

    shell.run(*section("Restore to a point in time", api, user))

    assert api.call("GET", f"/users/{user}/orders/{order}").json()["total"] == 2500
    dynamodb = cloud.client("dynamodb")
    assert set(dynamodb.list_tables()["TableNames"]) == {NAME, f"{NAME}-restored"}
    assert dynamodb.describe_table(TableName=NAME)["Table"]["DeletionProtectionEnabled"]
    expiry = dynamodb.describe_time_to_live(TableName=NAME)["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "expires_at"
    backups = dynamodb.describe_continuous_backups(TableName=NAME)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


def test_an_erased_person_leaves_orders_and_history(
    cloud: Cloud, shell: Shell, api: Deployed
) -> None:
    """After an erasure the user is gone, and only its closed orders and its history are left."""
    user = api.user()
    order = api.order(user)
    api.call("PATCH", f"/users/{user}/orders/{order}", json={"status": "cancelled"})

    printed = shell.run(*section("Erase a person", api, user))

    assert_is_problem(api.call("GET", f"/users/{user}"), 404, "user-not-found")
    kept = re.findall('"S": "((?:USER|HISTORY|ORDER)[^"]*)"', printed)
    assert set(kept) == {
        *(f"USER#{user}", f"ORDER#{order}"),
        *(f"HISTORY#USER#{user}", "USER#0000000000000001"),
    }
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/aws/apigateway/")
    assert [group["retentionInDays"] for group in groups["logGroups"]] == [1]
