"""Fixtures of the security tests."""

from collections.abc import Iterator

import pytest

from tests.support.served import Served, served


@pytest.fixture
def api() -> Iterator[Served]:
    """Serve a new application that requires tokens."""
    with served() as fresh:
        yield fresh
