"""The PostgreSQL server that is installed where the machine has none."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from localdev.emulators import EmulatorMissing, postgresql
from tests.support.needs import missing


def test_a_machine_without_postgresql_has_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without initdb and postgres on PATH the installed ones are used, even by root."""
    monkeypatch.setenv("PATH", str(tmp_path))
    try:
        with postgresql() as url:
            engine = create_engine(url)
            with engine.connect() as connection:
                version = connection.execute(text("SHOW server_version_num")).scalar_one()
            engine.dispose()
    except EmulatorMissing as reason:
        missing(str(reason))
    assert int(version) >= 120000
