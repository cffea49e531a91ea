"""The issuer's published keys: fetched on demand, cached, with limited requests."""

import logging
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from chalicelib.security.jwks import RemoteJWKSet, SharedSecret
from tests.support.issuer import KeyServer, SigningKey, certificate, serving

OLD = SigningKey("old")
NEW = SigningKey("new", "ES256")


class Clock:
    """A clock that the test sets, in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """Serve the old key."""
    with serving() as issuer:
        issuer.keys = [OLD.jwk]
        yield issuer


@pytest.fixture
def clock() -> Clock:
    """Return a clock for the test to set."""
    return Clock()


@pytest.fixture
def keys(server: KeyServer, clock: Clock) -> RemoteJWKSet:
    """Return keys of the server, cached for five minutes and fetched every 10 s at most."""
    return RemoteJWKSet(server.url, max_age=300, cooldown=10, timeout=0.5, clock=clock)


def test_nothing_is_fetched_before_a_key_is_needed(keys: RemoteJWKSet, server: KeyServer) -> None:
    """Creating the verifier sends no request."""
    assert keys
    assert server.requests == 0


def test_keys_are_cached(keys: RemoteJWKSet, server: KeyServer, clock: Clock) -> None:
    """Any number of tokens sends one request in five minutes."""
    for _ in range(50):
        assert keys.find("old", "RS256")
    clock.now += 299
    assert keys.find("old", "RS256")
    assert server.requests == 1

    clock.now += 1
    assert keys.find("old", "RS256")
    assert server.requests == 2


def test_a_new_key_is_fetched_with_its_first_token(
    keys: RemoteJWKSet, server: KeyServer, clock: Clock
) -> None:
    """A rotated key works at once, and the old one while it is published."""
    assert keys.find("old", "RS256")
    server.keys = [OLD.jwk, NEW.jwk]
    clock.now += 11

    assert keys.find("new", "ES256")
    assert keys.find("old", "RS256")
    assert server.requests == 2


def test_a_withdrawn_key_is_forgotten(keys: RemoteJWKSet, server: KeyServer, clock: Clock) -> None:
    """A withdrawn key verifies nothing after five minutes at most."""
    assert keys.find("old", "RS256")
    server.keys = [NEW.jwk]
    clock.now += 300

    assert keys.find("old", "RS256") is None


def test_unknown_names_cannot_make_the_api_flood_the_issuer(
    keys: RemoteJWKSet, server: KeyServer, clock: Clock
) -> None:
    """A hundred unknown key ids send one request in ten seconds; known keys keep working."""
    for number in range(100):
        assert keys.find(f"made-up-{number}", "RS256") is None
    assert server.requests == 1
    assert keys.find("old", "RS256")

    clock.now += 10
    for number in range(100):
        assert keys.find(f"made-up-{number}", "RS256") is None
    assert server.requests == 2


def test_a_failing_issuer_is_not_asked_for_each_token(
    keys: RemoteJWKSet, server: KeyServer, clock: Clock
) -> None:
    """A failing issuer is asked once in ten seconds, and its recovery is noticed."""
    server.status = 503
    for _ in range(20):
        assert keys.find("old", "RS256") is None
    assert server.requests == 1

    server.status = 200
    clock.now += 10
    assert keys.find("old", "RS256")


def test_keys_outlive_a_short_outage_and_no_long_one(
    keys: RemoteJWKSet, server: KeyServer, clock: Clock
) -> None:
    """During an outage the last keys work for one more hour; then nothing is verified."""
    assert keys.find("old", "RS256")
    server.status = 503
    clock.now += 3800
    assert keys.find("old", "RS256")

    clock.now += 100
    assert keys.find("old", "RS256") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": null}',
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, "x", null, [], {}]}',
        b'{"keys": [{"kty": ["RSA"], "kid": "old"}]}',
        b'{"keys": [{"kty": "RSA", "kid": "old", "n": 5, "e": {}}]}',
        b'{"keys": [{"kty": "RSA", "kid": "old", "n": "!", "e": "AQAB"}]}',
        b'{"keys": [{"kty": "EC", "kid": "old", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"keys": [' + b" " * 300_000 + b"]}",
        b"9" * 5000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_answers_that_hold_no_keys(
    keys: RemoteJWKSet, server: KeyServer, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Responses that are malformed, empty or too large verify nothing, and are logged."""
    server.body = body

    assert keys.find("old", "RS256") is None
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert server.url in caplog.text


