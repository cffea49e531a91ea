"""What all tests share: the servers of storage engines, and what the whole run has to show."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import settings

from chalicelib.storage.dynamodb.table import create_table
from localdev.engines import Engines, Missing, environment
from tests.needs import missing, skipped_lines
from tests.openapi_recorder import recorder

# What is drawn at random: the same few cases at every run, and with
# --hypothesis-profile=thorough many, others each time.
settings.register_profile("quick", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=80, deadline=None, print_blob=True)
settings.load_profile("quick")


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
    except Missing as reason:
        missing(str(reason))


@contextlib.contextmanager
def a_table(client: Any) -> Iterator[str]:
    """Make a table, and delete it in the end."""
    name = f"users-{secrets.token_hex(8)}"
    # Without expiry: the time of the tests is not the emulator's, which would remove their records.
    create_table(client, name, ttl=False, point_in_time_recovery=False, deletion_protection=False)
    try:
        yield name
    finally:
        client.delete_table(TableName=name)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a whole run that has not seen every documented answer; a part of the tests need not."""
    if exitstatus == pytest.ExitCode.OK and _is_whole(session.config) and recorder().unseen:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests were skipped, and which documented answers a whole run has not seen."""
    for line in skipped_lines(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line, yellow=True)
    if _is_whole(terminalreporter.config):
        for answer in recorder().unseen:
            terminalreporter.write_line(f"No test has seen: {answer}", red=True)


def _is_whole(config: pytest.Config) -> bool:
    """Tell whether all tests were asked for, but for those that are slow."""
    given = config.option
    is_part = given.keyword or given.ignore or given.deselect or given.collectonly
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not is_part
