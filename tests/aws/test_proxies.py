"""Requests through a proxy: which ones go there, what they carry, and how they fail."""

import contextlib
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.httpsession import ProxyConfiguration
from botocore.utils import get_environ_proxies

from benchmarks.dynamodb_stub import running
from chalicelib.aws.client import Client, Service
from chalicelib.aws.configuration import configuration
from chalicelib.aws.connections import Timeouts
from chalicelib.aws.errors import NoResponse
from chalicelib.settings_error import SettingsError
from tests.aws.connect_proxy import tunnelling
from tests.aws.environments import KEYS, REGION, isolated, set_all
from tests.aws.http_server import Last, response, serving

DYNAMODB = Service("dynamodb", "DynamoDB_20120810", "1.0")
PATIENT = Timeouts(connect=5, response=5)
QUICK = Timeouts(connect=0.3, response=0.3)
# What no test waits for, unless a time-out is missing.
LONG = 3
ENDPOINT = "https://dynamodb.eu-central-1.amazonaws.com"


@pytest.fixture(scope="module")
def stub() -> Iterator[dict[str, str]]:
    """Run DynamoDB's stub, which has a certificate for 127.0.0.1."""
    with running() as variables:
        yield variables


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment that knows credentials and a Region, and no proxy."""
    isolated(tmp_path, monkeypatch)
    set_all(monkeypatch, KEYS, REGION)


def call(times: int = 1, timeouts: Timeouts = PATIENT) -> list[dict[str, Any]]:
    """Return the responses of so many calls of one client."""
    client = Client(DYNAMODB, configuration("dynamodb"), timeouts)
    try:
        return [client.call("PutItem", {"TableName": "users"}) for _ in range(times)]
    finally:
        client.close()


def test_requests_go_through_the_tunnel(
    monkeypatch: pytest.MonkeyPatch, stub: dict[str, str]
) -> None:
    """A tunnel to the endpoint is asked for once, and carries all requests."""
    with tunnelling() as proxy:
        set_all(monkeypatch, stub, {"HTTPS_PROXY": proxy.url})
        assert call(3) == [{}] * 3
    authority = urlsplit(stub["AWS_ENDPOINT_URL"]).netloc
    [head] = proxy.requests
    assert head.startswith(f"CONNECT {authority} HTTP/1.1\r\n")
    assert f"\r\nHost: {authority}\r\n" in head
    assert "authorization" not in head.lower()


@pytest.mark.parametrize("user", ["user:password", "us%40er:p%3A%2Fa%20ss", "user:a%25b"])
def test_a_proxy_may_ask_for_a_password(
    monkeypatch: pytest.MonkeyPatch, stub: dict[str, str], user: str
) -> None:
    """User and password in the proxy's address are decoded and sent to it, as by botocore."""
    with tunnelling() as proxy:
        address = f"http://{user}@{proxy.authority}"
        set_all(monkeypatch, stub, {"HTTPS_PROXY": address})
        assert call() == [{}]
    theirs: Any = ProxyConfiguration(proxies={"https": address})
    expected = theirs.proxy_headers_for(address)["Proxy-Authorization"]
    assert f"\r\nProxy-Authorization: {expected}\r\n" in proxy.requests[0]


@pytest.mark.parametrize(
    ("user", "pair"),
    [("user", "user:"), ("user:", "user:"), ("%C3%A9:%C3%A8", "\xe9:\xe8"), (":pass", ":pass")],
)
def test_a_password_may_be_empty_or_of_any_letters(
    monkeypatch: pytest.MonkeyPatch, user: str, pair: str
) -> None:
    """What botocore leaves out or fails on is sent as RFC 7617 says, in UTF-8."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{user}@proxy.example.com:3128")
    proxy = configuration("dynamodb").server.proxy
    assert proxy is not None
    assert proxy.authorization == f"Basic {b64encode(pair.encode()).decode()}"


def test_the_certificate_is_the_endpoints(
    monkeypatch: pytest.MonkeyPatch, stub: dict[str, str]
) -> None:
    """Behind a proxy too a certificate is valid only for the endpoint's host."""
    port = urlsplit(stub["AWS_ENDPOINT_URL"]).port
    with tunnelling() as proxy:
        elsewhere = {"AWS_ENDPOINT_URL": f"https://localhost:{port}", "HTTPS_PROXY": proxy.url}
        set_all(monkeypatch, stub, elsewhere)
        with pytest.raises(NoResponse, match=r"certificate verify failed.*localhost"):
            call()
    assert proxy.requests[0].startswith(f"CONNECT localhost:{port} ")


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        (ENDPOINT, "dynamodb.eu-central-1.amazonaws.com:443"),
        ("https://localhost:8443/path", "localhost:8443"),
        ("https://[::1]:8443", "[::1]:8443"),
    ],
)
@pytest.mark.parametrize("status", [302, 403, 407, 502])
def test_a_refusal_of_the_proxy_is_no_response(
    monkeypatch: pytest.MonkeyPatch, url: str, authority: str, status: int
) -> None:
    """A proxy that opens no tunnel is named with its status, and got nothing but the authority."""
    with serving(lambda _: response(status, b"<html>no</html>")) as proxy:
        set_all(monkeypatch, {"AWS_ENDPOINT_URL": url, "HTTPS_PROXY": proxy.url})
        with pytest.raises(NoResponse, match=f"the proxy 127.0.0.1 responded with {status}"):
            call()
    [request] = proxy.received
    assert (request.method, request.target) == ("CONNECT", authority)
    assert request.headers.keys() <= {"host", "accept-encoding"}
    assert request.headers["host"] == authority


