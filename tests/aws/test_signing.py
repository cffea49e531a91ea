"""AWS Signature Version 4: the published test suite, and botocore as the oracle.

The suite's cases that do not normalize the path are the variant of S3 alone, so the data file does
not have them.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import botocore.auth
import botocore.credentials
import pytest
from botocore.awsrequest import AWSRequest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.aws.client import Client, Service
from chalicelib.aws.configuration import configuration
from chalicelib.aws.connections import Send, Timeouts
from chalicelib.aws.http_messages import Request, Response
from chalicelib.aws.signing import Credentials, Signer


class Signing(NamedTuple):
    """What a request is signed for, by whom and when, in seconds since the epoch."""

    service: str
    region: str
    credentials: Credentials
    seconds: float


SUITE = json.loads(Path(__file__).with_name("sigv4-test-suite.json").read_text())
_FOLDED = (" ", "\t")
# Botocore sets these itself, or leaves them out since proxies may change them.
SPECIAL = {
    *botocore.auth.SIGNED_HEADERS_BLACKLIST,
    "authorization",
    "date",
    "host",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
}

# Without control characters, which neither headers nor URLs can have.
TEXTS = st.text(st.characters(exclude_categories=["C"]), max_size=30)
WORDS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
KEYS = st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=1)
CREDENTIALS = st.builds(Credentials, KEYS, KEYS, st.none() | KEYS)
# Since paths are normalized, dots and slashes are frequent.
SEGMENTS = st.one_of(
    st.sampled_from(["", ".", "..", "a", "%2F", "%e1%88%b4", "%7E", "a b", "~", "+"]),
    TEXTS.map(lambda text: text.translate(dict.fromkeys(map(ord, "?#/"), "_"))),
)
PATHS = st.lists(SEGMENTS, max_size=6).map(lambda segments: "/" + "/".join(segments))
PARAMETERS = st.one_of(
    st.sampled_from(["", "=", "a", "a=", "a=1", "a=2", "A=1", "b=1=2", "%20=+", "a%3D=1"]),
    TEXTS.map(lambda text: text.replace("#", "_")),
)
QUERIES = st.lists(PARAMETERS, max_size=5).map("&".join)
TARGETS = PATHS | st.builds("{}?{}".format, PATHS, QUERIES)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,15}", fullmatch=True).filter(
    lambda name: name.lower() not in SPECIAL
)
VALUES = TEXTS | st.sampled_from(["", " a", "a  b ", "\ta\t", '" a  b "'])
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=5, unique_by=lambda it: it[0].lower())
HOSTS = st.one_of(
    st.sampled_from(["localhost", "127.0.0.1", "[::1]", "[fd00:ec2::23]", "Example.TEST"]),
    st.lists(WORDS, min_size=1, max_size=3).map(".".join),
)
PORTS = st.one_of(
    st.just(""), st.sampled_from([":80", ":443"]), st.integers(1, 65535).map(":{}".format)
)
# An endpoint's path is sent as it is, so it must be ASCII without spaces.
PLAIN_SEGMENTS = st.sampled_from(["", ".", "..", "a", "%2F", "%e1%88%b4", "%7E", "~", "+"]) | WORDS
PLAIN_PATHS = st.lists(PLAIN_SEGMENTS, max_size=6).map(lambda segments: "/" + "/".join(segments))
URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https"]),
    HOSTS,
    PORTS,
    st.just("") | PLAIN_PATHS,
)
REGIONS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
# Up to the year 2100.
TIMES = st.floats(0, 4_102_444_800) | st.integers(0, 4_102_444_800)
SIGNINGS = st.builds(Signing, WORDS, WORDS, CREDENTIALS, TIMES)
CLIENTS = st.builds(Signing, WORDS, REGIONS, CREDENTIALS, TIMES)
SIGNING = Signing("dynamodb", "eu-central-1", Credentials("key", "secret", "token"), 86399.99)


def parse(text: str) -> Request:
    """Return the request in a file of the suite."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.splitlines()
    method, _, rest = first.partition(" ")
    path, mark, query = rest.removesuffix(" HTTP/1.1").partition("?")
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.startswith(_FOLDED):
            # RFC 9112 §5.2.
            headers[name] += f" {line.strip()}"
            continue
        name, _, value = line.partition(":")
        # RFC 9110 §5.3: the space after the comma is optional, and the suite has none.
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    # A client encodes path and query before it sends them. Services encode the path as received
    # once more, but the suite expects it encoded once: so the path stays as the suite has it.
    return Request(method, path + mark + quote(query, safe="=&%~"), headers, body.encode())


