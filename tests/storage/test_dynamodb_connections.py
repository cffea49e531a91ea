"""Connections to DynamoDB: reuse, replacement, and certificate checks."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from itertools import cycle

import pytest
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import get_cert_path

from benchmarks.dynamodb_stub import running
from chalicelib.storage.dynamodb.connections import Connections

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
PART = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"
TRUSTED = str(get_cert_path(verify=True))


class Server:
    """Sends `responses` in turn, None being silence; `accepted` counts connections."""

    def __init__(self, *responses: bytes | None, requests_each: int = 100) -> None:
        self._responses = cycle(responses)
        self._requests_each = requests_each
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.accepted = 0
        self.received: list[bytes] = []
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    @contextlib.contextmanager
    def serving(self) -> Iterator["Server"]:
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


@pytest.fixture
def connections() -> Iterator[Connections]:
    """Return connections that are closed afterwards."""
    made = Connections(1, 1, TRUSTED)
    yield made
    made.close()


def request(url: str) -> AWSPreparedRequest:
    """Return a request as botocore signs it: header values are str or bytes."""
    headers = HeadersDict({"X-Amz-Target": b"DynamoDB_20120810.GetItem", "X-Amz-Date": "today"})
    headers["Content-Length"] = "2"
    return AWSPreparedRequest(
        "POST",
        url,
        headers,  # type: ignore[arg-type]  # the stubs omit HeadersDict, which botocore sends
        b"{}",
        stream_output=False,
    )


def test_a_request_is_sent_as_signed(connections: Connections) -> None:
    """Method, path, headers and body are sent unchanged, with a Host header added."""
    with Server(WHOLE).serving() as server:
        response = connections.send(request(server.url))
        connections.close()
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    lines = set(head.split(b"\r\n"))
    assert lines >= {b"POST / HTTP/1.1", b"X-Amz-Target: DynamoDB_20120810.GetItem"}
    assert b"Host: " + server.url[7:-1].encode() in lines
    assert (body, response.status_code, response.content) == (b"{}", 200, b"{}")


@pytest.mark.parametrize("response", [WHOLE, CHUNKED])
def test_a_connection_is_reused(connections: Connections, response: bytes) -> None:
    """One connection carries successive requests."""
    with Server(response).serving() as server:
        assert [connections.send(request(server.url)).content for _ in range(3)] == [b"{}"] * 3
        assert server.accepted == 1
        connections.close()


def test_a_connection_closed_by_the_server_is_replaced(connections: Connections) -> None:
    """A server that closes an idle connection causes no failed request."""
    with Server(WHOLE, requests_each=1).serving() as server:
        for number in range(1, 4):
            connections.send(request(server.url))
            assert server.ended.wait(5)
            assert server.accepted == number


def test_connection_close_is_respected(connections: Connections) -> None:
    """After "Connection: close" the next request opens a new connection."""
    with Server(LAST).serving() as server:
        for _ in range(2):
            connections.send(request(server.url))
        assert server.accepted == 2


def test_a_truncated_response_is_an_error(connections: Connections) -> None:
    """A response that ends early is an error, not a shorter response."""
    with Server(PART).serving() as server, pytest.raises(ConnectionClosedError):
        connections.send(request(server.url))


def test_a_missing_response_is_an_error(connections: Connections) -> None:
    """A connection that ends before the response raises the same error as botocore."""
    with Server(None).serving() as server, pytest.raises(ConnectionClosedError):
        connections.send(request(server.url))


def test_silence_is_a_timeout() -> None:
    """A server that accepts but never responds causes a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(ReadTimeoutError):
            Connections(1, 0.05, TRUSTED).send(request(url))


def test_a_refused_connection_is_an_endpoint_error(connections: Connections) -> None:
    """If nothing listens, the endpoint cannot be reached."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/"
    with pytest.raises(EndpointConnectionError):
        connections.send(request(url))


def test_an_untrusted_certificate_is_refused(connections: Connections) -> None:
    """A server whose certificate no trusted authority signed gets no request."""
    with running() as aws, pytest.raises(SSLError):
        connections.send(request(aws["AWS_ENDPOINT_URL"]))


def test_a_certificate_for_another_host_is_refused() -> None:
    """A trusted certificate is valid only for the host that it names."""
    with running() as aws:
        trusting = Connections(1, 1, aws["AWS_CA_BUNDLE"])
        assert trusting.send(request(aws["AWS_ENDPOINT_URL"])).status_code == 200
        with pytest.raises(SSLError):
            trusting.send(request(aws["AWS_ENDPOINT_URL"].replace("127.0.0.1", "localhost")))
        trusting.close()