@pytest.mark.parametrize(
    "raw", [Last(b""), Last(b"HTTP/1.1 200 OK\r\n"), Last(b"220 mail.example.com ESMTP\r\n\r\n")]
)
def test_a_proxy_that_speaks_no_http_is_no_response(
    monkeypatch: pytest.MonkeyPatch, raw: bytes
) -> None:
    """A proxy that hangs up or answers with something else is no response."""
    with serving(lambda _: raw) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NoResponse):
            call()


def test_a_tunnel_that_ends_is_no_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tunnel that ends before the endpoint has shown its certificate is no response."""
    with serving(lambda _: Last(b"HTTP/1.1 200 OK\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NoResponse):
            call()


def test_a_proxy_that_refuses_connections_is_no_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that does not listen is no response, and is not passed by."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    with pytest.raises(NoResponse, match="refused"):
        call()


@contextlib.contextmanager
def slow_proxy(head: bytes) -> Iterator[str]:
    """Yield the address of a proxy that sends a byte of `head` now and then, for a long time."""
    ended = threading.Event()

    def send() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            for byte in head:
                connection.sendall(bytes([byte]))
                if ended.wait(0.1):
                    return
            ended.wait(LONG)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="silent"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Padding: " + b"a" * 10 * LONG, id="slow"),
    ],
)
def test_a_slow_proxy_is_no_response(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    """A proxy that does not open the tunnel while a connection may take is no response."""
    with slow_proxy(head) as address:
        monkeypatch.setenv("HTTPS_PROXY", address)
        start = time.monotonic()
        with pytest.raises(NoResponse, match="time"):
            call(timeouts=QUICK)
        assert time.monotonic() - start < LONG


HOST = "dynamodb.eu-central-1.amazonaws.com"
PROXY = {"HTTPS_PROXY": "http://proxy.example.com:3128"}


@pytest.mark.parametrize(
    ("variables", "goes_through"),
    [
        ({}, False),
        (PROXY, True),
        ({"https_proxy": "http://proxy.example.com:3128"}, True),
        ({"Https_Proxy": "http://proxy.example.com:3128"}, True),
        ({"HTTPS_PROXY": "proxy.example.com:3128"}, True),
        ({"HTTPS_PROXY": "http://proxy.example.com:3128/"}, True),
        (PROXY | {"https_proxy": ""}, False),
        ({"HTTPS_PROXY": ""}, False),
        ({"HTTP_PROXY": "http://proxy.example.com:3128"}, False),
        (PROXY | {"NO_PROXY": HOST}, False),
        (PROXY | {"no_proxy": HOST}, False),
        (PROXY | {"NO_PROXY": HOST.upper()}, False),
        (PROXY | {"NO_PROXY": "amazonaws.com"}, False),
        (PROXY | {"NO_PROXY": ".amazonaws.com"}, False),
        (PROXY | {"NO_PROXY": "localhost, eu-central-1.amazonaws.com"}, False),
        (PROXY | {"NO_PROXY": "*"}, False),
        (PROXY | {"NO_PROXY": ""}, True),
        (PROXY | {"NO_PROXY": "localhost,127.0.0.1,ssm.eu-central-1.amazonaws.com"}, True),
        (PROXY | {"NO_PROXY": "aws.com"}, True),
        (PROXY | {"NO_PROXY": HOST, "no_proxy": "localhost"}, True),
    ],
)
def test_variables_decide_what_goes_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, goes_through: bool
) -> None:
    """HTTPS_PROXY and NO_PROXY, in either case, mean what they mean to botocore."""
    set_all(monkeypatch, variables)
    proxy = configuration("dynamodb").server.proxy
    expected = ("proxy.example.com", 3128, None) if goes_through else None
    assert proxy == expected
    assert ("https" in get_environ_proxies(ENDPOINT)) is goes_through


@pytest.mark.parametrize(
    ("names", "goes_through"),
    [("localhost:8443", False), ("localhost", False), ("localhost:443", True)],
)
def test_a_port_can_be_exempted(
    monkeypatch: pytest.MonkeyPatch, names: str, *, goes_through: bool
) -> None:
    """NO_PROXY may name a port of a host."""
    url = "https://localhost:8443"
    set_all(monkeypatch, PROXY, {"AWS_ENDPOINT_URL": url, "NO_PROXY": names})
    assert (configuration("dynamodb").server.proxy is not None) is goes_through
    assert ("https" in get_environ_proxies(url)) is goes_through


def test_a_proxy_has_a_default_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy without a port is at port 80."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")
    assert configuration("dynamodb").server.proxy == ("proxy.example.com", 80, None)


@pytest.mark.parametrize(
    "address",
    [
        "https://user:password@proxy.example.com:3128",
        "socks5://user:password@proxy.example.com:1080",
        "socks5h://proxy.example.com:1080",
        "http://user:password@proxy.example.com:port",
        "http://user:password@proxy.example.com:99999",
        "http://user:password@:3128",
        "http://[::1",
        "http://",
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_an_unusable_proxy_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    """A proxy of another kind is one sentence, which shows no password, and is never passed by."""
    monkeypatch.setenv(variable, address)
    with pytest.raises(SettingsError) as raised:
        configuration("dynamodb")
    assert str(raised.value) == "HTTPS_PROXY must be http://[<user>:<password>@]<host>:<port>."


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_clear_text_does_not_go_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """An http:// endpoint behind a proxy is one sentence that says what to set."""
    set_all(monkeypatch, {"AWS_ENDPOINT_URL": "http://localhost:8000", variable: "http://proxy"})
    with pytest.raises(SettingsError) as raised:
        configuration("dynamodb")
    assert str(raised.value) == (
        "HTTP_PROXY would send requests to localhost:8000 in clear text through a proxy, which is"
        " not supported: add localhost to NO_PROXY, or use an https:// endpoint."
    )
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert configuration("dynamodb").server.proxy is None
