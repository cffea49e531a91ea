"""Valid tokens of issuers, and what the verifier requires."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from chalice.app import AuthRequest

from chalicelib.domain.caller import Caller
from chalicelib.security.authorizer import TokenAuthorizer, Unauthorized
from chalicelib.security.authorizer_context import InvalidToken
from chalicelib.security.tokens import TokenVerifier
from chalicelib.settings import Settings
from chalicelib.settings_error import SettingsError
from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    SECRET,
    KeyServer,
    SigningKey,
    claims,
    serving,
    shared,
)

RSA = SigningKey("rsa-1")
EC = SigningKey("ec-1", "ES256")
SUB = claims()["sub"]
NAMESPACED = "https://users.example/roles"

COGNITO_POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
COGNITO_CLIENT = "1example23456789"
COGNITO_ACCESS = claims(
    sub="aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    aud=None,
    nbf=None,
    iss=COGNITO_POOL,
    client_id=COGNITO_CLIENT,
    token_use="access",
    scope="aws.cognito.signin.user.admin",
    username="aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    auth_time=int(time.time()),
    jti="11111111-2222-3333-4444-555555555555",
    version=2,
    **{"cognito:groups": ["staff", "admin"]},
)
COGNITO_ID = claims(
    sub="aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    aud=COGNITO_CLIENT,
    nbf=None,
    iss=COGNITO_POOL,
    token_use="id",
    email="jane@example.com",
    email_verified=True,
    **{"cognito:groups": ["staff"], "cognito:username": "jane"},
)
AUTH0_ACCESS = claims(
    iss="https://tenant.eu.auth0.com/",
    sub="auth0|5f7c8ec7c33c6c004bbafe82",
    aud=["https://users.example/api", "https://tenant.eu.auth0.com/userinfo"],
    nbf=None,
    azp="my_client_id",
    scope="openid profile",
    **{NAMESPACED: ["admin"]},
)
KEYCLOAK_ACCESS = claims(
    iss="https://keycloak.example/realms/shop",
    aud=["users-api", "account"],
    nbf=None,
    typ="Bearer",
    azp="web",
    acr="1",
    sid="0b5d1f60",
    scope="openid email profile",
    realm_access={"roles": ["offline_access", "admin"]},
    resource_access={"account": {"roles": ["view-profile"]}},
)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """Serve both keys."""
    with serving() as issuer:
        issuer.keys = [RSA.jwk, EC.jwk]
        yield issuer


def settings(**changes: str) -> Settings:
    """Return settings of the tests' issuer, with a shared secret unless changed."""
    names = {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE, "AUTH_SECRET": SECRET}
    if "AUTH_JWKS_URL" in changes:
        del names["AUTH_SECRET"]
    return Settings({**names, **changes})


def verify(token: str, **changes: str) -> Caller:
    """Verify one token with a new verifier."""
    return TokenVerifier(settings(**changes)).verify(f"Bearer {token}")


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
def test_a_token_signed_with_a_published_key(server: KeyServer, key: SigningKey) -> None:
    """Both key types of providers identify the caller by `sub`, until `exp`."""
    good = claims()

    caller = verify(key.sign(good), AUTH_JWKS_URL=server.url)

    assert caller == Caller(SUB, is_admin=False, expires_at=good["exp"])


def test_a_token_signed_with_the_shared_secret() -> None:
    """HS256 works if issuer and API share a secret."""
    assert verify(shared(claims())).subject == SUB


@pytest.mark.parametrize(
    ("content", "audience", "roles_claim", "is_admin"),
    [
        (COGNITO_ACCESS, COGNITO_CLIENT, "cognito:groups", True),
        (COGNITO_ACCESS, COGNITO_CLIENT, "scope", False),
        (COGNITO_ID, COGNITO_CLIENT, "cognito:groups", False),
        (AUTH0_ACCESS, "https://users.example/api", NAMESPACED, True),
        (AUTH0_ACCESS, "https://users.example/api", "scope", False),
        (KEYCLOAK_ACCESS, "users-api", "realm_access.roles", True),
        (KEYCLOAK_ACCESS, "users-api", "resource_access.account.roles", False),
    ],
)
def test_tokens_of_real_providers(
    server: KeyServer,
    content: dict[str, object],
    audience: str,
    roles_claim: str,
    *,
    is_admin: bool,
) -> None:
    """Tokens like those of Cognito, Auth0 and Keycloak work with settings alone."""
    caller = verify(
        RSA.sign(content, typ="JWT"),
        AUTH_JWKS_URL=server.url,
        AUTH_ISSUER=str(content["iss"]),
        AUTH_AUDIENCE=audience,
        AUTH_ROLES_CLAIM=roles_claim,
    )

    assert (caller.subject, caller.is_admin) == (content["sub"], is_admin)


