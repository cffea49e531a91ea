"""The local server, started as a user starts it and called over sockets."""

import signal
import socket
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.server import (
    CHALICE,
    ROOT,
    Server,
    environment,
    free_port,
    running,
    running_command,
)

ORDER = {"currency": "EUR", "items": [{"sku": "tea", "quantity": 2, "unit_price": 450}]}
_numbers = count(1)
# Creating a client takes longer than most requests, so threads share one.
_client = httpx.Client(timeout=30, limits=httpx.Limits(max_connections=200))


@pytest.fixture(scope="module", autouse=True)
def _closing() -> Iterator[None]:
    """Close the tests' client at the end."""
    yield
    _client.close()


def a_user(server: Server) -> str:
    """Create a user and return its path."""
    body = {"name": "Ann", "email": f"user{next(_numbers)}@example.com"}
    response = _client.post(f"{server.url}/users", json=body)
    assert response.status_code == 201
    return f"/users/{response.json()['user_id']}"


def at_once(times: int, call: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Return the responses to `times` concurrent calls."""
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


def test_the_banner_shows_urls_and_data(server: Server) -> None:
    """The server prints its URL, the location of its data, and a request to try."""
    text = server.log.read_text()
    assert server.url in text
    assert "users.db" in text
    assert f"curl -X POST {server.url}/users" in text
    a_user(server)
    data = Path(text.partition("sqlite:///")[2].split()[0])
    assert data.exists()
    assert data.parent.stat().st_mode & 0o077 == 0


def test_of_many_creations_with_one_email_one_succeeds(server: Server) -> None:
    """Of 100 threads that create a user with one email, in any case, 1 gets 201 and 99 get 409."""

    def create(n: int) -> httpx.Response:
        email = "one@example.com" if n % 2 else "ONE@EXAMPLE.COM"
        return _client.post(f"{server.url}/users", json={"name": "A", "email": email})

    statuses = Counter(reply.status_code for reply in at_once(100, create))
    assert statuses == {201: 1, 409: 99}


def test_of_many_requests_with_one_key_one_creates(server: Server) -> None:
    """30 threads with one key create one resource, and all get the same response."""
    for path, body in (
        ("/users", {"name": "A", "email": "keyed@example.com"}),
        (f"{a_user(server)}/orders", ORDER),
    ):
        headers = {"Idempotency-Key": f"key of {path}"}

        def create(_: int, path: str = path, body: Any = body, headers: Any = headers) -> Any:
            return _client.post(f"{server.url}{path}", json=body, headers=headers)

        responses = at_once(30, create)
        distinct = {
            (r.status_code, r.content, r.headers["Location"], r.headers["ETag"]) for r in responses
        }
        assert len(distinct) == 1
        assert responses[0].status_code == 201
        assert sum("Idempotent-Replayed" not in r.headers for r in responses) == 1


def test_a_status_changes_only_once(server: Server) -> None:
    """Of 50 threads that change an order to the same status, one succeeds."""
    user = a_user(server)
    order = _client.post(f"{server.url}{user}/orders", json=ORDER).json()
    url = f"{server.url}{user}/orders/{order['order_id']}"
    for step in ("paid", "shipped", "delivered"):
        responses = at_once(50, partial(_change_status, url, step))
        assert Counter(response.status_code for response in responses) == {200: 1, 409: 49}
    assert _client.get(url).json()["version"] == 4


def _change_status(url: str, status: str, _: int) -> httpx.Response:
    return _client.patch(url, json={"status": status})


def test_of_many_writers_of_one_version_one_wins(server: Server) -> None:
    """Of 20 threads that change the same version of a user, one succeeds."""
    url = f"{server.url}{a_user(server)}"

    def change(n: int) -> httpx.Response:
        headers = {"If-Match": '"1"'}
        return _client.patch(url, json={"name": f"Writer {n}"}, headers=headers)

    responses = at_once(20, change)
    assert Counter(response.status_code for response in responses) == {200: 1, 412: 19}
    (success,) = (response for response in responses if response.status_code == 200)
    assert _client.get(url).json() == success.json()


def _order_or_delete(url: str, n: int) -> httpx.Response:
    return _client.delete(url) if n else _client.post(f"{url}/orders", json=ORDER)


def test_an_order_is_never_created_for_a_deleted_user(server: Server) -> None:
    """Of a concurrent deletion and order, one fails."""
    for _ in range(10):
        url = f"{server.url}{a_user(server)}"
        created, deleted = at_once(2, partial(_order_or_delete, url))
        assert (created.status_code, deleted.status_code) in {(201, 409), (404, 204)}


def test_two_servers_share_one_database(tmp_path: Path) -> None:
    """Two processes that share a database file, new at first, keep an email unique."""
    with running(tmp_path) as one, running(tmp_path) as other:
        body = {"name": "A", "email": "both@example.com"}
        responses = at_once(
            40,
            lambda n: _client.post(f"{(one, other)[n % 2].url}/users", json=body),
        )
        assert Counter(response.status_code for response in responses) == {201: 1, 409: 39}
        cursor = _client.get(f"{one.url}/users?limit=1").json()
        assert _client.get(f"{other.url}/users").json()["users"] == cursor["users"]


def test_nothing_is_lost_when_it_is_killed(tmp_path: Path) -> None:
    """After kill -9, every user whose creation got a response exists, and cursors still work."""
    created: list[str] = []
    with running(tmp_path) as server, ThreadPoolExecutor(4) as pool:

        def create(n: int) -> None:
            body = {"name": "A", "email": f"kept{n}@example.com"}
            try:
                response = _client.post(f"{server.url}/users", json=body)
            except httpx.TransportError:
                return
            created.append(response.json()["user_id"])

        futures = [pool.submit(create, n) for n in range(400)]
        while len(created) < 60:
            time.sleep(0.005)
        cursor = _client.get(f"{server.url}/users?limit=1").json()["next_cursor"]
        server.kill()
        for future in futures:
            future.result()
    assert 60 <= len(created) < 400
    with running(tmp_path) as restarted:
        for user_id in created:
            assert _client.get(f"{restarted.url}/users/{user_id}").status_code == 200
        assert _client.get(f"{restarted.url}/users?limit=1&cursor={cursor}").status_code == 200


def test_a_persistent_connection_is_as_fast_as_new_ones(server: Server) -> None:
    """A request on a persistent connection does not wait for delayed acknowledgements."""

    def seconds(get: Callable[[str], httpx.Response]) -> float:
        times = []
        for _ in range(30):
            before = time.perf_counter()
            assert get(f"{server.url}/user/create").status_code == 200
            times.append(time.perf_counter() - before)
        return statistics.median(times)

    with httpx.Client() as client:
        persistent = seconds(client.get)
    assert persistent < 2 * seconds(httpx.get)


def test_plain_chalice_local_restarts_when_the_code_changes(tmp_path: Path) -> None:
    """With autoreload it serves the same API, and stops with its process group."""
    with running(tmp_path, "--autoreload") as server:
        assert _client.get(f"{server.url}/user/create").json() == {"message": "Create user"}
        assert _client.get(f"{server.url}/users").json() == {"users": [], "next_cursor": None}
    assert server.process.returncode in {0, -signal.SIGTERM}
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_it_restarts_only_for_its_sources(tmp_path: Path) -> None:
    """A changed source restarts the server; other files in the project do not."""
    project = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", ROOT, project], check=True)
    port = free_port()
    variables = environment(tmp_path, PYTHONDONTWRITEBYTECODE="1")
    command: list[str | Path] = [CHALICE, "local", "--port", str(port)]
    with running_command(command, project, port, variables, tmp_path) as server:
        time.sleep(1.5)
        (project / "notes.md").write_text("to do")
        (project / "chalicelib" / "__pycache__").mkdir()
        (project / "chalicelib" / "__pycache__" / "settings.cpython-313.pyc").write_bytes(b"")
        time.sleep(2.5)
        assert server.log.read_text().count("Serving on") == 1
        with (project / "chalicelib" / "settings.py").open("a") as source:
            source.write("# changed\n")
        deadline = time.monotonic() + 30
        while server.log.read_text().count("Serving on") < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert server.log.read_text().count("Serving on") == 2


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_named_stage_stays_on_this_machine(tmp_path: Path, stage: str) -> None:
    """`chalice local --stage` uses the embedded database, not the stage's, and is open."""
    with running(tmp_path, "--no-autoreload", "--stage", stage) as server:
        assert _client.get(f"{server.url}/users").status_code == 200
        assert str(tmp_path) in server.log.read_text()


def exchange(server: Server, *pieces: bytes) -> tuple[int, bytes]:
    """Send raw bytes and return the status code and the whole response."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        response = b""
        while chunk := connection.recv(65536):
            response += chunk
    return int(response.split(b" ", 2)[1]), response


BODY = b'{"name": "A", "email": "raw@example.com"}'
HEAD = b"POST /users HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (HEAD + b"Content-Length: 500\r\n\r\n" + BODY, 400),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: ten\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400),
        (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", 413),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * 70_000), 400),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 400),
        (b"BREW /users HTTP/1.1\r\n\r\n", 405),
        (b"GET http://elsewhere.example/users?limit=0 HTTP/1.1\r\n\r\n", 404),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", 404),
    ],
)
def test_malformed_requests_get_a_response(
    server: Server, request_text: bytes, status: int
) -> None:
    """The response to a malformed request is a problem, not a dropped connection."""
    actual, response = exchange(server, request_text)
    assert actual == status, response
    assert b"application/problem+json" in response
    assert b'"request_id":"' in response


def test_chunked_bodies_are_read(server: Server) -> None:
    """A chunked body, with an extension and a trailer, is read completely."""
    half = len(BODY) // 2
    chunks = b"%x;a=b\r\n%s\r\n%x\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (
        half,
        BODY[:half],
        len(BODY) - half,
        BODY[half:],
    )
    status, response = exchange(server, HEAD, b"Transfer-Encoding: chunked\r\n\r\n", chunks)
    assert (status, b"raw@example.com" in response) == (201, True)


def test_head_has_no_body(server: Server) -> None:
    """The response to HEAD ends with its headers."""
    status, response = exchange(server, b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert status == 200
    assert response.endswith(b"\r\n\r\n")
