"""One POST: to the address that was checked, within the deadline, whatever the endpoint does."""

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from chalicelib.events.http_post import HTTPPost, Outcome
from tests.events.endpoint import Behave, answering, behaving, read_request, until_closed
from tests.support.issuer import certificate

HOST = "hooks.example.com"
LATE = "The endpoint did not respond within 0.3 seconds."
NOT_PUBLIC = "The host has an address that is not on the Internet."
INCOMPLETE = "The endpoint's response is not a complete HTTP/1.1 response."
TIMEOUT = 0.3


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the key and the certificate of the endpoint."""
    return certificate(tmp_path_factory.mktemp("tls"), HOST)


@pytest.fixture(scope="module")
def tls(pem: Path) -> ssl.SSLContext:
    """Return the endpoint's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture(scope="module")
def trust(pem: Path) -> ssl.SSLContext:
    """Return what trusts the endpoint's certificate."""
    return ssl.create_default_context(cafile=pem)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def to(*addresses: str) -> Callable[[str, int], list[str]]:
    """Return what resolves every name to these addresses."""
    return lambda _host, _port: [*addresses]


def sent(behave: Behave, timeout: float = 10) -> Outcome:
    """Return what becomes of a POST to an endpoint without TLS."""
    with behaving(behave) as endpoint:
        post = HTTPPost(allows_loopback=True, timeout=timeout)
        return post(f"http://127.0.0.1:{endpoint.port}/", {}, b"{}")


