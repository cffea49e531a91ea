"""Endpoints on the loopback interface that behave as badly as tests want."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

_PATIENCE = 10

Behave = Callable[[socket.socket], None]


class Endpoint:
    """Does `behave` with each connection, in a thread of its own.

    `requests` has what `read_request` read, and `accepted` counts connections.
    """

    def __init__(self, behave: Behave, tls: ssl.SSLContext | None) -> None:
        self._behave = behave
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.accepted = 0
        self.port: int = self._listener.getsockname()[1]

    def accept(self) -> None:
        """Accept connections until the end."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                connection.settimeout(_PATIENCE)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            if self._tls is None:
                self._behave(plain)
                return
            with self._tls.wrap_socket(plain, server_side=True) as secured:
                self._behave(secured)

    def stop(self) -> None:
        """Stop to listen, and wait for the threads."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_PATIENCE)


@contextlib.contextmanager
def behaving(behave: Behave, tls: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    """Run an endpoint while the block runs."""
    endpoint = Endpoint(behave, tls)
    thread = threading.Thread(target=endpoint.accept)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.stop()
        thread.join()


def read_request(connection: socket.socket) -> bytes:
    """Return a request with its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(*parts: bytes, pause: float = 0, received: list[bytes] | None = None) -> Behave:
    """Return what reads a request and sends these parts, with a pause before each."""

    def behave(connection: socket.socket) -> None:
        request = read_request(connection)
        if received is not None:
            received.append(request)
        for part in parts:
            time.sleep(pause)
            connection.sendall(part)

    return behave


def until_closed(connection: socket.socket) -> None:
    """Send nothing until the client closes the connection."""
    while connection.recv(65536):
        pass
