"""Profiles, which botocore reads: what is found in them, and what is wrong with them."""

import datetime as dt
import json
from pathlib import Path

import pytest

from chalicelib.aws.configuration import configuration
from chalicelib.aws.signing import Credentials
from tests.aws.environments import (
    IN_VARIABLES,
    KEYS,
    REGION,
    as_boto3,
    isolated,
    message,
    profile,
    set_all,
)
from tests.aws.http_server import response, serving

OWN_REGION = "region = eu-west-1"
OWN_KEYS = "aws_access_key_id = AKIAPROFILE\naws_secret_access_key = secret"
PROFILE_CREDENTIALS = Credentials("AKIAPROFILE", "secret")
SERVICES = "services = local\n[services local]\ndynamodb =\n  endpoint_url = http://localhost:9000"
ROLE = "role_arn = arn:aws:iam::123456789012:role/a"


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment that says nothing about AWS."""
    isolated(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("settings", "url", "region"),
    [
        (OWN_REGION, "https://dynamodb.eu-west-1.amazonaws.com", "eu-west-1"),
        (f"{OWN_REGION}\nendpoint_url = http://localhost:8000/", "http://localhost:8000/", None),
        (
            f"{OWN_REGION}\n{SERVICES}",
            "http://localhost:9000",
            None,
        ),
        (
            f"{OWN_REGION}\nuse_fips_endpoint = true",
            "https://dynamodb-fips.eu-west-1.amazonaws.com",
            None,
        ),
        (
            f"{OWN_REGION}\nuse_dualstack_endpoint = true",
            "https://dynamodb.eu-west-1.api.aws",
            None,
        ),
    ],
)
def test_a_profile_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: str, url: str, region: str | None
) -> None:
    """A profile's credentials, Region and endpoint are those that boto3 finds in it."""
    set_all(monkeypatch, profile(tmp_path, f"{OWN_KEYS}\n{settings}"))
    found = as_boto3()
    assert (found.url.geturl(), found.region) == (url, region or "eu-west-1")
    assert found.credentials() == PROFILE_CREDENTIALS


def test_a_profile_of_the_credentials_file_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Credentials may be in a file of their own, with a session token."""
    (tmp_path / "credentials").write_text(f"[test]\n{OWN_KEYS}\naws_session_token = token\n")
    variables = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    set_all(monkeypatch, profile(tmp_path, OWN_REGION), variables)
    assert as_boto3().credentials() == PROFILE_CREDENTIALS._replace(token="token")


def test_the_default_profile_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any variable the default profile of the home directory is used."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(f"[default]\n{OWN_KEYS}\n")
    (tmp_path / ".aws" / "config").write_text(f"[default]\n{OWN_REGION}\n")
    assert as_boto3().credentials() == PROFILE_CREDENTIALS
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert as_boto3().region == "eu-north-1"


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_profile_wins_over_a_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """A profile that is named has other credentials than the container, as for boto3."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(f"[test]\n{OWN_KEYS}\n")
    container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost:1/"}
    set_all(monkeypatch, REGION, container, {name: "test"})
    assert as_boto3().credentials() == PROFILE_CREDENTIALS


def test_variables_win_over_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials and Region in variables win over those of a profile, which adds its endpoint."""
    settings = f"{OWN_KEYS}\n{OWN_REGION}\nendpoint_url = http://localhost:8000"
    set_all(monkeypatch, KEYS, REGION, profile(tmp_path, settings))
    found = as_boto3()
    assert (found.credentials(), found.region) == (IN_VARIABLES, "eu-central-1")
    assert found.url.geturl() == "http://localhost:8000"


def test_aws_region_wins_over_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AWS_REGION alone, which boto3 does not know, wins over the Region of a profile too."""
    set_all(
        monkeypatch, profile(tmp_path, f"{OWN_KEYS}\n{OWN_REGION}"), {"AWS_REGION": "eu-west-3"}
    )
    found = configuration("dynamodb")
    assert (found.region, found.host) == ("eu-west-3", "dynamodb.eu-west-3.amazonaws.com")


