"""Fixtures of the API tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localdev.emulators import environment
from tests.conftest import url_of
from tests.support.served import Served, served


@pytest.fixture(params=["sqlite", pytest.param("dynamodb", marks=pytest.mark.slow)])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """Serve a new application on an empty database, embedded or emulated."""
    if request.param == "sqlite":
        with served(STORAGE_URL=f"sqlite:///{tmp_path / 'api.db'}") as fresh:
            yield fresh
    else:
        table = request.getfixturevalue("emulator")
        aws = environment(url_of(request.getfixturevalue("engines"), "ministack"))
        with served(STORAGE_URL=f"dynamodb://{table}", **aws) as fresh:
            yield fresh
