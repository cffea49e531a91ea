"""One POST to a webhook's endpoint, within a deadline, to the address that was checked."""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.events.addresses import AddressRefused, Resolve, checked_addresses, resolve

TIMEOUT_SECONDS = 15
MAX_RESPONSE_BYTES = 64 * 1024

_REDIRECTS = range(300, 400)


class Outcome(Struct, frozen=True):
    """What became of an attempt.

    - `status`: of the response, None without one.
    - `error`: why it failed, in a sentence for administrators; "" if it did not.
    - `retry_after`: the seconds that the endpoint asks to wait, 0 if it does not say.
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
            outcome = Outcome(
                None, f"The endpoint's certificate is not valid: {error.verify_message}."
            )
        except ssl.SSLError:
            outcome = Outcome(None, "The endpoint does not speak TLS as it should.")
        except (OSError, http.client.HTTPException, ValueError):
            outcome = Outcome(None, "The endpoint closed the connection, or did not speak HTTP.")
        elapsed = time.monotonic() - started
        return Outcome(outcome.status, outcome.error, outcome.retry_after, int(elapsed * 1000))

    @property
    def _late(self) -> str:
        return f"The endpoint did not respond within {self._timeout:g} seconds."

    def _send(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> Outcome:
        parts = urlsplit(url)
        host, is_secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if is_secure else 80)
        left = deadline - time.monotonic()
        addresses = checked_addresses(
            host, port, left, self._resolve, allows_loopback=self._allows_loopback
        )
        if not is_secure and not self._allows_loopback:
            raise _Failed("The address must begin with https://.")
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        with (
            _connected(addresses, port, deadline, only_loopback=not is_secure) as raw,
            _ended_at(raw, deadline),
            self._secured(raw, host) if is_secure else raw as stream,
        ):
            connection = http.client.HTTPConnection(host, port)
            connection.auto_open = 0
            connection.sock = stream
            connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
            sent = {
                "Host": parts.netloc,
                "Content-Length": str(len(body)),
                "Connection": "close",
                **headers,
            }
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            received = response.read(MAX_RESPONSE_BYTES + 1)
        return _outcome(response, len(received))

    def _secured(self, raw: socket.socket, host: str) -> ssl.SSLSocket:
        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context.wrap_socket(raw, server_hostname=host)


@contextlib.contextmanager
def _connected(
    addresses: list[str], port: int, deadline: float, *, only_loopback: bool
) -> Iterator[socket.socket]:
    """Connect to the first address that accepts, and close the connection at the end."""
    failure = _Failed("The address must begin with https://.")
    for address in addresses:
        if only_loopback and not ipaddress.ip_address(address).is_loopback:
            continue
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            raw = socket.create_connection((address, port), timeout=left)
        except TimeoutError:
            raise
        except ConnectionError:
            failure = _Failed("The endpoint refused the connection.")
        except OSError:
            failure = _Failed("The endpoint cannot be reached.")
        else:
            break
    else:
        raise failure
    with raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield raw


@contextlib.contextmanager
def _ended_at(raw: socket.socket, deadline: float) -> Iterator[None]:
    """End the connection at the deadline. Raises TimeoutError then.

    A timeout of the socket itself would begin anew with each byte that the endpoint sends.
    """
    passed = threading.Event()
    # A copy, because TLS takes the socket over.
    copy = raw.dup()

    def end() -> None:
        passed.set()
        with contextlib.suppress(OSError):
            copy.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0, deadline - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError):
        if passed.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
        copy.close()
    if passed.is_set():
        raise TimeoutError


def _outcome(response: http.client.HTTPResponse, size: int) -> Outcome:
    status = response.status
    if size > MAX_RESPONSE_BYTES:
        return Outcome(status, "The endpoint's response is larger than 64 KiB.")
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110
        return Outcome(status, "")
    if status in _REDIRECTS:
        return Outcome(status, f"The endpoint responded with {status}; redirects are not followed.")
    return Outcome(
        status,
        f"The endpoint responded with {status}.",
        _retry_after(response.getheader("Retry-After")),
    )


def _retry_after(value: str | None) -> float:
    """Return the seconds that a Retry-After asks to wait (RFC 9110 §10.2.3), 0 for nonsense."""
    if value is None:
        return 0
    if value.strip().isdecimal() and value.isascii():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0
