"""Connections to a server: reuse, replacement, and certificate checks."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.dynamodb_stub import running
from chalicelib.aws.connections import Connections, Timeouts
from chalicelib.aws.connections import Server as Place
from chalicelib.aws.errors import NoResponse
from chalicelib.aws.http_messages import Request
from tests.aws.http_server import HTTPServer, Last, response, serving

WHOLE = response(200, b"{}")
LAST = Last(response(200, b"{}", Connection="close"))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
PART = Last(response(200, b"{}", Content_Length="9"))
TIMEOUTS = Timeouts(1, 1)
REQUEST = Request(
    "POST", "/", {"Host": "example.test", "X-Amz-Target": "DynamoDB_20120810.GetItem"}, b"{}"
)


def place_of(server: HTTPServer) -> Place:
    """Return where `server` is."""
    return Place("127.0.0.1", server.port, tls=False)


@contextlib.contextmanager
def connected(place: Place, timeouts: Timeouts = TIMEOUTS) -> Iterator[Connections]:
    """Yield connections that are closed afterwards."""
    made = Connections(place, timeouts)
    try:
        yield made
    finally:
        made.close()


def test_a_request_is_sent_as_given() -> None:
    """Method, target, headers and body are sent unchanged, with the body's length."""
    with serving(lambda _: WHOLE) as server, connected(place_of(server)) as connections:
        returned = connections.send(REQUEST)
    [received] = server.received
    assert (received.method, received.target, received.body) == ("POST", "/", b"{}")
    assert received.headers == {
        "host": "example.test",
        "x-amz-target": "DynamoDB_20120810.GetItem",
        "accept-encoding": "identity",
        "content-length": "2",
    }
    assert (returned.status, returned.body) == (200, b"{}")


@pytest.mark.parametrize("raw", [WHOLE, CHUNKED])
def test_a_connection_is_reused(raw: bytes) -> None:
    """One connection carries successive requests."""
    with serving(lambda _: raw) as server, connected(place_of(server)) as connections:
        assert [connections.send(REQUEST).body for _ in range(3)] == [b"{}"] * 3
        assert server.accepted == 1


def test_a_connection_closed_by_the_server_is_replaced() -> None:
    """A server that closes an idle connection causes no failed request."""
    with serving(lambda _: Last(WHOLE)) as server, connected(place_of(server)) as connections:
        for number in range(1, 4):
            connections.send(REQUEST)
            assert server.open_connections(0) == 0
            assert server.accepted == number


def test_connection_close_is_respected() -> None:
    """After "Connection: close" the next request opens a new connection."""
    with serving(lambda _: LAST) as server, connected(place_of(server)) as connections:
        for _ in range(2):
            connections.send(REQUEST)
        assert server.accepted == 2


@pytest.mark.parametrize("raw", [PART, Last(b"")])
def test_a_truncated_response_is_an_error(raw: bytes) -> None:
    """A response that ends early, or does not begin, is an error and no shorter response."""
    with serving(lambda _: raw) as server, pytest.raises(NoResponse):
        Connections(place_of(server), TIMEOUTS).send(REQUEST)


def test_silence_is_no_response() -> None:
    """A server that accepts but never responds causes a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = Place("127.0.0.1", silent.getsockname()[1], tls=False)
        with pytest.raises(NoResponse, match="timed out"):
            Connections(place, Timeouts(1, 0.05)).send(REQUEST)


def test_a_refused_connection_is_no_response() -> None:
    """If nothing listens, the error says so."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        place = Place("127.0.0.1", gone.getsockname()[1], tls=False)
    with pytest.raises(NoResponse, match="refused"):
        Connections(place, TIMEOUTS).send(REQUEST)


def test_an_untrusted_certificate_is_refused() -> None:
    """A server whose certificate no trusted authority signed gets no request."""
    with running() as aws:
        place = urlsplit(aws["AWS_ENDPOINT_URL"])
        untrusting = Place("127.0.0.1", place.port or 0)
        with pytest.raises(NoResponse, match="certificate verify failed"):
            Connections(untrusting, TIMEOUTS).send(REQUEST)


def test_a_certificate_for_another_host_is_refused() -> None:
    """A trusted certificate is valid only for the host that it names."""
    with running() as aws:
        port = urlsplit(aws["AWS_ENDPOINT_URL"]).port or 0
        trusted = Path(aws["AWS_CA_BUNDLE"])
        with connected(Place("127.0.0.1", port, trusted=trusted)) as trusting:
            assert trusting.send(REQUEST).status == 200
        with pytest.raises(NoResponse, match="localhost"):
            Connections(Place("localhost", port, trusted=trusted), TIMEOUTS).send(REQUEST)


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name with several addresses, some of them silent, is connected to within the time."""
    with serving(lambda _: WHOLE) as server:
        full = socket.create_server(("127.0.0.2", server.port), backlog=0)
        # The queue of a listener that accepts nobody is soon full: then nobody is answered.
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(("127.0.0.2", server.port))
        resolved = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, server.port))
            for address in ("127.0.0.2", "127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: resolved)
        start = time.monotonic()
        place = Place("several.test", server.port, tls=False)
        # Both silent addresses together may take two of these three seconds.
        with connected(place, Timeouts(3, 1)) as connections:
            assert connections.send(REQUEST).status == 200
        assert time.monotonic() - start < 5
        for one in (*waiting, full):
            one.close()
