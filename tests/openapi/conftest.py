"""Fixtures of the document's tests: the document, and servers to compare it with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server, running
from tests.support.served import served


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """Return the document, as the API serves it."""
    with served() as api:
        body: dict[str, Any] = api.call("GET", "/openapi.json").body
        return body


@pytest.fixture(scope="session")
def document_file(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the document."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def open_server(tmp_path: Path) -> Iterator[Server]:
    """Serve the API without authentication."""
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def closed_server(tmp_path: Path) -> Iterator[Server]:
    """Serve the API to callers with a token."""
    with running(tmp_path, LOCAL_AUTH="closed") as started:
        yield started
