"""Connections to one server, kept open between requests.

One send carries head and body, so that they share a TLS record and a packet.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from chalicelib.aws.errors import NoResponse
from chalicelib.aws.http_messages import ProtocolError, Receive, Request, Response, read_response
from chalicelib.aws.proxies import Proxy, open_tunnel
from chalicelib.settings_error import SettingsError

Send = Callable[[Request], Response]

PORTS = {"http": 80, "https": 443}
"""The ports of URLs without one, by scheme."""

_MAX_IDLE = 10


class Server(NamedTuple):
    """Where to connect to.

    `trusted` is the file with the certificate authorities that may vouch for the server, None for
    those of the system. Without `tls` everything is sent in clear text.
    """

    host: str
    port: int
    tls: bool = True
    trusted: Path | None = None
    proxy: Proxy | None = None


class Timeouts(NamedTuple):
    """How long connecting may take, TLS included, and then a response, in seconds."""

    connect: float
    response: float


class Connections:
    """A thread-safe pool of connections to one server."""

    def __init__(self, server: Server, timeouts: Timeouts) -> None:
        self._server = server
        self._timeouts = timeouts
        # Before the first request, since Lambda starts functions with a whole processor.
        self._tls = tls_context(server.trusted) if server.tls else None
        self._idle: list[_Connection] = []

    def send(self, request: Request) -> Response:
        """Send a request and return the response. Raises NoResponse."""
        message = request.message()
        connection = None
        try:
            connection = self._idle_connection() or self._open()
            response = connection.exchange(message, self._timeouts.response)
        except (OSError, ProtocolError) as error:
            if connection is not None:
                connection.close()
            raise NoResponse(f"No response from {self._server.host}: {error}") from error
        if response.may_reuse_connection and len(self._idle) < _MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        return response

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _idle_connection(self) -> "_Connection | None":
        """Return an open connection, or None if there is none."""
        with suppress(IndexError):
            while True:
                # The most recent one: the server is least likely to have closed it.
                connection = self._idle.pop()
                if not connection.is_closed:
                    return connection
                connection.close()
        return None

    def _open(self) -> "_Connection":
        host, port, _, _, proxy = self._server
        deadline = time.monotonic() + self._timeouts.connect
        plain = _connect((host, port) if proxy is None else (proxy.host, proxy.port), deadline)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            plain.settimeout(_left(deadline))
            if proxy is not None:
                authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                open_tunnel(plain, _receive_until(deadline, plain), authority, proxy)
                plain.settimeout(_left(deadline))
            if self._tls is None:
                return _Connection(plain)
            return _Connection(self._tls.wrap_socket(plain, server_hostname=host))
        except BaseException:
            plain.close()
            raise


class _Connection:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._incoming = select.poll()
        self._incoming.register(connection, select.POLLIN)

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed the connection: else nothing arrives between requests."""
        return bool(self._incoming.poll(0))

    def exchange(self, message: bytes, timeout: float) -> Response:
        """Send a request and return the response."""
        deadline = time.monotonic() + timeout
        connection = self._connection
        connection.settimeout(timeout)
        connection.sendall(message)
        return read_response(_receive_until(deadline, connection))

    def close(self) -> None:
        self._connection.close()


@lru_cache(maxsize=4)
def tls_context(trusted: Path | None) -> ssl.SSLContext:
    """Return the context of connections that trust the authorities in a file.

    Raises SettingsError if they cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=trusted)
    except OSError as error:
        raise SettingsError(
            f"AWS_CA_BUNDLE must name a PEM file with certificates: {trusted}: {error}."
        ) from error


def _connect(address: tuple[str, int], deadline: float) -> socket.socket:
    """Return a connection to the first of a name's addresses that accepts one in time."""
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    failure = OSError(f"{address[0]} has no address")
    for tried, (family, kind, protocol, _, place) in enumerate(found):
        plain = socket.socket(family, kind, protocol)
        try:
            # One that does not answer must leave time for the others.
            plain.settimeout(_left(deadline) / (len(found) - tried))
            plain.connect(place)
        except OSError as error:
            plain.close()
            failure = error
        else:
            return plain
    raise failure


def _receive_until(deadline: float, connection: socket.socket) -> Receive:
    """Return what receives from a connection, all in all until the deadline."""

    def receive(count: int) -> bytes:
        connection.settimeout(_left(deadline))
        return connection.recv(count)

    return receive


def _left(deadline: float) -> float:
    """Return the seconds until the deadline. Raises TimeoutError after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left
