"""What the tests of the API share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import Served, served


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Served]:
    """Serve a fresh application on a database of its own."""
    with served(STORAGE_URL=f"sqlite:///{tmp_path / 'api.db'}") as fresh:
        yield fresh
