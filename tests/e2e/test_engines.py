"""`make local STORAGE=…`: the same API on the production databases."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import ROOT, environment, free_port, running_command


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dynamodb", "postgresql"])
def test_the_local_server_runs_on(engine: str, tmp_path: Path) -> None:
    """It starts the database with its table or schema, serves on it, and stops it."""
    port = free_port()
    command: list[str | Path] = ["make", "local", f"PORT={port}", f"STORAGE={engine}"]
    with running_command(command, ROOT, port, environment(tmp_path), tmp_path) as server:
        user = httpx.post(f"{server.url}/users", json={"name": "A", "email": "a@example.com"})
        assert user.status_code == 201
        assert len(httpx.get(f"{server.url}/users").json()["users"]) == 1
        assert engine in server.log.read_text()
        os.killpg(server.process.pid, signal.SIGINT)
        server.process.wait(30)
