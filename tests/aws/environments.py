"""Environments that tell a process about AWS, and what boto3 finds in them: the oracle."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.aws.configuration import Configuration, configuration
from chalicelib.aws.signing import Credentials
from chalicelib.settings_error import SettingsError

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
}
IN_VARIABLES = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG")
REGION = {"AWS_DEFAULT_REGION": "eu-central-1"}


def isolated(home: Path, patch: pytest.MonkeyPatch) -> None:
    """Remove what this machine says about AWS and proxies, files included."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            patch.delenv(name)
    patch.setenv("HOME", str(home))
    # Else botocore would look for the credentials of an EC2 instance.
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def set_all(patch: pytest.MonkeyPatch, *environments: dict[str, str]) -> None:
    """Set these variables."""
    for environment in environments:
        for name, value in environment.items():
            patch.setenv(name, value)


def profile(home: Path, settings: str, more: str = "") -> dict[str, str]:
    """Write a profile of these settings, and `more` after it; return the variables that name it."""
    file = home / "config"
    file.write_text(f"[profile test]\n{settings}\n{more}\n")
    return {"AWS_CONFIG_FILE": str(file), "AWS_PROFILE": "test"}


@contextmanager
def boto3_client(service: str) -> Iterator[Any]:
    """Yield the client that boto3 makes in this environment, and close it."""
    client: Any = boto3.Session().client(service)
    try:
        yield client
    finally:
        client.close()


def as_boto3(service: str = "dynamodb") -> Configuration:
    """Return the configuration, whose endpoint, Region and credentials boto3 agrees with."""
    found = configuration(service)
    session = boto3.Session()
    with boto3_client(service) as client:
        assert (found.url.geturl(), found.region) == (
            client.meta.endpoint_url,
            client.meta.region_name,
        )
    credentials = session.get_credentials()
    assert credentials is not None
    frozen = credentials.get_frozen_credentials()
    assert found.credentials() == (frozen.access_key, frozen.secret_key, frozen.token)
    return found


def message() -> str:
    """Return the sentence that says what is wrong with this environment."""
    with pytest.raises(SettingsError) as raised:
        configuration("dynamodb").credentials()
    return str(raised.value)
