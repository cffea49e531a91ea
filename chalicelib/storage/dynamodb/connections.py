"""HTTP connections to DynamoDB, kept open between requests.

They take botocore's place for finished, signed requests, by its event `before-send`
(https://docs.aws.amazon.com/botocore/latest/topics/events.html#before-send). urllib3 below
botocore sends head and body apart, each in a TLS record of its own, and wraps connection, request
and answer twice over: without this module a GetItem costs three quarters more CPU time.
"""

import socket
import ssl
from collections.abc import Callable
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import SplitResult, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import wait_for_read

Send = Callable[[AWSPreparedRequest], AWSResponse]

# As many as botocore keeps.
_MOST_IDLE = 10
_PORTS = {"http": 80, "https": 443}


class Connections:
    """Sends requests, each over a connection that no other thread uses meanwhile.

    The times are in seconds: for connecting, and for each wait for a part of an answer. `trusted`
    is the file with the certificate authorities that servers are checked against.
    """

    def __init__(self, connect_timeout: float, read_timeout: float, trusted: str) -> None:
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._trusted = trusted
        self._idle: list[tuple[str, socket.socket]] = []

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send `request` and return the answer. Raises botocore's exceptions where none comes."""
        place = urlsplit(request.url)
        connection = self._take(place.netloc) or self._open(place)
        try:
            connection.sendall(_message(request, place))
            answer = HTTPResponse(connection, method=request.method)
            with answer:
                answer.begin()
                body = answer.read()
        except TimeoutError as error:
            connection.close()
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except (OSError, HTTPException) as error:
            connection.close()
            raise ConnectionClosedError(endpoint_url=request.url, error=error) from error
        if answer.will_close or len(self._idle) >= _MOST_IDLE:
            connection.close()
        else:
            self._idle.append((place.netloc, connection))
        headers: Any = answer.headers
        return AWSResponse(request.url, answer.status, headers, _Body(body))

    def close(self) -> None:
        """Close the connections that no request uses."""
        while self._idle:
            self._idle.pop()[1].close()

    def _take(self, netloc: str) -> socket.socket | None:
        """Return a connection that is kept for `netloc`, None where there is none."""
        while True:
            try:
                # The last one first: it is the least likely to have been closed by the server.
                kept, connection = self._idle.pop()
            except IndexError:
                return None
            # Where something can be read before anything was asked, it is the end.
            if kept == netloc and not wait_for_read(connection, timeout=0):
                return connection
            connection.close()

    def _open(self, place: SplitResult) -> socket.socket:
        url = f"{place.scheme}://{place.netloc}"
        host, port = place.hostname or "", place.port or _PORTS[place.scheme]
        try:
            connection = socket.create_connection((host, port), self._connect_timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=url, error=error) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if place.scheme == "https":
            try:
                connection = self._tls.wrap_socket(connection, server_hostname=host)
            except TimeoutError as error:
                connection.close()
                raise ConnectTimeoutError(endpoint_url=url, error=error) from error
            except OSError as error:
                connection.close()
                raise SSLError(endpoint_url=url, error=error) from error
        connection.settimeout(self._read_timeout)
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._trusted)


class _Body:
    """The body of an answer, as AWSResponse asks for it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> list[bytes]:
        return [self._body]


def _message(request: AWSPreparedRequest, place: SplitResult) -> bytes:
    head = [
        f"{request.method} {place.path or '/'} HTTP/1.1".encode(),
        b"Host: " + place.netloc.encode(),
        # No Accept-Encoding would leave the choice to the server (RFC 9110 §12.5.3).
        b"Accept-Encoding: identity",
    ]
    for name, value in request.headers.items():
        head.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()))
    body: Any = request.body
    return b"\r\n".join([*head, b"", body])