@pytest.mark.parametrize(
    ("changes", "roles_claim", "is_admin"),
    [
        ({"roles": ["admin"]}, "", True),
        ({"roles": "staff admin"}, "", True),
        ({"scope": "read:users admin"}, "scope", True),
        ({"a.b": ["admin"], "a": {"b": []}}, "a.b", True),
        ({"a.b": [], "a": {"b": ["admin"]}}, "a.b", False),
        ({"a": {"b": {"c": ["admin"]}}}, "a.b.c", True),
        ({"roles": ["administrator", "ADMIN", " admin"]}, "", False),
        ({"roles": "administrator"}, "", False),
        ({"roles": [["admin"], {"admin": True}, 1, None]}, "", False),
        ({"roles": {"admin": True}}, "", False),
        ({"roles": True}, "", False),
        ({"a": "admin"}, "a.b", False),
        ({"a": ["admin"]}, "a.0", False),
        ({}, "", False),
    ],
)
def test_roles(changes: dict[str, object], roles_claim: str, *, is_admin: bool) -> None:
    """Roles are lists or strings; an exact name beats a path; other shapes grant nothing."""
    token = shared(claims(**changes))

    assert verify(token, AUTH_ROLES_CLAIM=roles_claim).is_admin is is_admin


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"https://users.example/id": "usr_1"}, "usr_1"),
        ({}, SUB),
    ],
)
def test_the_claim_of_the_subject_can_be_set(changes: dict[str, object], subject: str) -> None:
    """If the provider chooses `sub`, another claim can identify the caller."""
    caller = verify(shared(claims(**changes)), AUTH_SUBJECT_CLAIM="https://users.example/id")

    assert caller.subject == subject


@pytest.mark.parametrize("value", ["", " iam", "x\n", 7, [], ["usr_1"], {"id": "usr_1"}, False])
def test_another_claim_of_the_subject_is_as_strict(value: object) -> None:
    """The other claim has the same restrictions as `sub`."""
    with pytest.raises(InvalidToken):
        verify(shared(claims(user_id=value)), AUTH_SUBJECT_CLAIM="user_id")


