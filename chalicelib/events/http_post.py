"""One POST to a webhook's endpoint, within a deadline, to the address that was checked."""

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.aws.connections import PORTS
from chalicelib.aws.http_messages import ProtocolError, Receive, Request, Response, read_response
from chalicelib.domain.internet import Address
from chalicelib.events.addresses import (
    AddressRefused,
    Resolve,
    checked_addresses,
    resolve,
)

TIMEOUT_SECONDS = 15
MAX_RESPONSE_BYTES = 64 * 1024

_SUCCESSFUL = range(200, 300)
_REDIRECTS = range(300, 400)
# Where Retry-After says when the endpoint is ready again (RFC 6585 §4, RFC 9110 §15.6.4).
_BUSY = frozenset({429, 503})
_NOT_HTTPS = "The address must begin with https://."


class Outcome(Struct, frozen=True):
    """What became of an attempt.

    - `status`: of the response, None without one.
    - `error`: why it failed, in a sentence for administrators; "" if it did not.
    - `retry_after`: the seconds that a busy endpoint asks to wait, 0 if it does not say.
    - `duration_ms`: how long it took, in milliseconds.
    """

    status: int | None
    error: str
    retry_after: float = 0
    duration_ms: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the endpoint has received the event."""
        return not self.error


class _Failed(Exception):  # noqa: N818 - carries a sentence
    """The attempt failed before there was a whole response."""


class HTTPPost:
    """Sends bodies to URLs.

    - `allows_loopback`: whether endpoints on this machine are allowed, which need no TLS.
    - `resolve` returns the addresses of a host and a port.
    - `context`: what TLS trusts; by default what the system trusts.
    - `timeout`: how many seconds an attempt may take in all, whatever the endpoint does.
    """

    def __init__(
        self,
        *,
        allows_loopback: bool = False,
        resolve: Resolve = resolve,
        context: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._allows_loopback = allows_loopback
        self._resolve = resolve
        self._context = context
        self._timeout = timeout

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send `body` and return what became of it."""
        started = time.monotonic()
        try:
            outcome = self._send(url, headers, body, started + self._timeout)
        except (_Failed, AddressRefused) as failure:
            outcome = Outcome(None, str(failure))
        except TimeoutError:
            outcome = Outcome(None, self._late)
        except ssl.SSLCertVerificationError as error:
            reason = error.verify_message.rstrip(".")
            outcome = Outcome(None, f"The endpoint's certificate is not valid: {reason}.")
        except ssl.SSLError:
            outcome = Outcome(None, "The endpoint does not speak TLS as it should.")
        except OSError:
            outcome = Outcome(None, "The endpoint closed the connection before it had responded.")
        except ProtocolError:
            outcome = Outcome(None, "The endpoint's response is not a complete HTTP/1.1 response.")
        elapsed = time.monotonic() - started
        return Outcome(outcome.status, outcome.error, outcome.retry_after, int(elapsed * 1000))

    @property
    def _late(self) -> str:
        return f"The endpoint did not respond within {self._timeout:g} seconds."

    def _send(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> Outcome:
        parts = urlsplit(url)
        host, is_secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or PORTS["https" if is_secure else "http"]
        if not is_secure and not self._allows_loopback:
            raise _Failed(_NOT_HTTPS)
        addresses = checked_addresses(
            host, port, _left(deadline), self._resolve, allows_loopback=self._allows_loopback
        )
        if not is_secure and not all(address.is_loopback for address in addresses):
            raise _Failed(_NOT_HTTPS)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        own = {"Host": parts.netloc, "Connection": "close"}
        message = Request("POST", target, {**own, **headers}, body).message()
        with (
            _connected(addresses, port, deadline) as plain,
            self._secured(plain, host, deadline) if is_secure else plain as connection,
        ):
            _send_all(connection, message, deadline)
            return _outcome(read_response(_receive_until(deadline, connection)))

    def _secured(self, plain: socket.socket, host: str, deadline: float) -> ssl.SSLSocket:
        if self._context is None:
            self._context = ssl.create_default_context()
        plain.settimeout(_left(deadline))
        # To the name, not to the address: that is what the certificate has to be for.
        return self._context.wrap_socket(plain, server_hostname=host.rstrip("."))


def _connected(addresses: Sequence[Address], port: int, deadline: float) -> socket.socket:
    """Return a connection to the first of the addresses that accepts one in time."""
    failure: Exception = TimeoutError()
    for tried, address in enumerate(addresses):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            # One that does not answer must leave time for the others.
            plain.settimeout(_left(deadline) / (len(addresses) - tried))
            plain.connect((str(address), port))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            plain.close()
            failure = error
        else:
            return plain
    if isinstance(failure, TimeoutError):
        raise failure
    if isinstance(failure, ConnectionRefusedError):
        raise _Failed("The endpoint refused the connection.")
    raise _Failed("The endpoint cannot be reached.")


def _send_all(connection: socket.socket, message: bytes, deadline: float) -> None:
    # sendall() over TLS has no timeout for the whole of it.
    rest = memoryview(message)
    while rest:
        connection.settimeout(_left(deadline))
        rest = rest[connection.send(rest) :]


def _receive_until(deadline: float, connection: socket.socket) -> Receive:
    """Return what receives from a connection until the deadline, and no more than is allowed.

    A timeout of the socket alone would begin anew with each byte that the endpoint sends.
    """
    received = 0

    def receive(count: int) -> bytes:
        nonlocal received
        connection.settimeout(_left(deadline))
        part = connection.recv(count)
        received += len(part)
        if received > MAX_RESPONSE_BYTES:
            raise _Failed("The endpoint's response is larger than 64 KiB.")
        return part

    return receive


def _left(deadline: float) -> float:
    """Return the seconds until the deadline. Raises TimeoutError after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _outcome(response: Response) -> Outcome:
    status = response.status
    if status in _SUCCESSFUL:
        return Outcome(status, "")
    if status in _REDIRECTS:
        return Outcome(status, f"The endpoint responded with {status}; redirects are not followed.")
    retry_after = response.headers.get("retry-after", "") if status in _BUSY else ""
    return Outcome(status, f"The endpoint responded with {status}.", _retry_after(retry_after))


def _retry_after(value: str) -> float:
    """Return the seconds that a Retry-After asks to wait (RFC 9110 §10.2.3), 0 for nonsense."""
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        # All dates of HTTP are in UTC, also where it is not said.
        return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0
