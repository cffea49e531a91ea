"""Forged tokens and headers: each one is refused, without any other error."""

import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.security.authorizer_context import InvalidToken
from chalicelib.security.tokens import TokenVerifier
from chalicelib.settings import Settings
from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    SECRET,
    KeyServer,
    SigningKey,
    claims,
    segment,
    serving,
    shared,
)

KEY = SigningKey("key-1")
CURVE = SigningKey("curve-1", "ES256")
ATTACKERS = SigningKey("key-1")
HEADER = {"alg": "RS256", "typ": "JWT", "kid": "key-1"}


@pytest.fixture(scope="module")
def server() -> Iterator[KeyServer]:
    """Serve the real keys."""
    with serving() as issuer:
        issuer.keys = [KEY.jwk, CURVE.jwk]
        yield issuer


@pytest.fixture(scope="module")
def verifier(server: KeyServer) -> TokenVerifier:
    """Return a verifier with the published keys."""
    names = {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE, "AUTH_JWKS_URL": server.url}
    return TokenVerifier(Settings(names))


@pytest.fixture(scope="module")
def by_secret() -> TokenVerifier:
    """Return a verifier with the shared secret."""
    names = {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE, "AUTH_SECRET": SECRET}
    return TokenVerifier(Settings(names))


@pytest.fixture(autouse=True)
def _no_unexpected_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which the verifier logged an unexpected error."""
    yield
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def refused(verifier: TokenVerifier, authorization: str) -> bool:
    """Return True if the header is refused; any other exception fails the test."""
    try:
        verifier.verify(authorization)
    except InvalidToken:
        return True
    return False


def hmac_signed(header: object, content: object, secret: bytes) -> str:
    """Return a token signed by HMAC, whatever its header says."""
    signing_input = f"{segment(header)}.{segment(content)}"
    digest = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{segment(digest)}"


def test_valid_tokens_are_accepted(verifier: TokenVerifier, by_secret: TokenVerifier) -> None:
    """The tokens that the attacks start from are valid."""
    assert not refused(verifier, f"Bearer {KEY.sign(claims())}")
    assert not refused(verifier, f"Bearer {CURVE.sign(claims())}")
    assert not refused(by_secret, f"Bearer {shared(claims())}")


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "hs256"])
@pytest.mark.parametrize("encoding", ["pem", "der", "jwk", "modulus"])
def test_the_public_key_is_no_secret(
    verifier: TokenVerifier, algorithm: str, encoding: str
) -> None:
    """A token signed by HMAC with the issuer's public key is refused (RFC 8725 §2.1)."""
    public = KEY.private.public_key()
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(KEY.jwk).encode(),
        "modulus": str(KEY.jwk["n"]).encode(),
    }[encoding]

    token = hmac_signed({**HEADER, "alg": algorithm}, claims(), secret)

    assert refused(verifier, f"Bearer {token}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 0, [], ["none"]])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_an_unsigned_token_is_refused(
    verifier: TokenVerifier, by_secret: TokenVerifier, algorithm: object, signature: str
) -> None:
    """No spelling of 'none' makes a token good without a signature (RFC 8725 §3.2)."""
    token = f"{segment({**HEADER, 'alg': algorithm})}.{segment(claims())}.{signature}"

    assert refused(verifier, f"Bearer {token}")
    assert refused(by_secret, f"Bearer {token}")


def test_a_token_without_an_algorithm_is_refused(verifier: TokenVerifier) -> None:
    """The header must name the algorithm."""
    token = f"{segment({'typ': 'JWT', 'kid': 'key-1'})}.{segment(claims())}.AAAA"

    assert refused(verifier, f"Bearer {token}")


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_another_algorithm_of_the_right_key_is_refused(
    verifier: TokenVerifier, algorithm: str
) -> None:
    """A valid key does not make an unsupported algorithm acceptable."""
    key = SigningKey("key-1", algorithm)
    key.private = KEY.private

    assert refused(verifier, f"Bearer {key.sign(claims())}")


def test_a_key_of_another_type_is_refused(verifier: TokenVerifier) -> None:
    """The token's key and algorithm must match."""
    assert refused(verifier, f"Bearer {CURVE.sign(claims(), kid='key-1')}")
    assert refused(verifier, f"Bearer {KEY.sign(claims(), kid='curve-1')}")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_hash_of_the_right_secret_is_refused(
    by_secret: TokenVerifier, algorithm: str
) -> None:
    """With a shared secret, HS256 is the only algorithm."""
    token = shared(claims(), SECRET * 2, algorithm)

    assert refused(by_secret, f"Bearer {token}")


