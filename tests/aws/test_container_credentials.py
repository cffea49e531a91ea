"""Credentials from a container's endpoint: where they may come from, and what its answers mean.

botocore is the oracle: it accepts and refuses the same endpoints, and finds the same credentials.
"""

import datetime as dt
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.credentials import ContainerProvider
from botocore.utils import ContainerMetadataFetcher

from chalicelib.aws.container_credentials import container_credentials
from chalicelib.aws.errors import NoResponse
from chalicelib.aws.signing import Credentials
from chalicelib.settings_error import SettingsError
from tests.aws.http_server import Last, Received, response, serving

FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", "IQoJb3JpZ2luX2VjE")


def answer(**members: object) -> dict[str, object]:
    """Return the body of an answer with credentials that expire in an hour."""
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    return {
        "AccessKeyId": KEYS.access_key,
        "SecretAccessKey": KEYS.secret_key,
        "Token": KEYS.token,
        "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "RoleArn": "arn:aws:iam::123456789012:role/users",
        **members,
    }


def ours(**environment: str) -> Credentials:
    """Return the credentials that the product finds."""
    source = container_credentials(environment)
    assert source is not None
    return source()


def botocores(**environment: str) -> Credentials:
    """Return the credentials that botocore finds."""
    fetcher: Any = ContainerMetadataFetcher(sleep=lambda _: None)
    provider: Any = ContainerProvider(environ=environment, fetcher=fetcher)
    found = provider.load().get_frozen_credentials()
    return Credentials(found.access_key, found.secret_key, found.token)


def outcome(raw: bytes) -> Credentials | Exception:
    """Return the credentials in the answer `raw`, or the error; neither may show a secret."""
    with serving(lambda _: raw) as server:
        source = container_credentials({FULL: f"{server.url}/creds"})
        assert source is not None
        try:
            return source()
        except (NoResponse, SettingsError) as error:
            shown: BaseException | None = error
            while shown is not None:
                assert not any(secret in str(shown) for secret in KEYS if secret is not None)
                shown = shown.__cause__ or (
                    None if shown.__suppress_context__ else shown.__context__
                )
            return error


def test_outside_a_container_there_are_none() -> None:
    """Without either address, or with empty ones, other sources are asked."""
    assert container_credentials({}) is None
    assert container_credentials({FULL: "", RELATIVE: "", TOKEN: "token"}) is None


@pytest.mark.parametrize(
    "target", ["/creds", "/v2/credentials?id=1&name=a%20b", "", "/?id=1", "?id=1"]
)
def test_credentials_are_fetched_as_botocore_does(target: str) -> None:
    """The same credentials are found by the same request: its path, query, token and host."""
    with serving(lambda _: response(200, answer())) as server:
        environment = {FULL: f"{server.url}{target}", TOKEN: "Basic abc="}
        assert ours(**environment) == botocores(**environment) == KEYS
    request, expected = server.received
    assert request.method == expected.method == "GET"
    assert request.target == expected.target
    for name in ("authorization", "host", "accept"):
        assert request.headers[name] == expected.headers[name]


def test_no_token_is_sent_without_one() -> None:
    """An endpoint that needs no token, such as ECS's, gets no Authorization header."""
    with serving(lambda _: response(200, answer())) as server:
        ours(**{FULL: f"{server.url}/"})
        ours(**{FULL: f"{server.url}/", TOKEN: ""})
    assert not any("authorization" in request.headers for request in server.received)


def test_nothing_is_fetched_before_it_is_needed() -> None:
    """The endpoint is asked at the first use, and once."""
    with serving(lambda _: response(200, answer())) as server:
        source = container_credentials({FULL: f"{server.url}/"})
        assert source is not None
        assert server.received == []
        assert source() == source() == KEYS
        assert len(server.received) == 1


def test_a_token_file_is_read_for_each_fetch(tmp_path: Path) -> None:
    """A token file wins over a token, and a token that replaced it is used at the next fetch."""
    file = tmp_path / "token"
    past = answer(Expiration="2020-01-01T00:00:00Z")
    with serving(lambda _: response(200, past)) as server:
        environment = {FULL: f"{server.url}/", TOKEN_FILE: str(file), TOKEN: "ignored"}
        source = container_credentials(environment)
        assert source is not None
        for token in ("one", "two\n"):
            file.write_text(token)
            assert source() == KEYS
    tokens = [request.headers["authorization"] for request in server.received]
    assert tokens == ["one", "two"]


def test_a_token_file_means_the_same_to_botocore(tmp_path: Path) -> None:
    """Both send the content of the file."""
    (tmp_path / "token").write_text("a token")
    with serving(lambda _: response(200, answer())) as server:
        environment = {FULL: f"{server.url}/", TOKEN_FILE: str(tmp_path / "token")}
        assert ours(**environment) == botocores(**environment)
    assert {request.headers["authorization"] for request in server.received} == {"a token"}


