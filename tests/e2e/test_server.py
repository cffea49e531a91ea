"""The local server, started as a user starts it and called over real sockets."""

import signal
import socket
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
# Making a client costs more than most requests, so that threads share one.
_client = httpx.Client(timeout=30, limits=httpx.Limits(max_connections=200))


@pytest.fixture(scope="module", autouse=True)
def _closing() -> Iterator[None]:
    """Close the tests' client in the end."""
    yield
    _client.close()


def a_user(server: Server) -> str:
    """Return the path of a new user."""
    body = {"name": "Ann", "email": f"user{next(_numbers)}@example.com"}
    reply = _client.post(f"{server.url}/users", json=body)
    assert reply.status_code == 201
    return f"/users/{reply.json()['user_id']}"


def at_once(times: int, call: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Return the answers to `times` calls that run side by side."""
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


def test_it_says_where_things_are(server: Server) -> None:
    """The server prints its address, where its data is, and a first call to try."""
    text = server.log.read_text()
    assert server.url in text
    assert "users.db" in text
    assert f"curl -X POST {server.url}/users" in text
    a_user(server)
    data = Path(text.partition("sqlite:///")[2].split()[0])
    assert data.exists()
    assert data.parent.stat().st_mode & 0o077 == 0


def test_of_many_creations_with_one_email_one_succeeds(server: Server) -> None:
    """Of 100 threads that create one address in turn upper and lower case, 1 gets 201, 99 409."""

    def create(n: int) -> httpx.Response:
        email = "one@example.com" if n % 2 else "ONE@EXAMPLE.COM"
        return _client.post(f"{server.url}/users", json={"name": "A", "email": email})

    statuses = Counter(reply.status_code for reply in at_once(100, create))
    assert statuses == {201: 1, 409: 99}


def test_of_many_requests_with_one_key_one_creates(server: Server) -> None:
    """30 threads with one key create one thing, and all get the same answer."""
    for path, body in (
        ("/users", {"name": "A", "email": "keyed@example.com"}),
        (f"{a_user(server)}/orders", ORDER),
    ):
        headers = {"Idempotency-Key": f"key of {path}"}

        def create(_: int, path: str = path, body: Any = body, headers: Any = headers) -> Any:
            return _client.post(f"{server.url}{path}", json=body, headers=headers)

        replies = at_once(30, create)
        kept = {
            (r.status_code, r.content, r.headers["Location"], r.headers["ETag"]) for r in replies
        }
        assert len(kept) == 1
        assert replies[0].status_code == 201
        assert sum("Idempotent-Replayed" not in reply.headers for reply in replies) == 1


def test_no_step_is_taken_twice(server: Server) -> None:
    """50 threads that step one order take each step once."""
    user = a_user(server)
    order = _client.post(f"{server.url}{user}/orders", json=ORDER).json()
    url = f"{server.url}{user}/orders/{order['order_id']}"
    for step in ("paid", "shipped", "delivered"):
        replies = at_once(50, lambda _, s=step: _client.patch(url, json={"status": s}))
        assert Counter(reply.status_code for reply in replies) == {200: 1, 409: 49}
    assert _client.get(url).json()["version"] == 4


def test_of_many_writers_of_one_version_one_wins(server: Server) -> None:
    """20 threads that change the same version of a user succeed once."""
    url = f"{server.url}{a_user(server)}"

    def change(n: int) -> httpx.Response:
        headers = {"If-Match": '"1"'}
        return _client.patch(url, json={"name": f"Writer {n}"}, headers=headers)

    replies = at_once(20, change)
    assert Counter(reply.status_code for reply in replies) == {200: 1, 412: 19}
    (won,) = (reply for reply in replies if reply.status_code == 200)
    assert _client.get(url).json() == won.json()


def test_an_order_is_never_made_for_a_user_deleted_meanwhile(server: Server) -> None:
    """Of a deletion and an order at the same moment, one is refused."""
    for _ in range(10):
        url = f"{server.url}{a_user(server)}"
        made, deleted = at_once(
            2, lambda n, u=url: _client.delete(u) if n else _client.post(f"{u}/orders", json=ORDER)
        )
        assert (made.status_code, deleted.status_code) in {(201, 409), (404, 204)}


def test_two_servers_share_one_database(tmp_path: Path) -> None:
    """Two processes on one file keep an address unique between them, from the first use on."""
    with running(tmp_path) as one, running(tmp_path) as other:
        body = {"name": "A", "email": "both@example.com"}
        replies = at_once(
            40,
            lambda n: _client.post(f"{(one, other)[n % 2].url}/users", json=body),
        )
        assert Counter(reply.status_code for reply in replies) == {201: 1, 409: 39}
        cursor = _client.get(f"{one.url}/users?limit=1").json()
        assert _client.get(f"{other.url}/users").json()["users"] == cursor["users"]


def test_nothing_answered_is_lost_when_it_is_killed(tmp_path: Path) -> None:
    """After kill -9 each user whose creation was answered is there, and cursors still lead on."""
    answered: list[str] = []
    with running(tmp_path) as server, ThreadPoolExecutor(4) as pool:

        def create(n: int) -> None:
            body = {"name": "A", "email": f"kept{n}@example.com"}
            try:
                reply = _client.post(f"{server.url}/users", json=body)
            except httpx.TransportError:
                return
            answered.append(reply.json()["user_id"])

        futures = [pool.submit(create, n) for n in range(400)]
        while len(answered) < 60:
            time.sleep(0.005)
        cursor = _client.get(f"{server.url}/users?limit=1").json()["next_cursor"]
        server.kill()
        for future in futures:
            future.result()
    assert 60 <= len(answered) < 400
    with running(tmp_path) as again:
        for user_id in answered:
            assert _client.get(f"{again.url}/users/{user_id}").status_code == 200
        assert _client.get(f"{again.url}/users?limit=1&cursor={cursor}").status_code == 200


def test_a_kept_connection_is_as_fast_as_new_ones(server: Server) -> None:
    """A request on a kept connection does not wait for delayed acknowledgements."""

    def seconds(get: Callable[[str], httpx.Response]) -> float:
        times = []
        for _ in range(30):
            before = time.perf_counter()
            assert get(f"{server.url}/user/create").status_code == 200
            times.append(time.perf_counter() - before)
        return statistics.median(times)

    with httpx.Client() as client:
        kept = seconds(client.get)
    assert kept < 2 * seconds(httpx.get)


def test_plain_chalice_local_restarts_when_the_code_changes(tmp_path: Path) -> None:
    """With Chalice's own defaults it serves the same, and ends with its group."""
    with running(tmp_path, "--autoreload") as server:
        assert _client.get(f"{server.url}/user/create").json() == {"message": "Create user"}
        assert _client.get(f"{server.url}/users").json() == {"users": [], "next_cursor": None}
    assert server.process.returncode in {0, -signal.SIGTERM}
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_it_restarts_for_its_sources_alone(tmp_path: Path) -> None:
    """A changed source restarts the server; whatever else is written to the project does not."""
    project = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", ROOT, project], check=True)
    port = free_port()
    variables = environment(tmp_path, PYTHONDONTWRITEBYTECODE="1")
    command: list[str | Path] = [CHALICE, "local", "--port", str(port)]
    with running_command(command, project, port, variables, tmp_path) as server:
        time.sleep(1.5)
        (project / "notes.md").write_text("to do")
        (project / "chalicelib" / "__pycache__").mkdir()
        (project / "chalicelib" / "__pycache__" / "users.cpython-313.pyc").write_bytes(b"")
        time.sleep(2.5)
        assert server.log.read_text().count("Serving on") == 1
        with (project / "chalicelib" / "users.py").open("a") as source:
            source.write("# changed\n")
        deadline = time.monotonic() + 30
        while server.log.read_text().count("Serving on") < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert server.log.read_text().count("Serving on") == 2


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_named_stage_stays_on_this_machine(tmp_path: Path, stage: str) -> None:
    """`chalice local --stage` serves openly on the embedded database, not on the stage's."""
    with running(tmp_path, "--no-autoreload", "--stage", stage) as server:
        assert _client.get(f"{server.url}/users").status_code == 200
        assert str(tmp_path) in server.log.read_text()


def exchange(server: Server, *pieces: bytes) -> tuple[int, bytes]:
    """Send raw octets and return the status and all that came back."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        whole = b""
        while chunk := connection.recv(65536):
            whole += chunk
    return int(whole.split(b" ", 2)[1]), whole


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
def test_broken_requests_are_answered(server: Server, request_text: bytes, status: int) -> None:
    """What is no proper request is answered with a problem, not with a dropped connection."""
    found, whole = exchange(server, request_text)
    assert found == status, whole
    assert b"application/problem+json" in whole
    assert b'"request_id":"' in whole


def test_chunked_bodies_are_read(server: Server) -> None:
    """A body in chunks, with an extension and a trailer, arrives whole."""
    half = len(BODY) // 2
    chunks = b"%x;a=b\r\n%s\r\n%x\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (
        half,
        BODY[:half],
        len(BODY) - half,
        BODY[half:],
    )
    status, whole = exchange(server, HEAD, b"Transfer-Encoding: chunked\r\n\r\n", chunks)
    assert (status, b"raw@example.com" in whole) == (201, True)


def test_head_has_no_body(server: Server) -> None:
    """HEAD over a socket ends with its headers."""
    status, whole = exchange(server, b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert status == 200
    assert whole.endswith(b"\r\n\r\n")
