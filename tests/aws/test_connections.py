"""Connections to a server: reuse, replacement, and certificate checks."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.dynamodb_stub import running
from chalicelib.aws.connections import Connections, Timeouts
from chalicelib.aws.connections import Server as Place
from chalicelib.aws.errors import NoResponse
from chalicelib.aws.http_messages import Request

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
PART = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"
TIMEOUTS = Timeouts(1, 1)
REQUEST = Request(
    "POST", "/", {"Host": "example.test", "X-Amz-Target": "DynamoDB_20120810.GetItem"}, b"{}"
)


class FakeServer:
    """Sends `responses` in turn, None being silence; `accepted` counts connections."""

    def __init__(self, *responses: bytes | None, requests_each: int = 100) -> None:
        self._responses = cycle(responses)
        self._requests_each = requests_each
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.accepted = 0
        self.received: list[bytes] = []
        self.ended = threading.Event()
        self.place = Place("127.0.0.1", self._listener.getsockname()[1], tls=False)

    @contextlib.contextmanager
    def serving(self) -> Iterator["FakeServer"]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self._accept)
        thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                self.ended.clear()
                with connection:
                    self._respond(connection)
                self.ended.set()

    def _respond(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        for _ in range(self._requests_each):
            request = connection.recv(65536)
            response = next(self._responses) if request else None
            if request:
                self.received.append(request)
            if response is None:
                return
            connection.sendall(response)
            if response in {PART, LAST}:
                return


@contextlib.contextmanager
def connected(place: Place, timeouts: Timeouts = TIMEOUTS) -> Iterator[Connections]:
    """Yield connections that are closed afterwards."""
    made = Connections(place, timeouts)
    try:
        yield made
    finally:
        made.close()


def test_a_request_is_sent_as_given() -> None:
    """Method, target, headers and body are sent unchanged, in one piece with the body's length."""
    with FakeServer(WHOLE).serving() as server, connected(server.place) as connections:
        response = connections.send(REQUEST)
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST / HTTP/1.1"
    assert set(lines) >= {b"X-Amz-Target: DynamoDB_20120810.GetItem", b"Content-Length: 2"}
    assert lines.count(b"Host: example.test") == 1
    assert (body, response.status, response.body) == (b"{}", 200, b"{}")


@pytest.mark.parametrize("response", [WHOLE, CHUNKED])
def test_a_connection_is_reused(response: bytes) -> None:
    """One connection carries successive requests."""
    with FakeServer(response).serving() as server, connected(server.place) as connections:
        assert [connections.send(REQUEST).body for _ in range(3)] == [b"{}"] * 3
        assert server.accepted == 1


def test_a_connection_closed_by_the_server_is_replaced() -> None:
    """A server that closes an idle connection causes no failed request."""
    with (
        FakeServer(WHOLE, requests_each=1).serving() as server,
        connected(server.place) as connections,
    ):
        for number in range(1, 4):
            connections.send(REQUEST)
            assert server.ended.wait(5)
            assert server.accepted == number


def test_connection_close_is_respected() -> None:
    """After "Connection: close" the next request opens a new connection."""
    with FakeServer(LAST).serving() as server, connected(server.place) as connections:
        for _ in range(2):
            connections.send(REQUEST)
        assert server.accepted == 2


def test_a_truncated_response_is_an_error() -> None:
    """A response that ends early is an error, not a shorter response."""
    with FakeServer(PART).serving() as server, pytest.raises(NoResponse):
        Connections(server.place, TIMEOUTS).send(REQUEST)


def test_a_missing_response_is_an_error() -> None:
    """A connection that ends before the response is an error."""
    with FakeServer(None).serving() as server, pytest.raises(NoResponse):
        Connections(server.place, TIMEOUTS).send(REQUEST)


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
