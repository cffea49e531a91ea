"""The caller, its way through API Gateway, the permission table and the settings."""

import subprocess
import sys

import pytest

from chalicelib.domain.caller import IAM_CALLER, Caller
from chalicelib.domain.errors import Forbidden, Unauthenticated
from chalicelib.domain.users import UserNotFound
from chalicelib.security.authorizer_context import LEEWAY_SECONDS, caller_from_context, context_for
from chalicelib.security.permissions import PERMISSIONS, Access, authorize
from chalicelib.settings import Settings
from chalicelib.settings_error import SettingsError

NOW = 1_790_000_000.0
GOOD = {
    "AUTH_ISSUER": "https://issuer.example",
    "AUTH_AUDIENCE": "api",
    "AUTH_JWKS_URL": "https://issuer.example/jwks.json",
}


def through_gateway(caller: Caller) -> dict[str, str]:
    """Return what the app receives of a caller: API Gateway adds the policy's principal."""
    return {**context_for(caller), "principalId": caller.subject}


@pytest.mark.parametrize("is_admin", [True, False])
@pytest.mark.parametrize("expires_at", [None, int(NOW) + 60])
def test_a_caller_survives_the_gateway(*, is_admin: bool, expires_at: int | None) -> None:
    """The authorizer's context becomes the same caller in the app."""
    caller = Caller("auth0|somebody", is_admin, expires_at)

    assert caller_from_context(through_gateway(caller), lambda: NOW) == caller


def test_the_context_has_strings_and_no_principal() -> None:
    """API Gateway converts all values to strings, and adds the principal itself."""
    context = context_for(Caller("somebody", is_admin=True, expires_at=5))

    assert context == {"admin": "true", "expires_at": "5"}


@pytest.mark.parametrize("context", [None, {}, {"admin": "true"}, {"principalId": ""}])
def test_a_context_without_a_principal_has_no_caller(context: dict[str, str] | None) -> None:
    """Without a principal there is no caller, whatever else the context has."""
    assert caller_from_context(context) is None


@pytest.mark.parametrize("admin", ["false", "True", "1", "", None, True])
def test_only_the_string_true_makes_an_administrator(admin: object) -> None:
    """Any value but the authorizer's own grants nothing."""
    caller = caller_from_context({"principalId": "somebody", "admin": admin})

    assert caller is not None
    assert not caller.is_admin


def test_a_cached_policy_ends_with_its_token() -> None:
    """A token that expired after its policy was cached has no caller."""
    context = through_gateway(Caller("somebody", is_admin=False, expires_at=int(NOW)))

    assert caller_from_context(context, lambda: NOW + LEEWAY_SECONDS - 1) is not None
    assert caller_from_context(context, lambda: NOW + LEEWAY_SECONDS) is None


def test_iam_callers_have_a_name_that_no_token_can_have() -> None:
    """The IAM administrator's name begins with a space, which no subject can."""
    assert IAM_CALLER.is_admin
    assert IAM_CALLER.subject.startswith(" ")


USER = Caller("usr_1", is_admin=False)
ADMINISTRATOR = Caller("boss", is_admin=True)


@pytest.mark.parametrize(
    ("access", "caller", "owner", "refusal"),
    [
        (Access.PUBLIC, None, None, None),
        (Access.PUBLIC, USER, "usr_2", None),
        (Access.OWNER, None, "usr_1", Unauthenticated),
        (Access.OWNER, USER, "usr_1", None),
        (Access.OWNER, USER, "usr_2", UserNotFound),
        (Access.OWNER, USER, "USR_1", UserNotFound),
        (Access.OWNER, USER, "", UserNotFound),
        (Access.OWNER, USER, None, UserNotFound),
        (Access.OWNER, ADMINISTRATOR, "usr_1", None),
        (Access.ADMINISTRATORS, None, None, Unauthenticated),
        (Access.ADMINISTRATORS, USER, "usr_1", Forbidden),
        (Access.ADMINISTRATORS, ADMINISTRATOR, None, None),
    ],
)
def test_access(
    access: Access, caller: Caller | None, owner: str | None, refusal: type[Exception] | None
) -> None:
    """Each kind of access allows and refuses callers as documented."""
    if refusal is None:
        authorize(access, caller, owner, UserNotFound)
    else:
        with pytest.raises(refusal):
            authorize(access, caller, owner, UserNotFound)