def test_a_signature_of_another_key_is_refused(
    verifier: TokenVerifier, by_secret: TokenVerifier
) -> None:
    """Naming the issuer's key does not replace its signature."""
    assert refused(verifier, f"Bearer {ATTACKERS.sign(claims())}")
    assert refused(by_secret, f"Bearer {shared(claims(), SECRET[::-1])}")
    assert refused(verifier, f"Bearer {shared(claims())}")
    assert refused(by_secret, f"Bearer {KEY.sign(claims())}")


def test_a_signature_does_not_fit_other_claims(verifier: TokenVerifier) -> None:
    """A signature is valid only for its own token."""
    header, _, signature = KEY.sign(claims()).split(".")
    content = segment(claims(roles=["admin"]))

    assert refused(verifier, f"Bearer {header}.{content}.{signature}")


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_keys_are_fetched_from_no_address_in_a_token(verifier: TokenVerifier, name: str) -> None:
    """`jku` and `x5u` are never fetched (RFC 8725 §3.10)."""
    with serving() as attacker:
        attacker.keys = [ATTACKERS.jwk]
        token = ATTACKERS.sign(claims(), **{name: attacker.url})

        assert refused(verifier, f"Bearer {token}")
        assert attacker.requests == 0


@pytest.mark.parametrize("kid", ["key-1", "attacker", None])
def test_a_key_in_a_token_is_not_used(verifier: TokenVerifier, kid: str | None) -> None:
    """A key in the header, as `jwk` or `x5c`, is ignored."""
    token = ATTACKERS.sign(claims(), kid=kid, jwk=ATTACKERS.jwk, x5c=["MIIB"])

    assert refused(verifier, f"Bearer {token}")


@pytest.mark.parametrize(
    "kid",
    ["", "../../dev/null", "key-1' OR '1'='1", "key-1\x00", "KEY-1", "https://a.example/", "ключ"],
)
def test_a_key_id_is_only_compared(verifier: TokenVerifier, kid: str) -> None:
    """`kid` is never used as a path, query or address."""
    assert refused(verifier, f"Bearer {KEY.sign(claims(), kid=kid)}")


def test_a_token_without_a_key_id_is_refused(verifier: TokenVerifier) -> None:
    """Keys are not tried one after the other."""
    assert refused(verifier, f"Bearer {KEY.sign(claims(), kid=None)}")


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": ["b64"], "b64": True},
        {"crit": []},
        {"crit": "b64"},
        {"crit": None},
        {"b64": True},
        {"b64": False},
        {"b64": 1},
        {"kid": 7},
        {"kid": ["key-1"]},
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": "secevent+jwt"},
        {"typ": ["JWT"]},
        {"typ": None},
        {"alg": {"RS256": True}},
    ],
    ids=repr,
)
def test_headers_that_ask_for_more(verifier: TokenVerifier, extra: dict[str, object]) -> None:
    """Critical extensions, unknown types and tokens for other uses are refused, though signed."""
    signing_input = f"{segment({**HEADER, **extra})}.{segment(claims())}"

    assert refused(verifier, f"Bearer {signing_input}.{segment(_rsa_signature(signing_input))}")


def _rsa_signature(signing_input: str) -> bytes:
    assert isinstance(KEY.private, RSAPrivateKey)
    return KEY.private.sign(signing_input.encode(), PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    "template",
    [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "{token}",
        " Bearer {token}",
        "Bearer {token} ",
        "Bearer {token}\n",
        "Bearer\t{token}",
        "Bearer\u00a0{token}",
        "Bearer{token}",
        "Bearer: {token}",
        "Basic {token}",
        "Digest {token}",
        "Token {token}",
        "Bearer {token} {token}",
        "Bearer {token},{token}",
        "Bearer {token}, Bearer {token}",
        "Bearer Bearer {token}",
        'Bearer "{token}"',
        "Bearer {token}=",
        "Bearer {token}==",
        "Bearer {token}.",
        "Bearer {token}.AAAA",
        "Bearer {token}.AAAA.AAAA",
        "Bearer .{token}",
        "Bearer {token}\u0430",
        "Bearer {token}\ud800",
        "Bearer {token}\x00",
        "B\u0435arer {token}",
        "Bearer a.b.c",
        "Bearer ..",
        "Bearer null",
        "Bearer undefined",
        "AWS4-HMAC-SHA256 Credential=A/20260101/eu/execute-api/aws4_request",
    ],
    ids=repr,
)
def test_malformed_headers(verifier: TokenVerifier, template: str) -> None:
    """A header that is not one scheme and one token is refused, even with a valid token in it."""
    assert refused(verifier, template.replace("{token}", KEY.sign(claims())))


