"""Only the local server may be open, never a deployment."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.served import ENVIRONMENT, ROOT

BIN = Path(sys.executable).parent
CHALICE = str(BIN / "chalice")
MAKE = ["make", "--no-print-directory", "-o", ".venv/.installed", f"BIN={BIN}"]
AUTHENTICATION = ("AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_SECRET")
NEW_USER = {"name": "Ann Example", "email": "ann@example.com"}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """Return a new user's environment: no settings of this API, no AWS, data in `folder`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "AUTH_", "LOCAL_", "STORAGE_", "CURSOR_", "MAKE"))
    }
    aws = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}
    return {**kept, **aws, "XDG_DATA_HOME": str(folder), **changes}


def run(command: list[str], folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project as a user would."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(folder, **changes),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def serving(command: list[str], folder: Path, **changes: str) -> Iterator[httpx.Client]:
    """Run a server whose command contains {port} on a free port, while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = folder / "server.log"
    with log.open("wb") as output:
        # The command starts other processes; in a session of its own they can be ended together.
        server = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            cwd=ROOT,
            env=environment(folder, **changes),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and server.poll() is None:
                try:
                    client.get("/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            else:
                pytest.fail(log.read_text())
            yield client
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.parametrize(
    "command",
    [
        [*MAKE, "local", "PORT={port}"],
        [CHALICE, "local", "--port", "{port}"],
        [CHALICE, "local", "--stage", "dev", "--port", "{port}"],
    ],
    ids=["make local", "chalice local", "chalice local --stage dev"],
)
def test_the_local_server_is_open(command: list[str], tmp_path: Path) -> None:
    """The first request works without a token, with or without a stage."""
    with serving(command, tmp_path) as client:
        assert client.post("/users", json=NEW_USER).status_code == 201
        assert client.get("/users").status_code == 200


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path]]:
    """Run `make local-auth`; return a client and the folder of its data."""
    folder = tmp_path_factory.mktemp("closed")
    with serving([*MAKE, "local-auth", "PORT={port}"], folder) as client:
        yield client, folder


def token(folder: Path, *variables: str) -> dict[str, str]:
    """Return the Authorization header with a token of `make token`."""
    done = run([*MAKE, "token", *variables], folder)
    assert done.returncode == 0, done.stderr
    return {"Authorization": f"Bearer {done.stdout.strip()}"}


def test_the_closed_server_requires_a_token(closed: tuple[httpx.Client, Path]) -> None:
    """Without a token every protected route is 401; public ones work."""
    client, _ = closed

    reply = client.get("/users")

    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert reply.json()["type"] == "/problems/unauthenticated"
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("header", ["Bearer x.y.z", "Bearer", "Basic dXNlcjpwYXNz", "é", ""])
def test_a_bad_token_gets_a_response(closed: tuple[httpx.Client, Path], header: str) -> None:
    """No token drops the connection, as Chalice's own local server would."""
    client, _ = closed

    reply = client.get("/users", headers={b"Authorization": header.encode()})

    assert reply.status_code == 401
    assert reply.headers["Content-Type"] == "application/problem+json"


def test_tokens_for_the_closed_server(closed: tuple[httpx.Client, Path]) -> None:
    """`make token` prints tokens for an administrator and a user, with their permissions."""
    client, folder = closed
    administrator = token(folder, "SUB=boss", "ROLE=admin")
    made = client.post("/users", json=NEW_USER, headers=administrator)
    user = token(folder, f"SUB={made.json()['user_id']}")
    path = made.headers["Location"].removeprefix("/local")

    assert made.status_code == 201
    assert client.get(path, headers=user).status_code == 200
    assert client.get("/users", headers=user).status_code == 403
    assert client.get(path, headers=token(folder, "SUB=somebody")).status_code == 404


def test_an_open_server_is_only_for_this_machine(tmp_path: Path) -> None:
    """On a reachable address, the server starts only if told whether to require tokens."""
    done = run([CHALICE, "local", "--no-autoreload", "--host", "0.0.0.0"], tmp_path)

    assert done.returncode != 0
    assert "LOCAL_AUTH=closed" in done.stderr
    assert "Traceback" not in done.stderr


def lambda_import(folder: Path, code: str = "", **changes: str) -> tuple[int, str]:
    """Import the application as Lambda does; return the exit status and the last line."""
    done = run(
        [sys.executable, "-c", f"import app\n{code}"],
        folder,
        AWS_LAMBDA_FUNCTION_NAME="user-management-api",
        **changes,
    )
    lines = (done.stderr or done.stdout).strip().splitlines()
    return done.returncode, lines[-1] if lines else ""


@pytest.mark.parametrize(
    "temptation", [{}, {"LOCAL_AUTH": "open"}, {"AWS_CHALICE_CLI_MODE": "true"}], ids=str
)
@pytest.mark.parametrize("missing", [*AUTHENTICATION, "all"])
def test_lambda_does_not_start_without_authentication(
    tmp_path: Path, missing: str, temptation: dict[str, str]
) -> None:
    """On Lambda the application fails to import, with one sentence, and nothing opens it."""
    without = AUTHENTICATION if missing == "all" else (missing,)
    given = {name: value for name, value in ENVIRONMENT.items() if name not in without}

    status, line = lambda_import(tmp_path, **given, **temptation)

    assert status != 0
    assert re.fullmatch(r"\S*SettingsError: Authentication is not configured: set .+\.", line)
    assert all(name in line for name in without)


def test_lambda_with_authentication_is_closed(tmp_path: Path) -> None:
    """With its settings the application starts, and no local setting opens it."""
    code = (
        "event = {'requestContext': {'httpMethod': 'GET', 'resourcePath': '/users'},"
        " 'headers': {}, 'multiValueQueryStringParameters': None, 'pathParameters': None,"
        " 'body': None, 'stageVariables': None, 'isBase64Encoded': False}\n"
        "print(app.app(event, None)['statusCode'])"
    )

    done = lambda_import(tmp_path, code, **ENVIRONMENT, LOCAL_AUTH="open")

    assert done == (0, "401")


@pytest.mark.parametrize("stage", [[], ["--stage", "dev"], ["--stage", "prod"]], ids=" ".join)
@pytest.mark.parametrize("command", ["deploy", "package"])
def test_nothing_is_shipped_without_authentication(
    tmp_path: Path, command: str, stage: list[str]
) -> None:
    """`chalice deploy` and `chalice package` build nothing, and say why in one sentence."""
    out = tmp_path / "out"
    arguments = [str(out)] if command == "package" else []

    done = run([CHALICE, command, *stage, *arguments], tmp_path, LOCAL_AUTH="open")

    assert done.returncode != 0
    assert "Authentication is not configured: set AUTH_ISSUER" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not out.exists()