def test_the_permission_table_uses_every_kind_of_access() -> None:
    """The permission table and the kinds of access match."""
    assert set(PERMISSIONS.values()) == set(Access)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AUTH_ISSUER": ""}, ["AUTH_ISSUER"]),
        ({"AUTH_AUDIENCE": ""}, ["AUTH_AUDIENCE"]),
        ({"AUTH_JWKS_URL": ""}, ["AUTH_JWKS_URL", "AUTH_SECRET_PARAMETER"]),
        ({"AUTH_ISSUER": "", "AUTH_AUDIENCE": ""}, ["AUTH_ISSUER", "AUTH_AUDIENCE"]),
        ({"AUTH_SECRET": "s" * 32}, ["either", "not both"]),
        ({"AUTH_SECRET_PARAMETER": "/api/secret"}, ["either", "not both"]),
        ({"AUTH_JWKS_URL": "http://issuer.example/keys"}, ["https://"]),
        ({"AUTH_JWKS_URL": "http://127.0.0.1:80@issuer.example/"}, ["https://"]),
        ({"AUTH_JWKS_URL": "file:///etc/passwd"}, ["https://"]),
        ({"AUTH_JWKS_URL": "https://issuer.example/a b"}, ["https://"]),
        ({"AUTH_JWKS_URL": "https://issuer.example/\r\nX: y"}, ["https://"]),
    ],
)
def test_settings_that_cannot_check_tokens(changes: dict[str, str], words: list[str]) -> None:
    """Missing or conflicting settings are named in one sentence."""
    with pytest.raises(SettingsError) as caught:
        Settings({**GOOD, **changes}).check_authentication()

    sentence = str(caught.value)
    assert all(word in sentence for word in words)
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_all_missing_settings_are_named_at_once() -> None:
    """One error names every missing setting."""
    with pytest.raises(SettingsError) as caught:
        Settings({}).check_authentication()

    assert str(caught.value) == (
        "Authentication is not configured: set AUTH_ISSUER to the issuer that tokens carry in"
        " 'iss', and AUTH_AUDIENCE to the audience that tokens carry in 'aud', and either"
        " AUTH_JWKS_URL to the https:// address of the identity provider's keys or"
        " AUTH_SECRET_PARAMETER to the name of the SSM parameter with the shared secret."
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"AUTH_JWKS_URL": "http://127.0.0.1:8080/keys?x=1"},
        {"AUTH_JWKS_URL": "", "AUTH_SECRET_PARAMETER": "/api/secret"},
        {"AUTH_JWKS_URL": "", "AUTH_SECRET": "s" * 32},
    ],
)
def test_settings_that_can_check_tokens(changes: dict[str, str]) -> None:
    """A key set over TLS, one on this machine, or a shared secret is enough; none is read yet."""
    Settings({**GOOD, **changes}).check_authentication()


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("s" * 31, "at least 32 bytes"),
        ("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "AUTH_JWKS_URL"),
        ("", "AUTH_SECRET_PARAMETER"),
    ],
)
def test_an_invalid_shared_secret(secret: str, words: str) -> None:
    """A secret that is missing, too short, or a public key is refused with an explanation."""
    with pytest.raises(SettingsError, match=words):
        _ = Settings({"AUTH_SECRET": secret}).auth_secret


def test_roles_have_defaults() -> None:
    """By default, administrators have 'admin' in the claim 'roles'."""
    settings = Settings(GOOD)

    assert (settings.auth_roles_claim, settings.auth_admin_role) == ("roles", "admin")


def test_permissions_and_authorizer_import_no_cryptography() -> None:
    """Code that uses permissions or refers to the authorizer does not load token verification."""
    code = (
        "import sys, chalicelib.security.permissions, chalicelib.security.authorizer\n"
        "import chalicelib.settings\n"
        "print([m for m in ('jwt', 'cryptography', 'boto3', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout == "[]\n"
