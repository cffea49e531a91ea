"""The caller, its way through API Gateway, the table of permissions and the settings."""

import subprocess
import sys

import pytest

from chalicelib.domain.errors import Forbidden, Unauthenticated, UserNotFound
from chalicelib.security.permissions import (
    IAM_CALLER,
    LEEWAY_SECONDS,
    PERMISSIONS,
    Admits,
    Caller,
    admit,
    caller_of,
    context_of,
)
from chalicelib.settings import Settings, SettingsError

NOW = 1_790_000_000.0
GOOD = {
    "AUTH_ISSUER": "https://issuer.example",
    "AUTH_AUDIENCE": "api",
    "AUTH_JWKS_URL": "https://issuer.example/jwks.json",
}


def through_gateway(caller: Caller) -> dict[str, str]:
    """Return what the app is given of a caller: API Gateway adds the policy's principal."""
    return {**context_of(caller), "principalId": caller.subject}


@pytest.mark.parametrize("is_admin", [True, False])
@pytest.mark.parametrize("expires_at", [None, int(NOW) + 60])
def test_a_caller_survives_the_gateway(*, is_admin: bool, expires_at: int | None) -> None:
    """What the authorizer hands on is the caller that the app sees."""
    caller = Caller("auth0|somebody", is_admin, expires_at)

    assert caller_of(through_gateway(caller), lambda: NOW) == caller


def test_the_context_holds_strings_and_no_principal() -> None:
    """API Gateway makes strings of all values, and names the principal itself."""
    context = context_of(Caller("somebody", is_admin=True, expires_at=5))

    assert context == {"admin": "true", "expires_at": "5"}


@pytest.mark.parametrize("context", [None, {}, {"admin": "true"}, {"principalId": ""}])
def test_a_context_without_a_principal_names_nobody(context: dict[str, str] | None) -> None:
    """Without a principal there is no caller, whatever else the context says."""
    assert caller_of(context) is None


@pytest.mark.parametrize("admin", ["false", "True", "1", "", None, True])
def test_only_the_word_true_makes_an_administrator(admin: object) -> None:
    """Anything but the string that the authorizer writes grants nothing."""
    caller = caller_of({"principalId": "somebody", "admin": admin})

    assert caller is not None
    assert not caller.is_admin


def test_a_policy_kept_by_the_gateway_ends_with_its_token() -> None:
    """A token that expired after its policy was cached names nobody any more."""
    context = through_gateway(Caller("somebody", is_admin=False, expires_at=int(NOW)))

    assert caller_of(context, lambda: NOW + LEEWAY_SECONDS - 1) is not None
    assert caller_of(context, lambda: NOW + LEEWAY_SECONDS) is None


def test_iam_callers_have_a_name_that_no_token_can_have() -> None:
    """The administrator by IAM cannot be imitated by a subject: it begins with a space."""
    assert IAM_CALLER.is_admin
    assert IAM_CALLER.subject.startswith(" ")


USER = Caller("usr_1", is_admin=False)
ADMINISTRATOR = Caller("boss", is_admin=True)


@pytest.mark.parametrize(
    ("admits", "caller", "user_id", "refusal"),
    [
        (Admits.EVERYBODY, None, None, None),
        (Admits.EVERYBODY, USER, "usr_2", None),
        (Admits.SELF, None, "usr_1", Unauthenticated),
        (Admits.SELF, USER, "usr_1", None),
        (Admits.SELF, USER, "usr_2", UserNotFound),
        (Admits.SELF, USER, "USR_1", UserNotFound),
        (Admits.SELF, USER, "", UserNotFound),
        (Admits.SELF, USER, None, UserNotFound),
        (Admits.SELF, ADMINISTRATOR, "usr_1", None),
        (Admits.ADMINISTRATORS, None, None, Unauthenticated),
        (Admits.ADMINISTRATORS, USER, "usr_1", Forbidden),
        (Admits.ADMINISTRATORS, ADMINISTRATOR, None, None),
    ],
)
def test_admission(
    admits: Admits, caller: Caller | None, user_id: str | None, refusal: type[Exception] | None
) -> None:
    """Each kind of route admits whom the contract names, and refuses others as it says."""
    if refusal is None:
        admit(admits, caller, user_id)
    else:
        with pytest.raises(refusal):
            admit(admits, caller, user_id)


def test_every_way_of_admission_is_used_by_the_table() -> None:
    """The table of permissions and the kinds of admission belong together."""
    assert set(PERMISSIONS.values()) == set(Admits)


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
    """Missing or contradicting settings are told in one sentence that names each of them."""
    with pytest.raises(SettingsError) as caught:
        Settings({**GOOD, **changes}).check_authentication()

    sentence = str(caught.value)
    assert all(word in sentence for word in words)
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_settings_without_anything_name_all_that_is_due() -> None:
    """One attempt is enough to learn of every missing setting."""
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
    """A key set over TLS, on this machine, or a shared secret will do; none is read yet."""
    Settings({**GOOD, **changes}).check_authentication()


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("s" * 31, "at least 32 bytes"),
        ("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "AUTH_JWKS_URL"),
        ("", "AUTH_SECRET_PARAMETER"),
    ],
)
def test_a_shared_secret_that_is_none(secret: str, words: str) -> None:
    """A secret that is missing, short, or a public key is refused in words."""
    with pytest.raises(SettingsError, match=words):
        _ = Settings({"AUTH_SECRET": secret}).auth_secret


def test_roles_have_defaults() -> None:
    """Without settings, administrators have 'admin' in the claim 'roles'."""
    settings = Settings(GOOD)

    assert (settings.auth_roles_claim, settings.auth_admin_role) == ("roles", "admin")


def test_permissions_and_authorizer_import_no_cryptography() -> None:
    """Whoever decides permissions, or names the authorizer, does not pay for verifying tokens."""
    code = (
        "import sys, chalicelib.security.permissions, chalicelib.security.authorizer, chalicelib.settings\n"
        "print([m for m in ('jwt', 'cryptography', 'boto3', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout == "[]\n"
