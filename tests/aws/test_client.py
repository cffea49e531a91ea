"""Calls to a service: what is sent, what an error says, and which clock signs."""

import datetime as dt
import email.utils
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from chalicelib.aws.client import Client, Service
from chalicelib.aws.configuration import Configuration
from chalicelib.aws.connections import Server, Timeouts
from chalicelib.aws.credentials import CredentialsSource
from chalicelib.aws.errors import NoResponse, ServiceError
from chalicelib.aws.signing import Credentials
from tests.aws.http_server import HTTPServer, Last, Received, response, serving

DYNAMODB = Service("dynamodb", "DynamoDB_20120810", "1.0")
TIMEOUTS = Timeouts(5, 5)
KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
TEXT = "Requested resource not found"
HOUR = 3600
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def source() -> Credentials:
    """Return credentials that never change."""
    return KEYS


@contextmanager
def client_of(
    server: HTTPServer, path: str = "", credentials: CredentialsSource = source
) -> Iterator[Client]:
    """Yield a client of `server`, and close it afterwards."""
    place = Server("127.0.0.1", server.port, tls=False)
    config = Configuration(urlsplit(server.url + path), "eu-central-1", place, credentials)
    client = Client(DYNAMODB, config, TIMEOUTS)
    try:
        yield client
    finally:
        client.close()


def call(raw: bytes) -> dict[str, object]:
    """Return what a call returns whose response is `raw`."""
    with serving(lambda _: raw) as server, client_of(server) as client:
        return client.call("GetItem", {})


def failure(raw: bytes) -> ServiceError:
    """Return the error that a call raises whose response is `raw`."""
    with pytest.raises(ServiceError) as raised:
        call(raw)
    return raised.value


def test_a_call_is_sent_as_the_protocol_says() -> None:
    """A call is a signed POST to the endpoint's path, with its operation in X-Amz-Target."""
    credentials = KEYS._replace(token="a session token")
    with (
        serving(lambda _: response(200, {"Item": {"S": "é"}})) as server,
        client_of(server, "/a/path", lambda: credentials) as client,
    ):
        returned = client.call("GetItem", {"TableName": "users", "Key": {"PK": {"S": "é"}}})
    assert returned == {"Item": {"S": "é"}}
    [request] = server.received
    assert (request.method, request.target) == ("POST", "/a/path")
    assert json.loads(request.body) == {"TableName": "users", "Key": {"PK": {"S": "é"}}}
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert request.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert request.headers["host"] == server.authority
    assert request.headers["x-amz-security-token"] == "a session token"
    day = request.headers["x-amz-date"][:8]
    scope = f"AKIAIOSFODNN7EXAMPLE/{day}/eu-central-1/dynamodb/aws4_request"
    signed = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
    expected = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature="
    assert request.headers["authorization"].startswith(expected)


def test_long_term_credentials_send_no_token() -> None:
    """Without a session token there is no X-Amz-Security-Token, and the default path is "/"."""
    with serving(lambda _: response(200, {})) as server, client_of(server) as client:
        client.call("GetItem", {})
    assert "x-amz-security-token" not in server.received[0].headers
    assert server.received[0].target == "/"


@pytest.mark.parametrize(
    "kind",
    [
        "ResourceNotFoundException",
        "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
        "ResourceNotFoundException:http://internal.amazon.com/coral/com.amazon.coral.validate/",
        "aws.json#ResourceNotFoundException:http://internal.amazon.com/coral/",
    ],
)
@pytest.mark.parametrize("in_header", [False, True])
@pytest.mark.parametrize("name", ["message", "Message"])
def test_an_error_has_its_code(kind: str, name: str, *, in_header: bool) -> None:
    """An error's code is its bare name, whether a header or the body has it, and in which form."""
    headers = {"x_amzn_RequestId": "ABC123"} | ({"X_Amzn_ErrorType": kind} if in_header else {})
    body = {name: TEXT} if in_header else {"__type": kind, name: TEXT}
    error = failure(response(400, body, **headers))
    assert (error.code, error.status) == ("ResourceNotFoundException", 400)
    assert (error.request_id, error.is_transient) == ("ABC123", False)
    assert error.members == body
    assert str(error) == (
        f"GetItem: ResourceNotFoundException: {TEXT} (status 400, request ABC123)"
    )


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[]", b"null", b'{"a":', b"{}"])
@pytest.mark.parametrize(
    ("status", "is_transient"), [(302, False), (404, False), (500, True), (503, True)]
)
def test_an_error_from_something_on_the_way(
    body: bytes, status: int, *, is_transient: bool
) -> None:
    """An error whose body is not from AWS is named by its status, and transient from 500."""
    error = failure(response(status, body))
    assert (error.code, error.status) == (f"status {status}", status)
    assert (error.request_id, error.members) == ("unknown", {})
    assert error.is_transient is is_transient
    assert "no message" in str(error)


@pytest.mark.parametrize(
    "code",
    ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"],
)
@pytest.mark.parametrize("status", [400, 429])
def test_a_busy_service_is_transient(code: str, status: int) -> None:
    """An error that throttles is transient, whatever its status is."""
    assert failure(response(status, {"__type": code})).is_transient