def test_the_request_is_sent_as_it_is(tls: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    """Over TLS, the path, the query, the headers and the body arrive, and the name as the host."""
    received: list[bytes] = []
    behave = answering(b"HTTP/1.1 204 No Content\r\n\r\n", received=received)
    with behaving(behave, tls) as endpoint:
        post = HTTPPost(allows_loopback=True, resolve=to("127.0.0.1"), context=trust)
        outcome = post(
            f"https://{HOST}:{endpoint.port}/a%20b?c=d&e", {"webhook-id": "evt"}, b"\x00body"
        )

    assert (outcome.status, outcome.error, outcome.succeeded) == (204, "", True)
    head, _, body = received[0].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /a%20b?c=d&e http/1.1"
    assert {f"host: {HOST}:{endpoint.port}", "webhook-id: evt", "content-length: 5"} <= {*lines}
    assert body == b"\x00body"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_status_of_2xx_succeeds(status: int) -> None:
    """A response of 2xx, with a body or without, means that the event has been received."""
    outcome = sent(answering(b"HTTP/1.1 %d Fine\r\nContent-Length: 0\r\n\r\n" % status))
    assert (outcome.status, outcome.succeeded) == (status, True)


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_any_other_status_fails(status: int) -> None:
    """The status is kept, and named in the error."""
    outcome = sent(answering(b"HTTP/1.1 %d Bad\r\nContent-Length: 0\r\n\r\n" % status))
    assert outcome.status == status
    assert outcome.error == f"The endpoint responded with {status}."


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect, such as to the metadata of the machine, is a failure and makes no request."""
    received: list[bytes] = []
    answer = (
        b"HTTP/1.1 %d Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        % status
    )
    outcome = sent(answering(answer, received=received))
    assert outcome.status == status
    assert "redirects are not followed" in outcome.error
    assert len(received) == 1


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.0.0.1",),
        ("169.254.169.254",),
        ("0.0.0.0",),
        ("::ffff:169.254.169.254",),
        ("2002:a9fe:a9fe::1",),
        ("64:ff9b::a9fe:a9fe",),
        ("2001:0:7f00:1::5601:5601",),
        ("fe80::1%lo",),
        ("93.184.215.14", "127.0.0.1"),
        ("127.0.0.1", "93.184.215.14"),
    ],
)
def test_every_address_of_a_name_must_be_public(addresses: tuple[str, ...]) -> None:
    """A name with an address that is not public, among others or inside another, is refused."""
    outcome = HTTPPost(resolve=to(*addresses), timeout=1)(f"https://{HOST}/", {}, b"{}")
    assert outcome == Outcome(None, NOT_PUBLIC, 0, outcome.duration_ms)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "0",
        "0.0.0.0",
        "localhost",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ],
)
def test_no_spelling_of_a_loopback_address_passes(host: str) -> None:
    """Decimal, octal, hexadecimal and short forms are what the system resolves them to."""
    with behaving(until_closed) as endpoint:
        outcome = HTTPPost(timeout=5)(f"https://{host}:{endpoint.port}/", {}, b"{}")
        assert endpoint.accepted == 0
    assert outcome.error == NOT_PUBLIC


def test_a_name_is_resolved_once(tls: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    """A name whose address changes after the check leads to the address that was checked."""
    calls = itertools.count()

    def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"] if next(calls) == 0 else ["169.254.169.254"]

    with behaving(answering(b"HTTP/1.1 204 No\r\n\r\n"), tls) as endpoint:
        post = HTTPPost(allows_loopback=True, resolve=resolve, context=trust)
        assert post(f"https://{HOST}:{endpoint.port}/", {}, b"{}").succeeded
        refused = post(f"https://{HOST}:{endpoint.port}/", {}, b"{}")
    assert refused.error == NOT_PUBLIC
    assert next(calls) == 2


def test_without_tls_only_loopback_is_reached() -> None:
    """http:// is refused without the permission, and with it for any other address."""
    # Without as much as looking at the host.
    assert HTTPPost(resolve=to("10.0.0.1"))(f"http://{HOST}/", {}, b"{}").error == (
        "The address must begin with https://."
    )
    post = HTTPPost(allows_loopback=True, resolve=to("8.8.8.8"), timeout=1)
    assert post(f"http://{HOST}/", {}, b"{}").error == "The address must begin with https://."


def test_a_name_that_does_not_resolve_is_an_error() -> None:
    """An unknown name, one without addresses, and one that is none, are named as such."""

    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    error = HTTPPost(resolve=unknown)(f"https://{HOST}/", {}, b"{}").error
    assert error == "The host's name cannot be resolved."
    long = HTTPPost()(f"https://{'a' * 70}.example/", {}, b"{}")
    assert long.error == "The host's name cannot be resolved."
    assert HTTPPost(resolve=to())(f"https://{HOST}/", {}, b"{}").error == (
        "The host's name has no address."
    )


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    """The time that the resolver takes counts."""
    release = threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        release.wait(10)
        return ["8.8.8.8"]

    outcome = HTTPPost(resolve=hang, timeout=TIMEOUT)(f"https://{HOST}/", {}, b"{}")
    release.set()
    assert outcome.error == LATE
    assert outcome.duration_ms < 3000


def test_the_certificate_must_be_for_the_name(tls: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    """A certificate for another name, or of an unknown authority, is a failure before any data."""
    received: list[bytes] = []
    with behaving(answering(b"HTTP/1.1 204 No\r\n\r\n", received=received), tls) as endpoint:
        for host, context in (("evil.example", trust), (HOST, None)):
            post = HTTPPost(allows_loopback=True, resolve=to("127.0.0.1"), context=context)
            outcome = post(f"https://{host}:{endpoint.port}/", {}, b"secret")
            assert outcome.error.startswith("The endpoint's certificate is not valid: ")
            assert outcome.error.endswith(".")
    assert received == []


def test_a_plain_endpoint_does_not_speak_tls(trust: ssl.SSLContext) -> None:
    """An endpoint without TLS behind https:// fails with a sentence."""
    with behaving(lambda one: one.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")) as endpoint:
        post = HTTPPost(allows_loopback=True, resolve=to("127.0.0.1"), context=trust)
        outcome = post(f"https://{HOST}:{endpoint.port}/", {}, b"{}")
    assert outcome.error == "The endpoint does not speak TLS as it should."


def _read_nothing(connection: socket.socket) -> None:
    time.sleep(2 * TIMEOUT)
    connection.close()


DRIP = [b"x"] * 20


@pytest.mark.parametrize(
    "behave",
    [
        until_closed,
        _read_nothing,
        answering(*[b"%c" % byte for byte in b"HTTP/1.1 200 OK\r\n"], pause=0.05),
        answering(b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n"] * 20, pause=0.05),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *DRIP, pause=0.05),
        answering(b"HTTP/1.1 200 OK\r\n\r\n", *DRIP, pause=0.05),
        answering(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 20, pause=0.05),
    ],
    ids=["silence", "no reading", "status", "headers", "body", "unframed body", "interim"],
)
def test_a_slow_endpoint_is_left_at_the_deadline(behave: Behave) -> None:
    """However an endpoint drips its response, the attempt ends at its deadline."""
    outcome = sent(behave, timeout=TIMEOUT)
    assert outcome.error == LATE
    assert TIMEOUT * 1000 <= outcome.duration_ms < 3000


def test_a_stalled_handshake_is_left_at_the_deadline(trust: ssl.SSLContext) -> None:
    """An endpoint that accepts the connection and never speaks TLS takes no longer."""
    with behaving(until_closed) as endpoint:
        post = HTTPPost(
            allows_loopback=True, resolve=to("127.0.0.1"), context=trust, timeout=TIMEOUT
        )
        outcome = post(f"https://{HOST}:{endpoint.port}/", {}, b"{}")
    assert outcome.error == LATE
    assert outcome.duration_ms < 3000


def _drip_handshake(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x03\x40\x00")
    for byte in DRIP:
        time.sleep(0.05)
        connection.sendall(byte)


def test_a_dripping_handshake_is_left_at_the_deadline(trust: ssl.SSLContext) -> None:
    """A TLS record that comes byte by byte does not extend the attempt."""
    with behaving(_drip_handshake) as endpoint:
        post = HTTPPost(
            allows_loopback=True, resolve=to("127.0.0.1"), context=trust, timeout=TIMEOUT
        )
        outcome = post(f"https://{HOST}:{endpoint.port}/", {}, b"{}")
    assert outcome.error == LATE
    assert outcome.duration_ms < 800


def test_an_endpoint_that_reads_slowly_is_left_at_the_deadline(
    tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    """A body that is larger than the network's buffers does not extend the attempt."""
    with behaving(_read_nothing, tls) as endpoint:
        post = HTTPPost(
            allows_loopback=True, resolve=to("127.0.0.1"), context=trust, timeout=TIMEOUT
        )
        outcome = post(f"https://{HOST}:{endpoint.port}/", {}, b"x" * 20_000_000)
    assert outcome.error == LATE
    assert outcome.duration_ms < 3000


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000],
        [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000],
        [b"HTTP/1.1 200 OK\r\n", *[b"A: %b\r\n" % (b"x" * 1000)] * 100, b"\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n" * 5000],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
        + [b"8000\r\n%b\r\n" % (b"x" * 0x8000)] * 4,
    ],
    ids=["length", "unframed", "headers", "interim", "chunked"],
)
def test_a_large_response_fails(parts: list[bytes]) -> None:
    """No more than 64 KiB is read, however the response is framed."""
    assert sent(answering(*parts)).error == "The endpoint's response is larger than 64 KiB."


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x00\x00",
    ],
)
def test_a_malformed_response_fails(answer: bytes) -> None:
    """What is no complete response is a failure that says so, and raises nothing."""
    assert sent(answering(answer)).error in {
        INCOMPLETE,
        "The endpoint closed the connection before it had responded.",
    }


def test_a_connection_that_is_closed_fails(closed_port: int) -> None:
    """A port without a listener, and a connection that is closed at once, are failures."""
    post = HTTPPost(allows_loopback=True)
    refused = post(f"http://127.0.0.1:{closed_port}/", {}, b"{}")
    assert refused.error == "The endpoint refused the connection."
    closed = sent(lambda connection: connection.close())
    assert closed.status is None
    assert not closed.succeeded


def test_the_next_address_is_tried(tls: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    """If the first address of a name refuses the connection, the next one gets the event."""
    with behaving(answering(b"HTTP/1.1 204 No\r\n\r\n"), tls) as endpoint:
        post = HTTPPost(allows_loopback=True, resolve=to("127.0.0.9", "127.0.0.1"), context=trust)
        assert post(f"https://{HOST}:{endpoint.port}/", {}, b"{}").succeeded


def test_a_silent_address_leaves_time_for_the_next(
    tls: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    """If the first address of a name does not answer at all, the next one gets the event."""
    with (
        behaving(answering(b"HTTP/1.1 204 No\r\n\r\n"), tls) as endpoint,
        socket.create_server(("127.0.0.2", endpoint.port), backlog=0),
        contextlib.ExitStack() as waiting,
    ):
        # The queue of a listener that accepts nobody is soon full: then nobody is answered.
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.settimeout(0)
            one.connect_ex(("127.0.0.2", endpoint.port))
        post = HTTPPost(
            allows_loopback=True,
            resolve=to("127.0.0.2", "127.0.0.1"),
            context=trust,
            timeout=2,
        )
        outcome = post(f"https://{HOST}:{endpoint.port}/", {}, b"{}")
    assert outcome.succeeded
    assert 900 <= outcome.duration_ms < 2000


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("120", 120, 120),
        ("0", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("1.5", 0, 0),
        ("", 0, 0),
    ],
)
def test_retry_after_is_seconds_or_nothing(value: str, least: float, most: float) -> None:
    """Seconds count (RFC 9110 §10.2.3); a date in the past and nonsense do not."""
    answer = f"HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    assert least <= sent(answering(answer.encode())).retry_after <= most


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_retry_after_may_be_a_date(zone: str) -> None:
    """A date in the future counts as the seconds until then (RFC 9110 §10.2.3)."""
    later = formatdate(time.time() + 3600).replace("-0000", zone)
    answer = f"HTTP/1.1 503 Busy\r\nRetry-After: {later}\r\nContent-Length: 0\r\n\r\n"
    assert 3000 <= sent(answering(answer.encode())).retry_after <= 3600


def test_an_early_response_counts() -> None:
    """An endpoint that keeps the connection open after its response is not waited for."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        until_closed(connection)

    assert sent(behave).succeeded


@pytest.mark.parametrize(
    ("status", "seconds"), [(429, 60), (503, 60), (200, 0), (302, 0), (400, 0), (410, 0), (500, 0)]
)
def test_only_a_busy_endpoint_says_when_to_retry(status: int, seconds: int) -> None:
    """Retry-After counts with 429 and 503, and is ignored with every other status."""
    answer = f"HTTP/1.1 {status} So\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"
    outcome = sent(answering(answer.encode()))
    assert (outcome.status, outcome.retry_after) == (status, seconds)
