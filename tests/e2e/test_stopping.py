"""The local server ends with all its threads, however it is stopped."""

import os
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import running

PATIENCE = 10


@pytest.mark.parametrize("option", ["--autoreload", "--no-autoreload"])
@pytest.mark.parametrize("storage", ["sqlite", "memory"])
def test_ctrl_c_ends_it(tmp_path: Path, option: str, storage: str) -> None:
    """Ctrl-C ends the server and what sends webhooks beside it, without a traceback."""
    url = "memory:" if storage == "memory" else ""
    with running(tmp_path, option, STORAGE_URL=url) as server:
        assert httpx.get(f"{server.url}/health").status_code == 200
        os.killpg(server.process.pid, signal.SIGINT)
        server.process.wait(PATIENCE)
        # Also the process that autoreload starts.
        end = time.monotonic() + PATIENCE
        while _is_running(server.process.pid):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("option", ["--autoreload", "--no-autoreload"])
def test_a_slow_endpoint_does_not_delay_the_end(tmp_path: Path, option: str) -> None:
    """Ctrl-C ends the server while an endpoint has not responded, and prints no warning."""
    with socket.create_server(("127.0.0.1", 0)) as silent, running(tmp_path, option) as server:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        webhook = httpx.post(f"{server.url}/webhooks", json={"url": url}).json()
        httpx.post(f"{server.url}/webhooks/{webhook['webhook_id']}/test")
        silent.settimeout(PATIENCE)
        connection, _ = silent.accept()
        with connection:
            started = time.monotonic()
            os.killpg(server.process.pid, signal.SIGINT)
            server.process.wait(PATIENCE)
            while _is_running(server.process.pid):
                assert time.monotonic() < started + PATIENCE
                time.sleep(0.05)
            assert time.monotonic() - started < 6
        for word in ("Traceback", "later", "shutdown"):
            assert word not in server.log.read_text()


def _is_running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
