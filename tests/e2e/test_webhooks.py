"""Webhooks on this machine: the local server sends them, and `make listen` receives them."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from chalicelib.domain.webhook_secrets import as_text
from chalicelib.events.signatures import signed_headers
from tests.e2e.server import ROOT, environment, free_port, running
from tests.support.event_factories import an_event

ORDER = {"currency": "EUR", "items": [{"sku": "tea", "quantity": 2, "unit_price": 450}]}
SECRET = b"s" * 32
PATIENCE = 30
# The project that is tested is installed.
LISTEN = ["make", "--old-file=.venv/.installed", "listen"]


class Listener:
    """A running `make listen`."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    def lines(self, number: int) -> list[list[str]]:
        """Return the columns of each event's line, once there are so many."""
        end = time.monotonic() + PATIENCE
        while True:
            whole = self._log.read_text().rpartition("\n")[0].splitlines()
            if len(whole) > number:
                return [[column for column in line.split("  ") if column] for line in whole[1:]]
            assert time.monotonic() < end, whole
            time.sleep(0.02)


@contextmanager
def listening(folder: Path, port: int, secret: str) -> Iterator[Listener]:
    """Run `make listen` for the block; Ctrl-C ends it."""
    log = folder / f"listen-{port}.log"
    command = [*LISTEN, f"PORT={port}", *([f"SECRET={secret}"] if secret else [])]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(folder), stdout=output, start_new_session=True
        )
    listener = Listener(port, log)
    try:
        listener.lines(0)
        yield listener
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE)


def test_all_events_arrive_signed_and_in_sequence(tmp_path: Path) -> None:
    """Each change that is made over HTTP arrives once, verified, with the next sequence."""
    port = free_port()
    with running(tmp_path) as server, httpx.Client(base_url=server.url) as client:
        hook = client.post("/webhooks", json={"url": f"http://127.0.0.1:{port}/events"}).json()
        with listening(tmp_path, port, hook["secret"]) as listener:
            user = client.post("/users", json={"name": "Ann", "email": "ann@example.com"}).json()
            user_path = f"/users/{user['user_id']}"
            order = client.post(f"{user_path}/orders", json=ORDER).json()
            path = f"{user_path}/orders/{order['order_id']}"
            listener.lines(2)
            for number, status in enumerate(("paid", "shipped", "delivered"), 3):
                assert client.patch(path, json={"status": status}).status_code == 200
                listener.lines(number)
            assert client.delete(user_path).status_code == 204
            lines = listener.lines(6)
            arrived = sorted([kind, int(n), subject, *rest] for kind, n, subject, *rest in lines)
            client.post(f"/webhooks/{hook['webhook_id']}/test")
            test = listener.lines(7)[6]
            listed = client.get(f"/webhooks/{hook['webhook_id']}/deliveries").json()

    assert arrived == [
        ["order.created", 1, path, "verified"],
        ["order.delivered", 4, path, "verified"],
        ["order.paid", 2, path, "verified"],
        ["order.shipped", 3, path, "verified"],
        ["user.created", 1, user_path, "verified"],
        ["user.deleted", 2, user_path, "verified"],
    ]
    assert [test[0].strip(), test[-1]] == ["webhook.test", "verified"]
    assert len(listed["deliveries"]) == 7


def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Send one request and return the status of the response."""
    return httpx.post(url, headers=headers, content=body).status_code


def signed(body: bytes, timestamp: int, secret: bytes = SECRET) -> dict[str, str]:
    """Return the headers of a message."""
    return signed_headers([secret], "msg", timestamp, body)


def test_only_signed_events_are_received(tmp_path: Path) -> None:
    """A wrong, missing or old signature, and a body that is no event, get 400 and a line."""
    body, now = an_event().to_json().encode(), int(time.time())
    with listening(tmp_path, free_port(), as_text(SECRET)) as listener:
        refused = [
            post(listener.url, {}, body),
            post(listener.url, signed(body, now, b"another"), body),
            post(listener.url, signed(body, now), body + b" "),
            post(listener.url, signed(body, now - 400), body),
            post(listener.url, signed(body, now + 400), body),
            post(listener.url, signed(b"{}", now), b"{}"),
            post(listener.url, signed(b"", now), b""),
        ]
        assert post(listener.url, signed(body, now), body) == 204
        lines = listener.lines(8)

    assert refused == [400] * 7
    assert [line[0][:4] for line in lines[:7]] == ["400:"] * 7
    assert lines[7][0] == "user.created"


def numbered(number: int) -> bytes:
    """Return an event of one subject with this sequence."""
    return an_event(subject="/users/usr_1", sequence=f"{number:016}").to_json().encode()


def test_gaps_and_repetitions_are_shown(tmp_path: Path) -> None:
    """Each line says whether events of its subject were skipped, or had arrived before."""
    with listening(tmp_path, free_port(), "") as listener:
        for number in (2, 3, 6, 6, 5, 7):
            assert post(listener.url, {}, numbered(number)) == 204
        lines = listener.lines(6)

    assert [line[4:] for line in lines] == [[], [], ["2 skipped"], ["again"], ["late"], []]
    assert {line[3] for line in lines} == {"not verified"}


@pytest.mark.parametrize("secret", ["sesame", "whsec_", "whsec_%%%"])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, secret: str) -> None:
    """A secret in another form ends the command with a sentence."""
    command = [*LISTEN, f"PORT={free_port()}", f"SECRET={secret}"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert "whsec_ followed by base64" in ended.stderr
    assert "Traceback" not in ended.stderr
