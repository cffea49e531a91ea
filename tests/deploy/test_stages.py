"""The stages of .chalice/config.json, and the commands of the Makefile."""

import shutil
import subprocess

import pytest

from deployment.errors import DeploymentError
from deployment.policy import scoped
from deployment.route_functions import FUNCTIONS
from deployment.stages import Stage
from tests.deploy.project import ROOT
from tests.support.served import served


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_a_stage_names_its_table_and_secret(name: str) -> None:
    """Each stage has its own table and parameter, and no secret."""
    stage = Stage(name)
    stage.check_secrets()
    assert (stage.full_name, stage.table) == (f"user-management-{name}",) * 2
    assert stage.cursor_parameter == f"/user-management/{name}/cursor-secret"
    assert stage.webhook_key_parameter == f"/user-management/{name}/webhook-key"
    assert stage.api_stage == name


def test_an_unknown_stage_is_rejected() -> None:
    """A stage that is not configured is an error."""
    with pytest.raises(DeploymentError, match="no stage 'test'"):
        Stage("test")


def test_each_route_with_its_own_function_exists() -> None:
    """app.py declares every route and function of the table."""
    with served() as api:
        functions = {function.name for function in api.module.app.pure_lambda_functions}
        assert set(FUNCTIONS.values()) <= functions
        assert {(method.upper(), path) for path, method in FUNCTIONS} <= set(api.routes)


def test_a_service_without_resources_is_rejected() -> None:
    """An action of a service without configured resources is not granted on all resources."""
    policy = {"Version": "2012-10-17", "Statement": [{"Action": ["s3:GetObject"]}]}
    with pytest.raises(LookupError, match="s3"):
        scoped(policy, {"dynamodb": ["table"]})


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("deploy STAGE=dev", "-m deployment deploy dev"),
        ("delete STAGE=dev TABLE=delete", "-m deployment delete dev --table delete"),
        ("package STAGE=prod", "-m deployment package prod --routing single"),
        ("package SNAPSTART=on", "-m deployment package dev --routing single --snapstart"),
        ("terraform ROUTING=per-route", "-m deployment terraform dev --routing per-route"),
        ("package-size", "-m deployment size build/dev/cloudformation/deployment.zip"),
    ],
)
def test_the_makefile_runs_it(target: str, command: str) -> None:
    """Each target runs its command with the given options."""
    if shutil.which("make") is None:
        pytest.skip("make is not on PATH")
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", *target.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines()[-1].strip().endswith(command)