@pytest.mark.parametrize("variable", [None, "other.pem"])
def test_a_profile_may_name_authorities(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str | None
) -> None:
    """The bundle of a profile is used unless a variable names another."""
    settings = f"{OWN_KEYS}\n{OWN_REGION}\nca_bundle = {tmp_path}/profile.pem"
    set_all(monkeypatch, profile(tmp_path, settings))
    if variable is not None:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / variable))
    assert configuration("dynamodb").server.trusted == tmp_path / (variable or "profile.pem")


def issue(file: Path, access_key: str, seconds: float) -> None:
    """Let the credential process return these credentials, which are valid for so many seconds."""
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    issued = {
        "Version": 1,
        "AccessKeyId": access_key,
        "SecretAccessKey": "secret",
        "SessionToken": "token",
        "Expiration": expires.isoformat(),
    }
    file.write_text(json.dumps(issued))


def test_a_credential_process_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Credentials of a process are replaced before they expire."""
    file = tmp_path / "issued.json"
    settings = f"{OWN_REGION}\ncredential_process = cat {file}"
    set_all(monkeypatch, profile(tmp_path, settings))
    issue(file, "AKIAONE", 300)
    found = configuration("dynamodb")
    assert found.credentials() == Credentials("AKIAONE", "secret", "token")
    issue(file, "AKIATWO", 3600)
    assert found.credentials().access_key == "AKIATWO"
    issue(file, "AKIATHREE", 3600)
    assert found.credentials().access_key == "AKIATWO"


def test_a_missing_profile_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that does not exist is named."""
    set_all(monkeypatch, REGION, {"AWS_PROFILE": "nobody"})
    assert message() == (
        "The AWS configuration is invalid: The config profile (nobody) could not be found"
    )


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (f"{OWN_REGION}\naws_access_key_id = AKIAPROFILE", "missing: aws_secret_access_key"),
        (f"{OWN_KEYS}\nregion = eu central", "'eu central' doesn't match"),
        (f"{OWN_KEYS}\n{OWN_REGION}\nendpoint_url = localhost:8000", "localhost:8000"),
        (f"{OWN_REGION}\ncredential_process = false", "custom-process"),
        (f"{OWN_REGION}\ncredential_process = echo none", "Expecting value"),
        (f"{OWN_REGION}\ncredential_process = /nowhere/process", "/nowhere/process"),
        (f"{OWN_REGION}\nsso_session = nobody\nsso_account_id = 1", "sso-session"),
        (f"{OWN_REGION}\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = nobody", "nobody"),
        (
            f"{OWN_REGION}\n{ROLE}\nweb_identity_token_file = /nowhere/token",
            "/nowhere/token",
        ),
        ("no setting", "Unable to parse config file"),
    ],
)
def test_a_broken_profile_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: str, text: str
) -> None:
    """Whatever is wrong with a profile, the error is of the configuration and tells of it."""
    set_all(monkeypatch, profile(tmp_path, settings))
    assert text in message()


def test_expired_credentials_of_a_process_are_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that returns expired credentials is an error that says so."""
    file = tmp_path / "issued.json"
    issue(file, "AKIAONE", -3600)
    set_all(monkeypatch, profile(tmp_path, f"{OWN_REGION}\ncredential_process = cat {file}"))
    assert "still expired" in message()


def test_a_role_that_may_not_be_assumed_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What STS refuses is an error of the configuration with STS's reason."""
    refused = (
        b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender'
        b"</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole"
        b"</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
    role = f"{OWN_REGION}\n{ROLE}\nsource_profile = base"
    settings = profile(tmp_path, role, f"[profile base]\n{OWN_KEYS}")
    with serving(lambda _: response(403, refused, Connection="close")) as server:
        set_all(monkeypatch, settings, {"AWS_ENDPOINT_URL_STS": server.url})
        assert "not authorized to perform: sts:AssumeRole" in message()
