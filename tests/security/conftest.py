"""What the security tests share."""

from collections.abc import Iterator

import pytest

from tests.served import Served, served


@pytest.fixture
def api() -> Iterator[Served]:
    """Serve a fresh application that asks for tokens."""
    with served() as fresh:
        yield fresh