@pytest.mark.parametrize("header", [None, 7, b"Bearer a.b.c", ["Bearer a.b.c"], {}])
def test_a_header_that_is_not_a_string(verifier: TokenVerifier, header: object) -> None:
    """Handmade events may contain anything; such headers are refused."""
    assert refused(verifier, header)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [10_000, 100_000, 10_000_000])
def test_huge_tokens(verifier: TokenVerifier, size: int) -> None:
    """Headers longer than API Gateway allows are refused unread."""
    assert refused(verifier, f"Bearer {KEY.sign(claims(filler='x' * size))}")
    assert refused(verifier, "Bearer" + " " * size)
    assert refused(verifier, f"Bearer {'A' * size}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"sub"',
        b"1",
        b"{",
        b"\xff\xfe",
        b"[" * 4000,
        b'{"a":' * 1200,
        b"9" * 5000,
        b'{"exp": 1e999, "iss": "x", "sub": "y"}',
        b'{"exp": -Infinity, "iss": "x", "sub": "y"}',
        b'{"exp": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda content: repr(content[:40]),
)
def test_parts_that_are_not_claims(
    verifier: TokenVerifier, by_secret: TokenVerifier, content: bytes
) -> None:
    """A header or payload that is not a JSON object is refused, signed or not."""
    as_body = f"{segment(HEADER)}.{segment(content)}"
    signature = segment(_rsa_signature(as_body))

    assert refused(verifier, f"Bearer {as_body}.{signature}")
    assert refused(verifier, f"Bearer {segment(content)}.{segment(claims())}.AAAA")
    assert refused(by_secret, f"Bearer {segment(content)}.{segment(claims())}.AAAA")


def _mutated(token: str, chance: random.Random) -> str:
    """Return the token with one to three characters changed, removed, doubled or swapped."""
    characters = list(token)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(characters))
        kind = chance.randrange(5)
        if kind == 0:
            characters[place] = chr(chance.choice([chance.randrange(128), chance.randrange(65536)]))
        elif kind == 1:
            del characters[place]
        elif kind == 2:
            characters.insert(place, chance.choice("AZaz09-_.= ,"))
        elif kind == 3:
            other = chance.randrange(len(characters))
            characters[place], characters[other] = characters[other], characters[place]
        else:
            del characters[place : place + chance.randrange(1, 40)]
    return "".join(characters)


@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_mutated_tokens(
    verifier: TokenVerifier, by_secret: TokenVerifier, seed: int
) -> None:
    """No random mutation of a valid token is valid, or raises another error."""
    chance = random.Random(seed)
    good = [(verifier, KEY.sign(claims())), (by_secret, shared(claims()))]
    for _ in range(250):
        judge, token = chance.choice(good)
        changed = _mutated(token, chance)
        assert changed == token or refused(judge, f"Bearer {changed}"), changed


def _random_value(chance: random.Random, depth: int = 0) -> object:
    kinds: list[Callable[[], object]] = [
        lambda: None,
        lambda: chance.choice([True, False]),
        lambda: chance.randrange(-(2**70), 2**70),
        lambda: chance.choice([1e308, -0.5, float("nan"), float("inf")]),
        lambda: chance.choice(["", " ", "admin", AUDIENCE, ISSUER, "\ud800", "\x00", "x" * 300]),
        lambda: [_random_value(chance, depth + 1) for _ in range(chance.randrange(3))],
        lambda: {
            chance.choice(["admin", "a", ""]): _random_value(chance, depth + 1) for _ in range(2)
        },
    ]
    return chance.choice(kinds if depth < 3 else kinds[:5])()


def test_a_thousand_tokens_with_random_claims(by_secret: TokenVerifier) -> None:
    """A signed token with random claims yields a caller with a valid subject, or is refused."""
    chance = random.Random(7)
    names = ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "roles", "client_id", "token_use"]
    for _ in range(1000):
        content = claims()
        for name in chance.sample(names, chance.randint(1, 3)):
            content[name] = _random_value(chance)
        token = hmac_signed({"alg": "HS256"}, content, SECRET.encode())
        try:
            caller = by_secret.verify(f"Bearer {token}")
        except InvalidToken:
            continue
        assert caller.subject.strip() == caller.subject != ""
        assert isinstance(caller.is_admin, bool)
