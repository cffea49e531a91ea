"""An HTTP proxy on the loopback interface that opens tunnels."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

_PATIENCE = 10


class ConnectProxy:
    """Opens a tunnel for each CONNECT. `requests` has the heads that it received."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.requests: list[str] = []
        self.authority = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.authority}"

    def start(self) -> None:
        """Accept connections from now on."""
        self._run(self._accept)

    def stop(self) -> None:
        """Close everything, and wait until all threads have ended."""
        for open_socket in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_PATIENCE)
        for open_socket in (self._listener, *self._sockets):
            open_socket.close()

    def _run(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._sockets.append(connection)
                self._tunnel(connection)

    def _tunnel(self, client: socket.socket) -> None:
        client.settimeout(_PATIENCE)
        head = client.recv(65536).decode()
        self.requests.append(head)
        host, _, port = head.split(" ")[1].rpartition(":")
        server = socket.create_connection((host, int(port)), _PATIENCE)
        self._sockets.append(server)
        client.sendall(b"HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n")
        self._run(_copy, client, server)
        self._run(_copy, server, client)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def tunnelling() -> Iterator[ConnectProxy]:
    """Run a proxy while the block runs."""
    proxy = ConnectProxy()
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
