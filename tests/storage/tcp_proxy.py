"""A TCP proxy on loopback that disturbs chosen connections between a client and a server.

It knows nothing of HTTP or TLS: an exchange is what the client sends, and then, up to what the
client sends next, the answer.
"""

import contextlib
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Container
from enum import Enum, auto
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_SIZE = 65_536
_BACKLOG = 64


class Kind(Enum):
    """What happens to a connection."""

    REJECT = auto()  # it is accepted and closed
    DROP = auto()  # it is closed when the request has arrived, which is not passed on
    LEAVE = auto()  # it is closed when the request has been passed on
    CUT = auto()  # the answer ends with a FIN
    RESET = auto()  # the answer ends with a RST
    STALL = auto()  # the answer goes silent
    GARBAGE = auto()  # random bytes take the place of the rest, then a FIN
    SCRAMBLE = auto()  # every byte of the rest of this answer is another one
    DRIP = auto()  # the rest of this answer comes one byte at a time


class Disturbance(NamedTuple):
    """What happens in the exchange numbered `exchange` of a connection, counted from 0.

    It starts `after` so many bytes of the answer, or, if that is shorter, of what the server sends
    later in the connection. `pause` is what DRIP waits after each byte, in seconds.
    """

    kind: Kind
    after: int = 0
    exchange: int = 0
    pause: float = 0.0


Plan = Callable[[int], Disturbance | None]


class TCPProxy:
    """The proxy in front of the server at the URL `target`; use it as a context manager.

    `plan` tells the disturbance of each connection, by its number; `requests` counts the exchanges
    that clients started, and `answer` is what the latest connection's server has sent.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = parts.hostname or "", parts.port or 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._place = self._listener.getsockname()
        self.url = f"{parts.scheme}://127.0.0.1:{self._place[1]}"
        self._is_refusing = True
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._acceptor: threading.Thread | None = None
        self.plan: Plan = lambda _number: None
        self.accepted = 0
        self.requests = 0
        self.answer = b""

    def __enter__(self) -> Self:
        """Start to accept connections."""
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        """End all connections, and wait for the threads."""
        self.refuse()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self.settle()

    def settle(self) -> None:
        """Wait until all connections have ended, and the server has carried out their requests."""
        for thread in self._threads:
            thread.join()

    def listen(self) -> None:
        """Accept connections, also after `refuse`."""
        if self._is_refusing:
            self._is_refusing = False
            if self._listener.fileno() < 0:
                self._listener = socket.create_server(self._place, backlog=_BACKLOG)
            self._acceptor = threading.Thread(target=self._accept)
            self._acceptor.start()

    def refuse(self) -> None:
        """Refuse connections from now on."""
        if self._acceptor is not None and not self._is_refusing:
            self._is_refusing = True
            # Ends the wait for a connection; closing the listener would not on every system.
            socket.create_connection(self._place).close()
            self._acceptor.join()

    def disturb(
        self, disturbance: Disturbance | None, connections: Container[int] = range(1)
    ) -> None:
        """Disturb these of the connections that come from now on, and count anew."""
        self.accepted = self.requests = 0
        self.plan = lambda number: disturbance if number in connections else None

    def _accept(self) -> None:
        with self._listener as listener:
            while True:
                client, _ = listener.accept()
                if self._is_refusing:
                    client.close()
                    return
                disturbance = self.plan(self.accepted)
                self.accepted += 1
                self.answer = b""
                thread = threading.Thread(target=self._serve, args=(client, disturbance))
                self._threads = [one for one in self._threads if one.is_alive()] + [thread]
                thread.start()

    def _serve(self, client: socket.socket, disturbance: Disturbance | None) -> None:
        with client:
            if disturbance is not None and disturbance.kind is Kind.REJECT:
                return
            with socket.create_connection(self._target) as server:
                self._set_up(client, server)
                # Either side may go away at any time: that ends the connection as well.
                with contextlib.suppress(OSError):
                    _Connection(self, client, server, disturbance).relay()
                with self._lock:
                    self._open -= {client, server}

    def _set_up(self, *sides: socket.socket) -> None:
        for side in sides:
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.update(sides)

    def count_request(self) -> None:
        """Count an exchange."""
        with self._lock:
            self.requests += 1


class _Connection:
    """One connection through the proxy."""

    def __init__(
        self,
        proxy: TCPProxy,
        client: socket.socket,
        server: socket.socket,
        disturbance: Disturbance | None,
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._disturbance = disturbance
        self._exchange = -1
        self._sent = 0
        self._is_answering = True

    def relay(self) -> None:
        """Pass on what both sides send, until one side or a disturbance ends the connection."""
        poll = select.poll()
        for side in (self._client, self._server):
            poll.register(side, select.POLLIN)
        client = self._client.fileno()
        lasts = True
        while lasts:
            for place, _ in poll.poll():
                lasts = lasts and (self._request() if place == client else self._answer())

    def _request(self) -> bool:
        data = self._client.recv(_SIZE)
        if not data:
            return False
        if self._is_answering:
            self._is_answering = False
            self._exchange += 1
            self._proxy.count_request()
        kind = self._kind_if_due()
        if kind is Kind.DROP:
            return False
        self._server.sendall(data)
        if kind is Kind.LEAVE:
            self._client.close()
            self._server.recv(_SIZE)
            return False
        return True

    def _answer(self) -> bool:
        data = self._server.recv(_SIZE)
        if not data:
            return False
        self._is_answering = True
        self._proxy.answer += data
        kind, room = self._kind_if_due(), len(data)
        if kind is not None and self._disturbance is not None:
            room = max(0, self._disturbance.after - self._sent)
            self._sent += len(data)
        self._client.sendall(data[:room])
        return kind is None or room > len(data) or self._disturb(kind, data[room:])

    def _kind_if_due(self) -> Kind | None:
        due = self._disturbance
        if due is None or self._exchange < due.exchange:
            return None
        is_over = due.kind in {Kind.SCRAMBLE, Kind.DRIP} and self._exchange > due.exchange
        return None if is_over else due.kind

    def _disturb(self, kind: Kind, rest: bytes) -> bool:
        """Disturb the rest of the answer; return whether the connection lasts."""
        assert self._disturbance is not None
        chance = random.Random(self._disturbance.after)
        if kind is Kind.RESET:
            no_linger = struct.pack("ii", 1, 0)
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        elif kind is Kind.STALL:
            while self._client.recv(_SIZE):
                pass
        elif kind is Kind.GARBAGE:
            self._client.sendall(chance.randbytes(chance.randint(1, 400)))
        elif kind is Kind.SCRAMBLE:
            self._client.sendall(bytes(byte ^ chance.randint(1, 255) for byte in rest))
            return True
        elif kind is Kind.DRIP:
            for place in range(len(rest)):
                self._client.sendall(rest[place : place + 1])
                time.sleep(self._disturbance.pause)
            return True
        return False