def test_an_invalid_key_does_not_affect_others(keys: RemoteJWKSet, server: KeyServer) -> None:
    """Keys that cannot be used are skipped."""
    server.keys = [7, {"kty": "RSA", "kid": "bad", "n": [], "e": 1}, OLD.jwk]

    assert keys.find("old", "RS256")


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"alg": "RS512"},
        {"alg": "HS256"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"kid": 7},
        {"kid": None},
        {"kty": "oct", "k": "AAAA"},
    ],
    ids=repr,
)
def test_keys_for_another_use(
    keys: RemoteJWKSet, server: KeyServer, changes: dict[str, Any]
) -> None:
    """A key is used only for its published purpose; private and symmetric ones never."""
    server.keys = [{**OLD.jwk, **changes}]

    assert keys.find("old", "RS256") is None
    assert keys.find("old", "HS256") is None


def test_a_published_private_key_is_not_trusted(keys: RemoteJWKSet, server: KeyServer) -> None:
    """Anyone who can read the set could sign with a private key in it."""
    assert isinstance(OLD.private, RSAPrivateKey)
    private = RSAAlgorithm.to_jwk(OLD.private, as_dict=True)
    server.keys = [{**private, "kid": "old", "key_ops": ["sign", "verify"]}]

    assert keys.find("old", "RS256") is None


def test_a_key_need_not_name_its_use(keys: RemoteJWKSet, server: KeyServer) -> None:
    """`use` and `alg` are optional (RFC 7517 §4.2, §4.4); then the key's type decides."""
    server.keys = [{n: v for n, v in OLD.jwk.items() if n not in {"use", "alg"}}]

    assert keys.find("old", "RS256")


@pytest.mark.parametrize("key", [SigningKey("weak", "RS256", 1024), SigningKey("weak", "ES384")])
def test_weak_and_unsupported_keys_are_not_used(
    keys: RemoteJWKSet, server: KeyServer, key: SigningKey
) -> None:
    """RSA keys under 2048 bits (RFC 7518 §3.3) and other curves are not used."""
    server.keys = [key.jwk, {n: v for n, v in key.jwk.items() if n != "alg"}]

    assert keys.find("weak", "RS256") is None
    assert keys.find("weak", "ES256") is None


def test_keys_of_two_types_may_share_an_id(keys: RemoteJWKSet, server: KeyServer) -> None:
    """Two keys may have the same id if their types differ (RFC 7517 §4.5)."""
    server.keys = [{**NEW.jwk, "kid": "old"}, OLD.jwk]

    assert getattr(keys.find("old", "RS256"), "algorithm_name", None) == "RS256"
    assert getattr(keys.find("old", "ES256"), "algorithm_name", None) == "ES256"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512", "PS256", "ES384", "", None, 7, []])
def test_other_algorithms_are_not_looked_up(
    keys: RemoteJWKSet, server: KeyServer, algorithm: object
) -> None:
    """A token with another algorithm sends no request to the issuer."""
    assert keys.find("old", algorithm) is None
    assert server.requests == 0


def test_redirects_are_not_followed(
    keys: RemoteJWKSet, server: KeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys come only from the configured address."""
    with serving() as elsewhere:
        elsewhere.keys = [OLD.jwk]
        server.status = 302
        server.headers = {"Location": elsewhere.url}

        assert keys.find("old", "RS256") is None
        assert elsewhere.requests == 0
    assert "302" in caplog.text


@pytest.mark.parametrize("chunk", [1 << 20, 16], ids=["silent", "slow"])
def test_a_slow_issuer_is_not_waited_for(keys: RemoteJWKSet, server: KeyServer, chunk: int) -> None:
    """Neither silence nor a slow response delays a request beyond the timeout."""
    server.chunk = chunk
    server.delay = 0.9 if chunk > 16 else 0.1
    start = time.monotonic()

    assert keys.find("old", "RS256") is None
    assert time.monotonic() - start < 1.5


def test_an_unreachable_issuer(caplog: pytest.LogCaptureFixture) -> None:
    """A refused connection verifies nothing, and is logged."""
    with serving() as gone:
        url = gone.url

    assert RemoteJWKSet(url, timeout=0.5).find("old", "RS256") is None
    assert "ConnectionRefusedError" in caplog.text


@pytest.mark.parametrize("trusted", [True, False])
def test_keys_over_tls(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    trusted: bool,
) -> None:
    """Keys come only from a server whose certificate the machine trusts."""
    pem = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))

    with serving(tls) as issuer:
        issuer.keys = [OLD.jwk]
        found = RemoteJWKSet(issuer.url).find("old", "RS256")

    assert (found is not None) is trusted
    assert ("SSLCertVerificationError" in caplog.text) is not trusted


def test_the_shared_secret_serves_one_algorithm() -> None:
    """HS256 only, whatever key id the token has."""
    secret = SharedSecret(b"s" * 32)

    assert secret.find(None, "HS256") is secret.find("any", "HS256") is not None
    assert [secret.find(None, other) for other in ("none", "HS512", "RS256", None)] == [None] * 4
