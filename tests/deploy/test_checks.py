"""The checks before anything is packaged or deployed. Each reports one sentence."""

import os
import sys
from pathlib import Path

import pytest

from deployment.checks import check_interpreter
from deployment.errors import DeploymentError
from localdev.emulators import environment
from tests.deploy.deployed import AUTHENTICATION
from tests.deploy.project import ROOT, Project

UNREACHABLE = environment("http://127.0.0.1:9")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Copy the project, without authentication configured."""
    return Project(tmp_path / "project")


@pytest.mark.parametrize("stage", ["dev", "prod"])
@pytest.mark.parametrize("command", [("deploy",), ("package", "out")])
def test_chalice_rejects_a_stage_without_authentication(
    project: Project, stage: str, command: tuple[str, ...]
) -> None:
    """Chalice's own commands fail if the stage has no authentication.

    Variables of the shell are ignored: the functions would not get them.
    """
    exported = {**UNREACHABLE, **AUTHENTICATION, "LOCAL_AUTH": "open"}

    done = project.chalice(command[0], "--stage", stage, *command[1:], **exported)

    assert done.returncode == 1
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith("Error: Nothing was made: Authentication is not configured: set")
    assert "AUTH_ISSUER" in sentence
    assert f"stages.{stage}.environment_variables in .chalice/config.json." in sentence
    assert not (project.folder / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["deploy", "package", "terraform"])
def test_the_makefiles_commands_reject_it_too(project: Project, command: str) -> None:
    """The commands behind the Makefile's targets fail with the same message."""
    done = project.deployment(command, "dev", **UNREACHABLE)

    assert done.returncode == 1
    assert "Authentication is not configured: set AUTH_ISSUER" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_stage_is_rejected(project: Project) -> None:
    """An unknown stage is an error, although Chalice would deploy it without configuration."""
    done = project.chalice("package", "--stage", "prdo", "out", **UNREACHABLE)

    assert done.returncode == 1
    assert "There is no stage 'prdo' in .chalice/config.json; there is 'dev' and 'prod'." in (
        done.stderr
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"AUTH_SECRET": "x" * 32}, "AUTH_SECRET of stage 'dev'"),
        ({"CURSOR_SECRET": "x" * 32}, "CURSOR_SECRET of stage 'dev'"),
        ({"CURSOR_SECRET_PARAMETER": ""}, "CURSOR_SECRET_PARAMETER of stage 'dev'"),
        ({"WEBHOOK_KEY": "x" * 32}, "WEBHOOK_KEY of stage 'dev'"),
        ({"WEBHOOK_KEY_PARAMETER": ""}, "WEBHOOK_KEY_PARAMETER of stage 'dev'"),
        ({"STORAGE_URL": ""}, "Set STORAGE_URL"),
        ({"AUTH_JWKS_URL": "http://example.com"}, "AUTH_JWKS_URL"),
        ({"CORS_ORIGINS": "example.com"}, "CORS_ORIGINS"),
    ],
)
def test_invalid_settings_are_rejected(
    project: Project, variables: dict[str, str], sentence: str
) -> None:
    """The message names the setting that contains a secret or is invalid."""
    project.configure("dev", **AUTHENTICATION)
    project.configure("dev", **variables)

    done = project.deployment("package", "dev")

    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_region_is_required(project: Project) -> None:
    """Deploying without a Region fails before anything is created."""
    project.configure("dev", **AUTHENTICATION)
    home = {"AWS_CONFIG_FILE": "missing", "AWS_SHARED_CREDENTIALS_FILE": "missing"}

    done = project.deployment("deploy", "dev", **home)

    assert (done.returncode, done.stderr) == (
        1,
        "No AWS Region is chosen: set AWS_DEFAULT_REGION.\n",
    )


def test_credentials_are_required(project: Project) -> None:
    """Deploying without credentials fails before anything is created."""
    project.configure("dev", **AUTHENTICATION)
    nothing = {
        "AWS_CONFIG_FILE": "missing",
        "AWS_SHARED_CREDENTIALS_FILE": "missing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }

    done = project.deployment("deploy", "dev", **nothing)

    assert done.returncode == 1
    assert "AWS does not accept the credentials that are set, or none are" in done.stderr


@pytest.mark.parametrize("version", [(3, 11), (3, 15)])
def test_the_interpreter_must_be_a_runtime(version: tuple[int, int]) -> None:
    """Versions of Python that Lambda has no runtime for are rejected."""
    with pytest.raises(DeploymentError, match=f"no runtime for Python 3.{version[1]}"):
        check_interpreter(version)


def test_a_function_without_authentication_does_not_start(project: Project) -> None:
    """In Lambda, importing app.py fails if authentication is not configured."""
    lambda_function = {
        "AWS_LAMBDA_FUNCTION_NAME": "user-management",
        "LOCAL_AUTH": "open",
        "PYTHONPATH": os.pathsep.join([str(ROOT)]),
    }

    done = project.run(sys.executable, "-c", "import app", **lambda_function)

    assert done.returncode == 1
    assert (
        "SettingsError: Authentication is not configured: set AUTH_ISSUER"
        in (done.stderr.splitlines()[-1])
    )
