"""Fixtures of the tests of the log."""

import pytest

from tests.telemetry.lines import Log


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Log:
    """Return the log of this process."""
    return Log(capsys)