@pytest.mark.parametrize("content", [None, b"one\ntwo", b"\xff\xfe", b"a\x00b"])
def test_an_unusable_token_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, or whose content is no header, is an error that names the variable.

    Nothing is sent, and the content is not shown.
    """
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with serving(lambda _: response(200, answer())) as server:
        source = container_credentials({FULL: server.url, TOKEN_FILE: str(tmp_path / "token")})
        assert source is not None
        with pytest.raises(SettingsError, match=f"^{TOKEN_FILE} ") as raised:
            source()
    assert "two" not in str(raised.value)
    assert server.received == []


def test_a_token_with_a_line_break_is_refused() -> None:
    """A token that would add a header is not sent, as by botocore, and not shown."""
    with serving(lambda _: response(200, answer())) as server:
        environment = {FULL: server.url, TOKEN: "one\r\nX-Header: two"}
        with pytest.raises(SettingsError, match=f"^{TOKEN} has a line break") as raised:
            ours(**environment)
        with pytest.raises(ValueError, match="not a legal header value"):
            botocores(**environment)
    assert "two" not in str(raised.value)
    assert server.received == []


class Answering:
    """Stands for the network under botocore: every host answers with credentials."""

    def send(self, request: object) -> object:
        """Return the answer of any host."""
        assert request is not None
        return SimpleNamespace(status_code=200, content=b"{}")


def botocore_accepts(url: str) -> bool:
    """Return True if botocore would take credentials from `url`."""
    fetcher: Any = ContainerMetadataFetcher(session=Answering())
    try:
        fetcher.retrieve_full_uri(url)
    except ValueError:
        return False
    return True


ACCEPTED = [
    "http://localhost/creds",
    "http://LOCALHOST:8080/creds",
    "HTTP://localhost/creds",
    "http://127.0.0.1/creds",
    "http://127.200.3.4:51679/creds",
    "http://[::1]:8080/creds",
    "http://169.254.170.2/v2/creds",
    "http://169.254.170.23/v1/credentials",
    "http://[fd00:ec2::23]/v1/credentials",
    "https://localhost/creds",
    "https://credentials.example.com/creds",
    "https://192.0.2.1:8443/creds",
]
REFUSED = [
    "http://credentials.example.com/creds",
    "http://192.0.2.1/creds",
    "http://169.254.169.254/latest/meta-data",
    "http://169.254.170.2.example.com/creds",
    "http://169.254.170.2@example.com/creds",
    "http://localhost@example.com/creds",
    "http://localhost.example.com/creds",
    "http://localhost./creds",
    "http://127.1/creds",
    "http://2130706433/creds",
    "http://0.0.0.0/creds",
    "http://[::]/creds",
    "http://[fe80::1]/creds",
    "http:///creds",
    "//localhost.example.com/creds",
    "ftp://example.com/creds",
    "/creds",
    "creds",
]


@pytest.mark.parametrize("url", ACCEPTED)
def test_trustworthy_endpoints_are_accepted(url: str) -> None:
    """Credentials may come from this machine, AWS's link-local addresses, and over TLS."""
    assert container_credentials({FULL: url}) is not None
    assert botocore_accepts(url)


@pytest.mark.parametrize("url", REFUSED)
def test_other_endpoints_are_refused(url: str) -> None:
    """Any other endpoint is an error that names the variable and the address."""
    with pytest.raises(SettingsError) as raised:
        container_credentials({FULL: url})
    assert str(raised.value) == (
        f"{FULL} must be an https:// address, or http:// on this machine, not {url!r}."
    )
    assert not botocore_accepts(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:port/creds",
        "http://localhost:99999/creds",
        "http://[::1/creds",
        "https:///creds",
        "ftp://localhost/creds",
        "ftp://localhost:21/creds",
    ],
)
def test_addresses_that_lead_nowhere_are_refused(url: str) -> None:
    """What botocore would find out only when it connects is an error that names the variable."""
    with pytest.raises(SettingsError, match=f"^{FULL} must be an https:// address") as raised:
        container_credentials({FULL: url})
    assert repr(url) in str(raised.value)


@pytest.mark.parametrize("path", ["creds", "@example.com/", ".example.com/", ":8080/"])
def test_a_relative_address_stays_on_its_host(path: str) -> None:
    """A relative address that would change the host is an error that names the variable."""
    with pytest.raises(SettingsError, match=f"^{RELATIVE} must start with a slash") as raised:
        container_credentials({RELATIVE: path})
    assert repr(path) in str(raised.value)


def test_a_relative_address_wins() -> None:
    """The relative address of ECS wins over the full one, which is not even looked at."""
    assert container_credentials({RELATIVE: "/v2/creds", FULL: "http://example.com/"}) is not None


