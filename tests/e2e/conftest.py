"""Fixtures for the tests of the running server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run an open server with its own data."""
    with running(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return an empty folder for a server's data."""
    return tmp_path