def test_redirects_are_not_followed() -> None:
    """A redirect is an error: its target would get a request that was signed for another host."""
    with serving(lambda _: response(200, {})) as other:
        assert failure(response(307, b"", Location=other.url)).status == 307
    assert other.received == []


def test_a_right_checksum_is_accepted() -> None:
    """A response whose X-Amz-Crc32 is that of its body is returned."""
    body = b'{"Item":{}}'
    assert call(response(200, body, x_amz_crc32=str(zlib.crc32(body)))) == {"Item": {}}


@pytest.mark.parametrize("checksum", [str(zlib.crc32(b"{}") ^ 1), "garbage", "", "-1"])
@pytest.mark.parametrize("status", [200, 400])
def test_a_wrong_checksum_is_no_response(checksum: str, status: int) -> None:
    """A response that does not match its checksum was damaged, whatever it says."""
    with pytest.raises(NoResponse, match="GetItem: the response was damaged"):
        call(response(status, b"{}", x_amz_crc32=checksum))


@pytest.mark.parametrize("body", [b"", b"<html>OK</html>", b"[]", b'"text"', b"null", b'{"a":'])
def test_a_success_that_is_no_object_is_no_response(body: bytes) -> None:
    """A success whose body is not a JSON object is no response, and transient."""
    with pytest.raises(NoResponse, match="no JSON object") as raised:
        call(response(200, body))
    assert raised.value.is_transient


class AWSTime:
    """Responds as AWS does: refuses a signature that is five minutes away from its own time.

    Its clock is `ahead` of this machine's, and `dates` makes the header Date from its time.
    """

    def __init__(self, ahead: float, dates: Callable[[float], str] | None = None) -> None:
        self.ahead = ahead
        self.refused = 0
        self._dates = dates or (lambda now: email.utils.formatdate(now, usegmt=True))

    def __call__(self, request: Received) -> bytes:
        """Return the response to a request."""
        now = time.time() + self.ahead
        date = self._dates(now)
        if abs(signed_at(request) - now) < 300:
            return response(200, {}, Date=date)
        self.refused += 1
        return refusal(date)


def refusal(date: str, text: str = "Signature expired") -> bytes:
    """Return what AWS responds to a signature that is too old."""
    kind = "com.amazon.coral.service#InvalidSignatureException"
    headers = {"Date": date} if date else {}
    return response(400, {"__type": kind, "message": text}, **headers)


def signed_at(request: Received) -> float:
    """Return the time of the signature, in seconds since the epoch."""
    text = request.headers["x-amz-date"]
    return dt.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize("ahead", [HOUR, -HOUR, 400, -400, 30 * 24 * HOUR])
def test_a_clock_that_is_wrong_is_corrected_once(ahead: float) -> None:
    """After one refusal the client signs by the service's clock, in this call and later ones."""
    aws = AWSTime(ahead)
    with serving(aws) as server, client_of(server) as client:
        for _ in range(3):
            assert client.call("GetItem", {}) == {}
    assert (aws.refused, len(server.received)) == (1, 4)
    authorizations = {request.headers["authorization"] for request in server.received[:2]}
    assert len(authorizations) == 2


def test_a_clock_that_is_right_again_is_corrected_back() -> None:
    """The correction ends when the clocks agree again."""
    aws = AWSTime(HOUR)
    with serving(aws) as server, client_of(server) as client:
        client.call("GetItem", {})
        aws.ahead = 0
        for _ in range(2):
            client.call("GetItem", {})
    assert (aws.refused, len(server.received)) == (2, 5)
    assert abs(signed_at(server.received[-1]) - time.time()) < 60


def now_plus(seconds: float) -> str:
    """Return the value of the header Date so many seconds from now."""
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    "date",
    [
        pytest.param(lambda: now_plus(0), id="ours"),
        pytest.param(lambda: now_plus(200), id="near ours"),
        pytest.param(lambda: now_plus(-200), id="just before ours"),
        pytest.param(lambda: "", id="missing"),
        pytest.param(lambda: "yesterday", id="a word"),
        pytest.param(lambda: "Sat, 31 Feb 2026 09:30:00 GMT", id="no such day"),
        pytest.param(lambda: "Sat, 21 Nov 99999 09:30:00 GMT", id="no such year"),
        pytest.param(lambda: f"Sat, 21 Nov {'9' * 30} 09:30:00 GMT", id="a huge year"),
        pytest.param(lambda: "Sat, 21 Nov 2026 09:30:00 +999999999999", id="no such zone"),
        pytest.param(lambda: "2026-11-21T09:30:00Z", id="another format"),
    ],
)
def test_a_refusal_that_no_clock_explains_is_raised(date: Callable[[], str]) -> None:
    """A signature that is refused although the clocks agree, or nobody knows, is not repeated."""
    with (
        serving(lambda _: refusal(date(), "The security token is invalid")) as server,
        client_of(server) as client,
        pytest.raises(ServiceError, match="The security token is invalid") as raised,
    ):
        client.call("GetItem", {})
    assert raised.value.code == "InvalidSignatureException"
    assert len(server.received) == 1