def test_ipv6_is_spoken() -> None:
    """An endpoint by IPv6, as EKS has one, is asked with brackets around its address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("This machine has no IPv6.")
    with serving(lambda _: response(200, answer()), "::1") as server:
        environment = {FULL: f"{server.url}/creds"}
        assert ours(**environment) == botocores(**environment) == KEYS
    assert [request.headers["host"] for request in server.received] == [server.authority] * 2


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_a_setting_to_fix(status: int) -> None:
    """A client error is an error of the configuration, which names the endpoint and the status."""
    error = outcome(response(status, answer(message="no such role")))
    assert isinstance(error, SettingsError)
    assert f"status {status}" in str(error)
    assert "127.0.0.1" in str(error)


@pytest.mark.parametrize("status", [204, 301, 307, 408, 429, 500, 503])
def test_a_failure_is_no_response(status: int) -> None:
    """Any other status is transient, and redirects are not followed."""
    error = outcome(response(status, answer(), Location="http://127.0.0.1:1/"))
    assert isinstance(error, NoResponse)
    assert f"status {status}" in str(error)


SECRETS = f"{KEYS.access_key}: {KEYS.secret_key} {KEYS.token}".encode()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(response(200, b""), id="empty"),
        pytest.param(response(200, b"<html>"), id="not JSON"),
        pytest.param(response(200, b'{"Token": "\xff"}'), id="not UTF-8"),
        pytest.param(response(200, b'{"More":' + b"[" * 100_000), id="too deep"),
        pytest.param(response(200, [KEYS.secret_key]), id="not an object"),
        pytest.param(response(200, {"SecretAccessKey": KEYS.secret_key}), id="half"),
        pytest.param(response(200, answer(AccessKeyId=None)), id="null"),
        pytest.param(response(200, answer(SecretAccessKey=[KEYS.secret_key])), id="no text"),
        pytest.param(response(200, answer(Expiration=KEYS.secret_key)), id="expiry is no time"),
        pytest.param(response(200, answer(Expiration="2099-01-01T00:00:00")), id="no zone"),
        pytest.param(response(200, {"Code": "AccessDenied", "Message": "no"}), id="error"),
        pytest.param(response(200, b'{"Token": "' + SECRETS), id="cut JSON"),
        pytest.param(Last(response(200, answer())[:-20]), id="cut body"),
        pytest.param(Last(response(200, answer())[:30]), id="cut head"),
        pytest.param(Last(b""), id="nothing"),
        pytest.param(Last(SECRETS + b"\r\n\r\n"), id="no HTTP"),
        pytest.param(Last(b"HTTP/1.1 200 OK\r\n" + SECRETS[22:] + b"\r\n\r\n"), id="no header"),
        pytest.param(
            response(200, answer(), Content_Length=KEYS.secret_key), id="length is no number"
        ),
    ],
)
def test_an_answer_without_credentials_is_no_response(raw: bytes) -> None:
    """An answer that is damaged or incomplete is transient, and no secret in it is shown."""
    error = outcome(raw)
    assert isinstance(error, NoResponse)
    assert "127.0.0.1" in str(error)


def test_a_refused_connection_is_no_response() -> None:
    """An endpoint that does not listen yet is transient, and the error says so."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(NoResponse, match="refused"):
        ours(**{FULL: f"http://127.0.0.1:{port}/"})


def counted(make: Callable[[Received], bytes], uses: int = 3) -> int:
    """Return how many fetches so many uses cause."""
    with serving(make) as server:
        source = container_credentials({FULL: server.url})
        assert source is not None
        for _ in range(uses):
            assert source().access_key == KEYS.access_key
        return len(server.received)


@pytest.mark.parametrize(
    "expiration",
    [
        "2099-01-01T00:00:00Z",
        "2099-01-01T00:00:00.123Z",
        "2099-01-01T00:00:00+00:00",
        "2099-01-01T02:00:00+02:00",
        None,
    ],
)
def test_credentials_are_kept_until_they_expire(expiration: str | None) -> None:
    """Every format in which AWS writes a time is read, and no time means no expiry."""
    assert counted(lambda _: response(200, answer(Expiration=expiration))) == 1


def test_credentials_need_no_token_and_no_expiry() -> None:
    """Long-term credentials, which a local agent may hand out, have neither."""
    body = {"AccessKeyId": KEYS.access_key, "SecretAccessKey": KEYS.secret_key}
    assert outcome(response(200, body)) == KEYS._replace(token=None)
    assert counted(lambda _: response(200, body)) == 1


@pytest.mark.parametrize(
    ("seconds", "fetches"), [(-3600, 3), (30, 3), (300, 1), (660, 1), (3600, 1)]
)
def test_credentials_are_fetched_again_when_they_expire(seconds: int, fetches: int) -> None:
    """Expired credentials are fetched at the next use; those that soon do, every 30 seconds."""

    def make(_: Received) -> bytes:
        expires = dt.datetime.fromtimestamp(time.time() + seconds, dt.UTC)
        return response(200, answer(Expiration=expires.isoformat()))

    assert counted(make) == fetches