@pytest.mark.parametrize("case", SUITE["cases"], ids=lambda case: case["name"])
def test_the_published_test_suite(case: dict[str, Any]) -> None:
    """Every request of the suite gets the suite's Authorization."""
    context = case["context"]
    request = parse(case["request"])
    keys = context["credentials"]
    credentials = Credentials(keys["access_key_id"], keys["secret_access_key"], keys.get("token"))
    time = datetime.fromisoformat(context["timestamp"])
    headers = {**request.headers, "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ")}
    if credentials.token is not None and not context.get("omit_session_token"):
        headers["X-Amz-Security-Token"] = credentials.token
    if context["sign_body"]:
        headers["X-Amz-Content-SHA256"] = hashlib.sha256(request.body).hexdigest()
    signer = Signer(context["service"], context["region"])
    authorization = signer.authorization(
        request.method, request.target, headers, request.body, credentials
    )
    assert authorization == case["authorization"]


def signed_by_botocore(request: Request, url: str, signing: Signing) -> Mapping[str, str]:
    """Return the headers of `request` after botocore has signed it."""
    service, region, credentials, seconds = signing
    now = datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None)
    theirs = AWSRequest(request.method, url, request.headers, request.body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: now)
        known = botocore.credentials.Credentials(*credentials)
        botocore.auth.SigV4Auth(known, service, region).add_auth(theirs)
    return dict(theirs.headers.items())


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    target=TARGETS,
    headers=HEADERS,
    body=st.binary(max_size=100),
    signing=SIGNINGS,
)
@example("GET", "/%E1%88%B4/%20?%20=%2F", [], b"", SIGNING)
@example("GET", "//a/./../b//?b&a", [("A", " 1  2 ")], b"", SIGNING)
def test_requests_are_signed_as_botocore_signs_them(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes, signing: Signing
) -> None:
    """Any request gets the Authorization that botocore gives it."""
    request = Request(method, target, {"Host": "example.test", **dict(headers)}, body)
    theirs = dict(signed_by_botocore(request, f"https://example.test{target}", signing))
    expected = theirs.pop("Authorization")
    signer = Signer(signing.service, signing.region)
    assert expected == signer.authorization(method, target, theirs, body, signing.credentials)


def sent(url: str, signing: Signing) -> Request:
    """Return the request that a client sends to `url`, where nobody has to be."""
    environment = {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": signing.region,
        "AWS_ACCESS_KEY_ID": signing.credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": signing.credentials.secret_key,
        "AWS_SESSION_TOKEN": signing.credentials.token or "",
    }
    requests: list[Request] = []

    def record(_send: Send) -> Send:
        def respond(request: Request) -> Response:
            requests.append(request)
            return Response(200, {}, b"{}")

        return respond

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        config = configuration(signing.service)
    service = Service(signing.service, "Target", "1.0")
    client = Client(service, config, Timeouts(1, 1), record, lambda: signing.seconds)
    client.call("GetItem", {"Key": signing.seconds})
    client.close()
    return requests[0]


@given(url=URLS, signing=CLIENTS)
@example("http://[::1]:443", SIGNING)
@example("https://[::1]:443/", SIGNING)
@example("http://Example.TEST:80/a", SIGNING)
def test_clients_send_what_botocore_signs(url: str, signing: Signing) -> None:
    """A client's request has the date, token and signature of botocore, which derives the host."""
    request = sent(url, signing)
    # Botocore adds these, but Host only to what it signs.
    added = {"Authorization", "X-Amz-Date", "X-Amz-Security-Token"}
    headers = {name: text for name, text in request.headers.items() if name != "Host"}
    unsigned = {name: text for name, text in headers.items() if name not in added}
    assert headers == signed_by_botocore(request._replace(headers=unsigned), url, signing)


def authorization(signer: Signer, secret: str, day: int) -> str:
    """Return the value by which `signer` signs a request on a day of November 2026."""
    headers = {"Host": "example.test", "X-Amz-Date": f"202611{day:02}T093000Z"}
    return signer.authorization("POST", "/", headers, b"{}", Credentials("key", secret))


SECRETS_AND_DAYS = st.tuples(st.sampled_from(["one", "two", "three"]), st.integers(24, 26))


@given(st.lists(SECRETS_AND_DAYS, min_size=2, max_size=12))
@example([("one", 24), ("one", 25), ("two", 25), ("two", 24), ("one", 24)])
def test_a_signer_follows_changes(uses: list[tuple[str, int]]) -> None:
    """A signer that has signed with other secrets and on other days signs like a new one."""
    signer = Signer("dynamodb", "eu-central-1")
    for secret, day in uses:
        fresh = Signer("dynamodb", "eu-central-1")
        assert authorization(signer, secret, day) == authorization(fresh, secret, day)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Let the threads of a test alternate as often as possible."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("frequent_switches")
def test_threads_share_a_signer() -> None:
    """Threads that alternate secrets and days on one signer never get each other's signature."""
    signer = Signer("dynamodb", "eu-central-1")
    uses = [(secret, day) for secret in ("one", "two") for day in (24, 25)]
    expected = {use: authorization(Signer("dynamodb", "eu-central-1"), *use) for use in uses}

    def alternate(thread: int) -> bool:
        turns = [uses[(thread + turn) % len(uses)] for turn in range(200)]
        return all(authorization(signer, *use) == expected[use] for use in turns)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(alternate, range(8)))
