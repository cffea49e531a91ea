"""botocore, whose import takes half of a cold start, is loaded only for what it alone can read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.aws.environments import KEYS, REGION, isolated, profile
from tests.aws.http_server import response, serving
from tests.support.served import ROOT

PROFILE = "region = eu-west-1\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret"
REPORT = """
import sys
from chalicelib.aws.configuration import configuration
from chalicelib.settings_error import SettingsError
{before}
try:
    print(configuration("dynamodb").credentials().access_key)
except SettingsError as error:
    print(error)
print("botocore" in sys.modules)
"""
WITHOUT_BOTOCORE = """
class Missing:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "botocore":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
"""


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment that says nothing about AWS."""
    isolated(tmp_path, monkeypatch)


def report(*environments: dict[str, str], before: str = "") -> list[str]:
    """Return what another process finds in this environment, and whether it imported botocore."""
    environment = dict(os.environ)
    for variables in environments:
        environment |= variables
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(before=before)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_variables_alone_do_not_load_botocore() -> None:
    """What Lambda says in variables is understood without botocore."""
    assert report(KEYS, REGION) == ["AKIAIOSFODNN7EXAMPLE", "False"]


def test_a_container_does_not_load_botocore() -> None:
    """The credentials of a container are fetched without botocore."""
    issued = {"AccessKeyId": "AKIACONTAINER", "SecretAccessKey": "secret", "Token": "token"}
    with serving(lambda _: response(200, issued)) as server:
        container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url}
        assert report(REGION, container) == ["AKIACONTAINER", "False"]


def test_a_profile_loads_botocore(tmp_path: Path) -> None:
    """A profile is botocore's to read."""
    variables = profile(tmp_path, PROFILE)
    assert report(variables) == ["AKIAPROFILE", "True"]


@pytest.mark.parametrize("variables", [{}, KEYS, REGION, {"AWS_PROFILE": "test"}])
def test_where_botocore_is_missing_the_error_says_what_to_set(variables: dict[str, str]) -> None:
    """Where botocore is not installed, what variables leave open is one sentence."""
    text, is_loaded = report(variables, before=WITHOUT_BOTOCORE)
    assert text == (
        "Set AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; to use a profile, install"
        " botocore."
    )
    assert is_loaded == "False"


def test_variables_are_enough_without_botocore() -> None:
    """Where botocore is not installed, variables are enough."""
    assert report(KEYS, REGION, before=WITHOUT_BOTOCORE) == ["AKIAIOSFODNN7EXAMPLE", "False"]
