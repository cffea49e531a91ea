"""What the tests of the document share: the document itself, and servers to hold it against."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.openapi.local_server import LocalServer, local_server
from tests.served import served


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """Return the document, as the API answers it."""
    with served() as api:
        body: dict[str, Any] = api.call("GET", "/openapi.json").body
        return body


@pytest.fixture(scope="session")
def document_file(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that holds the document."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalServer]:
    """Serve the API, open or, by the parameter `closed`, asking for tokens."""
    with local_server(tmp_path, closed=getattr(request, "param", "open") == "closed") as running:
        yield running
