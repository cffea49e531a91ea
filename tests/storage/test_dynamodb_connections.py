"""The connections to DynamoDB: kept, replaced, and trusted only for good reasons."""

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
TRUSTED = get_cert_path(verify=True)


class Server:
    """Answers with `answers` in turn, None being silence; `accepted` counts its connections."""

    def __init__(self, *answers: bytes | None, requests_each: int = 100) -> None:
        self._answers = cycle(answers)
        self._requests_each = requests_each
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.accepted = 0
        self.received: list[bytes] = []
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    @contextlib.contextmanager
    def serving(self) -> Iterator["Server"]:
        """Answer while the block runs."""
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
                    self._answer(connection)
                self.ended.set()

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        for _ in range(self._requests_each):
            request = connection.recv(65536)
            answer = next(self._answers) if request else None
            if request:
                self.received.append(request)
            if answer is None:
                return
            connection.sendall(answer)
            if answer in {PART, LAST}:
                return


@pytest.fixture
def connections() -> Iterator[Connections]:
    """Return connections that are closed in the end."""
    made = Connections(1, 1, TRUSTED)
    yield made
    made.close()


def request(url: str) -> AWSPreparedRequest:
    """Return a request as botocore has signed it: header values are text or octets."""
    headers = HeadersDict({"X-Amz-Target": b"DynamoDB_20120810.GetItem", "X-Amz-Date": "today"})
    headers["Content-Length"] = "2"
    return AWSPreparedRequest("POST", url, headers, b"{}", stream_output=False)


def test_a_request_arrives_as_it_was_signed(connections: Connections) -> None:
    """Method, path, headers and body are those of the request, beside the host."""
    with Server(WHOLE).serving() as server:
        answer = connections.send(request(server.url))
        connections.close()
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    lines = set(head.split(b"\r\n"))
    assert lines >= {b"POST / HTTP/1.1", b"X-Amz-Target: DynamoDB_20120810.GetItem"}
    assert b"Host: " + server.url[7:-1].encode() in lines
    assert (body, answer.status_code, answer.content) == (b"{}", 200, b"{}")


@pytest.mark.parametrize("answer", [WHOLE, CHUNKED])
def test_a_connection_is_used_again(connections: Connections, answer: bytes) -> None:
    """One connection carries one request after the other."""
    with Server(answer).serving() as server:
        assert [connections.send(request(server.url)).content for _ in range(3)] == [b"{}"] * 3
        assert server.accepted == 1
        connections.close()


def test_a_connection_that_was_closed_meanwhile_is_replaced(connections: Connections) -> None:
    """A server that ends a kept connection costs no request."""
    with Server(WHOLE, requests_each=1).serving() as server:
        for number in range(1, 4):
            connections.send(request(server.url))
            assert server.ended.wait(5)
            assert server.accepted == number


def test_a_connection_that_the_server_wants_closed_is_not_kept(connections: Connections) -> None:
    """After "Connection: close" the next request opens another one."""
    with Server(LAST).serving() as server:
        for _ in range(2):
            connections.send(request(server.url))
        assert server.accepted == 2


def test_half_an_answer_is_none(connections: Connections) -> None:
    """An answer that ends too early is an error, not a shorter answer."""
    with Server(PART).serving() as server, pytest.raises(ConnectionClosedError):
        connections.send(request(server.url))


def test_an_end_instead_of_an_answer_is_an_error(connections: Connections) -> None:
    """A connection that ends before the answer is told as botocore tells it."""
    with Server(None).serving() as server, pytest.raises(ConnectionClosedError):
        connections.send(request(server.url))


def test_silence_is_a_timeout() -> None:
    """A server that accepts and says nothing is given up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(ReadTimeoutError):
            Connections(1, 0.05, TRUSTED).send(request(url))


def test_nobody_there_is_told_apart(connections: Connections) -> None:
    """Where nobody listens, there is no endpoint."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/"
    with pytest.raises(EndpointConnectionError):
        connections.send(request(url))


def test_a_certificate_of_nobody_known_is_refused(connections: Connections) -> None:
    """A server whose certificate no trusted authority has signed gets no request."""
    with running() as aws, pytest.raises(SSLError):
        connections.send(request(aws["AWS_ENDPOINT_URL"]))


def test_a_certificate_for_another_host_is_refused() -> None:
    """A trusted certificate is good for the host that it names, and for no other."""
    with running() as aws:
        trusting = Connections(1, 1, aws["AWS_CA_BUNDLE"])
        assert trusting.send(request(aws["AWS_ENDPOINT_URL"])).status_code == 200
        with pytest.raises(SSLError):
            trusting.send(request(aws["AWS_ENDPOINT_URL"].replace("127.0.0.1", "localhost")))
        trusting.close()