def test_the_name_of_the_administrators_role_can_be_set() -> None:
    """A setting names the administrators' role of the provider."""
    token = shared(claims(roles=["owners"]))

    assert verify(token, AUTH_ADMIN_ROLE="owners").is_admin
    assert not verify(token).is_admin


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "])
def test_the_scheme_is_case_insensitive(scheme: str) -> None:
    """Schemes are case-insensitive, and spaces may follow (RFC 9110 §11.1, §11.4)."""
    verifier = TokenVerifier(settings())

    assert verifier.verify(f"{scheme} {shared(claims())}").subject == SUB


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_types_of_access_tokens(server: KeyServer, typ: str) -> None:
    """The types of plain and of RFC 9068 tokens are accepted."""
    assert verify(RSA.sign(claims(), typ=typ), AUTH_JWKS_URL=server.url).subject == SUB


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 9999999999.5},
        {"nbf": None, "iat": None},
        {"aud": ["another", AUDIENCE]},
        {"sub": "s" * 256},
        {"sub": "Renée Müller"},
    ],
)
def test_unusual_but_valid_claims(changes: dict[str, object]) -> None:
    """Dates may have fractions, some claims may be absent, and audiences may be several."""
    assert verify(shared(claims(**changes)))


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -10), ("nbf", 20), ("iat", 20)])
def test_clocks_may_differ_by_seconds(claim: str, seconds: int) -> None:
    """The clocks of issuer and API need not agree to the second."""
    assert verify(shared(claims(**{claim: int(time.time()) + seconds})))


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -31), ("nbf", 40), ("iat", 40)])
def test_clocks_may_not_differ_by_more(claim: str, seconds: int) -> None:
    """An expired token, or one that is not valid yet, is refused."""
    with pytest.raises(InvalidToken):
        verify(shared(claims(**{claim: int(time.time()) + seconds})))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": "https://another.example"},
        {"iss": f"{ISSUER}/"},
        {"aud": None},
        {"aud": ""},
        {"aud": []},
        {"aud": "another"},
        {"aud": f"{AUDIENCE} another"},
        {"aud": [[AUDIENCE]]},
        {"aud": {AUDIENCE: True}},
        {"aud": None, "client_id": AUDIENCE},
        {"aud": None, "client_id": AUDIENCE, "token_use": "id"},
        {"aud": None, "client_id": "another", "token_use": "access"},
        {"aud": "another", "client_id": AUDIENCE, "token_use": "access"},
        {"aud": None, "client_id": [AUDIENCE], "token_use": "access"},
        {"exp": None},
        {"exp": 0},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": [9999999999]},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"nbf": "0"},
        {"nbf": {}},
        {"iat": "now"},
        {"iat": False},
        {"sub": None},
        {"sub": ""},
        {"sub": " iam"},
        {"sub": "\u00a0iam"},
        {"sub": "s" * 257},
        {"sub": 12345},
        {"sub": ["usr_1"]},
        {"sub": "usr_1\n"},
        {"sub": "usr\x001"},
        {"sub": "\ud800"},
        {"sub": "\u202eusr_1"},
        {"jti": 7},
    ],
    ids=repr,
)
def test_claims_that_are_refused(
    changes: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """A signed token is refused with another issuer, audience or time, or an invalid subject."""
    with pytest.raises(InvalidToken):
        verify(shared(claims(**changes)))

    assert caplog.messages == []


def test_a_reason_quotes_nothing_of_the_token() -> None:
    """The logged reason quotes nothing of a refused token, to prevent log injection."""
    token = shared(claims(iss="forged\nline", aud="forged\nline", sub="forged\nline"))

    with pytest.raises(InvalidToken) as caught:
        verify(token)

    assert "forged" not in str(caught.value)


def test_a_shared_secret_in_a_parameter(server: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret is read once, decrypted, from the parameter named in the settings."""
    for name, value in {
        "AWS_ENDPOINT_URL_SSM": server.url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    server.body = json.dumps({"Parameter": {"Value": SECRET}}).encode()
    names = {"AUTH_ISSUER": ISSUER, "AUTH_AUDIENCE": AUDIENCE, "AUTH_SECRET_PARAMETER": "/secret"}
    authorizer = TokenAuthorizer(Settings(names))

    for _ in range(3):
        assert authorizer.authorize(f"Bearer {shared(claims())}").principal_id == SUB
    assert server.requests == 1


def test_settings_are_checked_when_the_verifier_is_made() -> None:
    """A verifier that could check nothing is not created."""
    with pytest.raises(SettingsError):
        TokenVerifier(Settings({}))


ARN = "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/api/GET/users/usr_1"


def test_the_policy_is_for_every_route() -> None:
    """A cached policy of a token denies its caller no other route."""
    policy = TokenAuthorizer(settings()).authorize(
        f"Bearer {shared(claims(roles='admin', exp=9999999999))}"
    )

    assert policy.to_dict(AuthRequest("TOKEN", "", ARN)) == {
        "principalId": SUB,
        "context": {"admin": "true", "expires_at": "9999999999"},
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": [
                        "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/api/*/*"
                    ],
                }
            ],
        },
    }


def _garbage() -> str:
    return "Bearer garbage"


def _expired() -> str:
    return f"Bearer {shared(claims(exp=5))}"


@pytest.mark.parametrize("header", [_garbage, _expired])
def test_the_authorizer_refuses_with_the_text_that_the_gateway_expects(
    header: Callable[[], str],
) -> None:
    """API Gateway responds 401 to exactly 'Unauthorized', and 500 to any other text."""
    with pytest.raises(Unauthorized) as caught:
        TokenAuthorizer(settings()).authorize(header())

    assert str(caught.value) == "Unauthorized"


def test_the_authorizer_logs_why_it_refuses(caplog: pytest.LogCaptureFixture) -> None:
    """Operators find the reason in the log; the client does not see it."""
    caplog.set_level("INFO")

    with pytest.raises(Unauthorized):
        TokenAuthorizer(settings()).authorize(_expired())

    assert caplog.messages == ["A token was refused: ExpiredSignatureError"]


def test_an_authorizer_without_settings_refuses_everyone(caplog: pytest.LogCaptureFixture) -> None:
    """Without settings no token is valid, and the log says what is missing."""
    with pytest.raises(Unauthorized):
        TokenAuthorizer(Settings({})).authorize(f"Bearer {shared(claims())}")

    assert "AUTH_ISSUER" in caplog.text
