"""The local server, started as a person would start it, with data of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

import httpx

ROOT = Path(__file__).parents[2]
_SECONDS_TO_START = 30


class LocalServer:
    """A running server: its address, and the environment that it was started with."""

    def __init__(self, url: str, environment: dict[str, str]) -> None:
        self.url = url
        self._environment = environment

    def token(self, *arguments: str) -> str:
        """Return a token as `make token` prints it."""
        command = [sys.executable, "-m", "localdev.token", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


@contextmanager
def local_server(data: Path, *, closed: bool) -> Iterator[LocalServer]:
    """Serve the API from the folder `data` while the block runs."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "STORAGE_URL"}
    environment |= {"XDG_DATA_HOME": str(data), "LOCAL_AUTH": "closed" if closed else "open"}
    chalice = Path(sys.executable).parent / "chalice"
    command = [str(chalice), "local", "--no-autoreload", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with (data / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(url, process)
            yield LocalServer(url, environment)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            httpx.get(f"{url}/health").raise_for_status()
        except httpx.TransportError:
            assert process.poll() is None, "The server ended."
            assert time.monotonic() < until, "The server does not answer."
            time.sleep(0.1)
        else:
            return
