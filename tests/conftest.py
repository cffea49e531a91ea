"""What tests of several folders share: the servers of storage engines."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from chalicelib.storage.dynamodb_table import create_table
from localdev.engines import Engines, Missing, environment


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Run the servers that this session needs, each when it is first needed."""
    with Engines() as running:
        yield running


@pytest.fixture
def emulator(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make an empty table on ministack, which the AWS variables point at, and return its name."""
    for name, value in environment(url_of(engines, "ministack")).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("dynamodb")
    with a_table(client) as table:
        yield table
    client.close()


def url_of(engines: Engines, name: str) -> str:
    """Return the engine's address; skip the test without it, or fail where all have to run."""
    try:
        return engines.url(name)
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@contextlib.contextmanager
def a_table(client: Any) -> Iterator[str]:
    """Make a table, and delete it in the end."""
    name = f"users-{secrets.token_hex(8)}"
    create_table(client, name, ttl=True, point_in_time_recovery=False, deletion_protection=False)
    try:
        yield name
    finally:
        client.delete_table(TableName=name)
