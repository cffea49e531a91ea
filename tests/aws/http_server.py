"""HTTP servers on the loopback interface whose responses tests write out byte by byte."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

_PATIENCE = 10


class Received(NamedTuple):
    """A request as it arrived. `headers` have names in lower case, and repeated ones are joined."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Last(bytes):
    """What is sent before the connection is closed."""

    __slots__ = ()


Respond = Callable[[Received], bytes]


class HTTPServer:
    """Sends what `respond` returns, in a thread for each connection.

    `received` has all requests, and `accepted` counts connections.
    """

    def __init__(self, respond: Respond, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._respond = respond
        self._listener = socket.create_server((host, 0), family=family, backlog=64)
        self._threads: list[threading.Thread] = []
        self._connections: set[socket.socket] = set()
        self.received: list[Received] = []
        self.accepted = 0
        self.port: int = self._listener.getsockname()[1]
        self.authority = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.url = f"http://{self.authority}"

    def open_connections(self, expected: int) -> int:
        """Return how many connections the client has not closed, soon after it closed some.

        This waits for the server's threads to notice until there are as many as `expected`.
        """
        end = time.monotonic() + _PATIENCE
        while len(self._connections) != expected and time.monotonic() < end:
            time.sleep(0.01)
        return len(self._connections)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                self._connections.add(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while (request := _read(stream)) is not None:
                self.received.append(request)
                response = self._respond(request)
                connection.sendall(response)
                if isinstance(response, Last):
                    break
        self._connections.discard(connection)

    def start(self) -> None:
        """Accept connections from now on."""
        thread = threading.Thread(target=self._accept)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Close everything, and wait until all threads have ended."""
        for open_socket in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_PATIENCE)


@contextlib.contextmanager
def serving(respond: Respond, host: str = "127.0.0.1") -> Iterator[HTTPServer]:
    """Serve what `respond` returns while the block runs."""
    server = HTTPServer(respond, host)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def response(status: int, body: object = b"", **headers: str) -> bytes:
    """Return a response; a `body` other than bytes becomes JSON, and ``_`` in a name becomes ``-``.

    A Content_Length among `headers` replaces the true one.
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Length": str(len(content))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _read(stream: BinaryIO) -> Received | None:
    """Return the next request, None at the end of the connection."""
    line = stream.readline().decode()
    if not line:
        return None
    method, target, _ = line.split(" ")
    headers: dict[str, str] = {}
    while field := stream.readline().decode().strip():
        name, _, value = field.partition(":")
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    body = stream.read(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body)
