"""Fixtures of all tests: servers for storage engines, and checks of the whole run."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import settings

from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Resources
from chalicelib.storage.dynamodb.table import create_table
from localdev.emulators import EmulatorMissing, Emulators, environment
from tests.support.needs import missing, skipped_lines
from tests.support.openapi_recorder import recorder

# Random examples: the same few in every run, or, with --hypothesis-profile=thorough,
# many that differ between runs.
settings.register_profile("quick", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=80, deadline=None, print_blob=True)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def engines() -> Iterator[Emulators]:
    """Run the servers that this session needs, each started on first use."""
    with Emulators() as running:
        yield running


@pytest.fixture
def emulator(engines: Emulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Create an empty table on ministack, set the AWS variables to it, and return its name."""
    for name, value in environment(url_of(engines, "ministack")).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("dynamodb")
    with a_table(client) as table:
        yield table
    client.close()


def url_of(engines: Emulators, name: str) -> str:
    """Return the engine's address; skip the test without it, or fail in CI."""
    try:
        return engines.url(name)
    except EmulatorMissing as reason:
        missing(str(reason))


@contextlib.contextmanager
def a_table(
    client: Any, resources: Resources = RESOURCES, *, stream: bool = False
) -> Iterator[str]:
    """Create a table, and delete it afterwards."""
    name = f"users-{secrets.token_hex(8)}"
    # Without TTL: the emulator has its own time, and would remove the tests' records.
    create_table(
        client,
        name,
        resources,
        ttl=False,
        point_in_time_recovery=False,
        deletion_protection=False,
        stream=stream,
    )
    try:
        yield name
    finally:
        client.delete_table(TableName=name)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a complete run in which no test has seen some documented response."""
    if exitstatus == pytest.ExitCode.OK and _is_whole(session.config) and recorder().unseen:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print why tests were skipped, and which documented responses a complete run has not seen."""
    for line in skipped_lines(terminalreporter.getreports("skipped")):
        terminalreporter.write_line(line, yellow=True)
    if _is_whole(terminalreporter.config):
        for response in recorder().unseen:
            terminalreporter.write_line(f"No test has seen: {response}", red=True)


def _is_whole(config: pytest.Config) -> bool:
    """Return True if all tests were selected, apart from slow ones."""
    given = config.option
    is_part = given.keyword or given.ignore or given.deselect or given.collectonly
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not is_part