def test_other_errors_do_not_set_the_clock() -> None:
    """An error that is not about signatures is raised at once, whatever its Date says."""
    raw = response(400, {"__type": "ValidationException"}, Date=now_plus(HOUR))
    with (
        serving(lambda _: raw) as server,
        client_of(server) as client,
        pytest.raises(ServiceError, match="ValidationException"),
    ):
        client.call("GetItem", {})
    assert len(server.received) == 1


def test_a_second_refusal_is_raised() -> None:
    """A signature that is refused by the service's own time too is an error."""
    with (
        serving(lambda _: refusal(now_plus(HOUR))) as server,
        client_of(server) as client,
        pytest.raises(ServiceError, match="Signature expired"),
    ):
        client.call("GetItem", {})
    assert len(server.received) == 2


def test_every_thread_recovers_from_a_wrong_clock() -> None:
    """Requests that were signed before the clock was corrected are signed again, all of them."""
    both_arrived, one_recovered = threading.Barrier(2), threading.Event()
    order = iter((False, True))

    def aws(request: Received) -> bytes:
        if signed_at(request) > time.time() + HOUR / 2:
            one_recovered.set()
            return response(200, {})
        both_arrived.wait(5)
        if next(order):
            assert one_recovered.wait(5)
        return refusal(now_plus(HOUR))

    with (
        serving(aws) as server,
        client_of(server) as client,
        ThreadPoolExecutor(2) as threads,
    ):
        calls = [threads.submit(client.call, "GetItem", {}) for _ in range(2)]
        assert [made.result(10) for made in calls] == [{}, {}]
    assert len(server.received) == 4


def test_credentials_are_asked_for_each_request() -> None:
    """Each request is signed with the credentials of its time, so that they may be replaced."""
    names = iter(["AKIAONE", "AKIATWO"])
    with (
        serving(lambda _: response(200, {})) as server,
        client_of(server, credentials=lambda: Credentials(next(names), "secret")) as client,
    ):
        for _ in range(2):
            client.call("GetItem", {})
    keys = [request.headers["authorization"] for request in server.received]
    assert ["AKIAONE" in keys[0], "AKIATWO" in keys[1]] == [True, True]


def test_threads_share_a_client() -> None:
    """Many threads call one client at once, and each gets its own responses."""
    with (
        serving(lambda request: response(200, request.body)) as server,
        client_of(server) as client,
        ThreadPoolExecutor(8) as threads,
    ):

        def calls(thread: int) -> None:
            for number in range(50):
                parameters = {"thread": thread, "number": number}
                assert client.call("GetItem", parameters) == parameters

        list(threads.map(calls, range(8)))
    assert len(server.received) == 400
    assert server.accepted <= 8


def test_few_idle_connections_are_kept() -> None:
    """After many requests at once only ten connections stay open, and none after `close`."""
    together = threading.Barrier(20)

    def meet(_: Received) -> bytes:
        together.wait(5)
        return response(200, {})

    with serving(meet) as server:
        with client_of(server) as client:
            with ThreadPoolExecutor(20) as threads:
                list(threads.map(lambda _: client.call("GetItem", {}), range(20)))
            assert server.accepted == 20
            assert server.open_connections(10) == 10
        assert server.open_connections(0) == 0


def test_a_closed_client_can_call_again() -> None:
    """A client opens new connections after `close`, for as long as it is used."""
    with serving(lambda _: response(200, {})) as server, client_of(server) as client:
        for _ in range(2):
            client.call("GetItem", {})
            client.close()
    assert server.accepted == 2


@pytest.mark.parametrize("raw", [Last(b""), Last(response(200, b"{}")[:-1]), b"garbage\r\n\r\n"])
def test_an_incomplete_response_is_no_response(raw: bytes) -> None:
    """A response that is cut off, or no HTTP, is no response and names the server."""
    with pytest.raises(NoResponse, match=r"No response from 127\.0\.0\.1"):
        call(raw)


SECRET = "a-secret-that-was-read"
BODY = f'{{"Parameter":{{"Value":"{SECRET}"'.encode()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(response(200, BODY), id="cut JSON"),
        pytest.param(response(200, BODY + b'": 1}'), id="malformed JSON"),
        pytest.param(response(200, SECRET), id="not an object"),
        pytest.param(Last(response(200, BODY)[:-1]), id="cut body"),
        pytest.param(response(200, BODY, x_amz_crc32="1"), id="checksum"),
        pytest.param(Last(CHUNKED + BODY + b"\r\n"), id="no size of a chunk"),
        pytest.param(Last(CHUNKED + b"9\r\n" + BODY + b"\r\n"), id="wrong size of a chunk"),
    ],
)
def test_a_damaged_response_is_not_quoted(raw: bytes) -> None:
    """An error about a damaged response shows nothing of its body, which could be a secret."""
    with pytest.raises(NoResponse) as raised:
        call(raw)
    shown: BaseException | None = raised.value
    while shown is not None:
        assert SECRET not in str(shown)
        shown = shown.__cause__ or shown.__context__
