"""`chalice local` as a user starts and stops it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CHALICE = Path(sys.executable).with_name("chalice")
_START_SECONDS = 240


class Server(NamedTuple):
    """A running server; `log` is the file with its output."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """Kill the server, as a crash would."""
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """Return an unused port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(data: Path, **changes: str) -> dict[str, str]:
    """Return the environment of a new user's shell, with data in `data`."""
    kept = {"PATH", "HOME", "LANG", "PYENV_VERSION", "PIP_CERT", "PIP_DEFAULT_TIMEOUT"}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in kept or name.startswith(("PIP_", "SSL_", "npm_"))
    }
    return inherited | {"XDG_DATA_HOME": str(data), "PYTHONUNBUFFERED": "1"} | changes


@contextmanager
def running(
    data: Path, *arguments: str, port: int | None = None, **changes: str
) -> Iterator[Server]:
    """Run a server for the block, then stop it and its child processes."""
    port = port or free_port()
    command: list[str | Path] = [
        CHALICE,
        "local",
        "--port",
        str(port),
        *(arguments or ("--no-autoreload",)),
    ]
    with running_command(command, ROOT, port, environment(data, **changes), data) as server:
        yield server


@contextmanager
def running_command(
    command: list[str | Path], folder: Path, port: int, variables: dict[str, str], logs: Path
) -> Iterator[Server]:
    """Run a command that serves on `port` for the block."""
    log = logs / f"server-{port}.log"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Background jobs of a shell ignore SIGINT, and so would the server that they start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    server = Server(port, process, log)
    try:
        _await(server)
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _await(server: Server) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while server.process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            if "Serving on" in server.log.read_text():
                return
    raise AssertionError(f"The server did not start: {server.log.read_text()}")
