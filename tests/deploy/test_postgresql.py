"""A stage on PostgreSQL: its password in SSM, its driver in the package, no table."""

import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from localdev.emulators import Emulators
from tests.conftest import url_of
from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import AUTH_PARAMETER, AUTHENTICATION, Deployed, DeployedSuite
from tests.deploy.project import Project, succeeded
from tests.support.issuer import SECRET
from tests.support.needs import cfn_tool

pytestmark = pytest.mark.slow

NAME = "user-management-dev"
PARAMETER = "/user-management/dev/database-password"
DATABASE, ROLE, PASSWORD = "stage", "stage_role", "a password / with @ and :"


@pytest.fixture(scope="module")
def database(engines: Emulators) -> Iterator[str]:
    """Create a database and a role with a password; return the URL without the password."""
    url = make_url(url_of(engines, "postgresql"))
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'"))
        connection.execute(text(f"CREATE DATABASE {DATABASE} OWNER {ROLE}"))
        # The tests' server trusts all other roles.
        rules = Path(connection.execute(text("SHOW hba_file")).scalar_one())
        rule = f"host {DATABASE} {ROLE} 127.0.0.1/32 scram-sha-256\n"
        rules.write_text(rule + rules.read_text())
        connection.execute(text("SELECT pg_reload_conf()"))
        yield url.set(username=ROLE, database=DATABASE).render_as_string()
        connection.execute(text(f"DROP DATABASE {DATABASE} WITH (FORCE)"))
        connection.execute(text(f"DROP ROLE {ROLE}"))
    server.dispose()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Run a new emulator with the stage's secrets."""
    with running_cloud() as running:
        running.put_secret(AUTH_PARAMETER, SECRET)
        running.put_secret(PARAMETER, PASSWORD)
        yield running


def make_project(folder: Path, database: str) -> Project:
    """Copy the project and configure its stage dev for the database."""
    project = Project(folder)
    project.use_postgresql("dev", database)
    project.configure("dev", **AUTHENTICATION, STORAGE_PASSWORD_PARAMETER=PARAMETER)
    return project


@pytest.fixture(scope="module")
def api(
    cloud: Cloud, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """Migrate the database, deploy the stage, and return its API."""
    project = make_project(tmp_path_factory.mktemp("deploy"), database)
    succeeded(project.deployment("migrate", "dev", **cloud.variables))
    succeeded(project.deployment("deploy", "dev", **cloud.variables))
    with closing(Deployed(cloud, project.api_id("dev"), "dev", NAME)) as deployed:
        yield deployed


class TestDeployed(DeployedSuite):
    """The suite, on PostgreSQL."""

    def test_the_role_cannot_use_dynamodb(self, cloud: Cloud, api: Deployed) -> None:
        """The role has no permissions for DynamoDB, and can read the password."""
        policy = cloud.client("iam").get_role_policy(RoleName=api.prefix, PolicyName=api.prefix)
        statements = policy["PolicyDocument"]["Statement"]
        granted = {action for statement in statements for action in statement["Action"]}
        assert not {action for action in granted if action.startswith("dynamodb:")}
        assert "ec2:CreateNetworkInterface" in granted
        [secrets] = [one for one in statements if "ssm:GetParameter" in one["Action"]]
        assert any(arn.endswith(f":parameter{PARAMETER}") for arn in secrets["Resource"])
        assert cloud.client("dynamodb").list_tables()["TableNames"] == []

    def test_the_database_asks_for_the_password(self, api: Deployed, database: str) -> None:
        """The functions connect with the password; without it, no connection is possible."""
        assert api.call("GET", "/health", None).status_code == 200
        engine = create_engine(database)
        with pytest.raises(OperationalError, match="password"):
            engine.connect()
        engine.dispose()

    def test_a_changed_password_is_used(self, cloud: Cloud, api: Deployed, database: str) -> None:
        """After the password changed and the connections were closed, the next request succeeds."""
        admin = create_engine(make_url(database).set(username="app"), isolation_level="AUTOCOMMIT")
        ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :role"
        with admin.connect() as connection:
            connection.execute(text(f"ALTER ROLE {ROLE} PASSWORD 'another'"))
            connection.execute(text(ends), {"role": ROLE})
        cloud.client("ssm").put_parameter(Name=PARAMETER, Value="another", Overwrite=True)
        admin.dispose()
        assert api.call("GET", f"/users/{api.user()}").status_code == 200


def test_the_packages_have_the_driver_and_no_table(tmp_path: Path) -> None:
    """The template passes cfn-lint, and neither package has a table."""
    project = make_project(tmp_path / "stage", "postgresql+psycopg://app@db.internal/app")
    succeeded(project.deployment("package", "dev", "--routing", "per-route"))
    template = "build/dev/cloudformation/template.yaml"
    lint = cfn_tool("cfn-lint")
    assert succeeded(project.run(*lint, template)) == ""
    text_ = (project.folder / template).read_text()
    assert "DynamoDB" not in text_
    late = yaml.safe_load(text_)["Resources"]["LateEvents"]["Properties"]
    assert (late["Namespace"], late["MetricName"]) == ("UserManagement", "OutboxAge")
    assert late["Threshold"] == 15 * 60
    with zipfile.ZipFile(project.folder / "build/dev/cloudformation/deployment.zip") as package:
        tops = {name.partition("/")[0] for name in package.namelist()}
    assert {"psycopg", "psycopg_binary", "sqlalchemy"} <= tops
    succeeded(project.deployment("terraform", "dev"))
    made = project.folder / "build/dev/terraform"
    assert not any("dynamodb" in path.read_text() for path in made.glob("*.tf*"))


@pytest.mark.parametrize("command", ["deploy", "package", "terraform"])
def test_a_database_needs_a_vpc(tmp_path: Path, command: str) -> None:
    """Without a VPC the functions could not reach the database: the command fails."""
    project = make_project(tmp_path / "stage", "postgresql+psycopg://app@db.internal/app")
    config = project.config
    del config["stages"]["dev"]["subnet_ids"]
    project.write_config(config)
    done = project.deployment(command, "dev")
    assert done.returncode == 1
    assert "set subnet_ids and security_group_ids under stages.dev" in done.stderr


def test_a_password_in_the_configuration_is_rejected(tmp_path: Path) -> None:
    """A password in STORAGE_URL would be in version control. The error does not repeat it."""
    project = make_project(tmp_path / "stage", "postgresql+psycopg://app:hidden@db.internal/app")
    done = project.deployment("package", "dev")
    assert done.returncode == 1
    assert "put it into an SSM parameter" in done.stderr
    assert "hidden" not in done.stderr
