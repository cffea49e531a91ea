"""Bearer tokens (RFC 6750, RFC 7519, RFC 8725): what they must hold to name a caller.

Imported by the authorizer's function alone: PyJWT and cryptography cost it 0.1 s of cold start,
which the API's function need not pay.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

import jwt

from chalicelib.security.jwks import Keys, PublishedKeys, SharedSecret
from chalicelib.security.permissions import LEEWAY_SECONDS, Caller, InvalidToken
from chalicelib.settings import Settings

# One scheme in any case, one token of three parts in base64url without padding (RFC 7515 §7.1).
_BEARER = re.compile(r"bearer +([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII | re.IGNORECASE)
# API Gateway takes no more than 10,240 bytes of headers.
_MAX_HEADER = 10_240
_MAX_SUBJECT = 256
# Tokens made for another use name it in `typ` (RFC 8725 §3.11): logout+jwt, dpop+jwt, secevent+jwt.
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})

_log = logging.getLogger(__name__)


class TokenVerifier:
    """Turns the Authorization headers of requests into callers, by one issuer's keys.

    Raises SettingsError when the settings do not say which issuer, audience and keys.
    """

    def __init__(self, settings: Settings) -> None:
        settings.check_authentication()
        self._issuer = settings.auth_issuer
        self._audience = settings.auth_audience
        self._subject_claim = settings.auth_subject_claim
        self._roles_claim = settings.auth_roles_claim
        self._admin_role = settings.auth_admin_role
        url = settings.auth_jwks_url
        self._keys: Keys = PublishedKeys(url) if url else SharedSecret(settings.auth_secret)

    def verify(self, authorization: str) -> Caller:
        """Return the caller whom the header's token names.

        `authorization` is the value of one Authorization header: ``Bearer <token>``. Raises
        InvalidToken, and nothing else, whatever the header holds.
        """
        try:
            return self._caller(self._claims(_token_in(authorization)))
        except InvalidToken:
            raise
        except jwt.PyJWTError as error:
            raise InvalidToken(type(error).__name__) from None
        except Exception:  # noqa: BLE001 - whatever happens, the token is refused
            _log.exception("A token could not be read")
            raise InvalidToken("it cannot be read") from None

    def _claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token that is signed, current, and made for this API."""
        header = jwt.get_unverified_header(token)
        # RFC 7797 §7 forbids b64 in JWTs; no other critical extension is known here.
        if "crit" in header or "b64" in header:
            raise InvalidToken("its header asks for an extension")
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            raise InvalidToken("it is of a type for another use")
        # Keys come from the settings only: `jku`, `jwk`, `x5u` and `x5c` are never looked at.
        key = self._keys.find(header.get("kid"), header.get("alg"))
        if key is None:
            raise InvalidToken("no key verifies it")
        claims = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={
                "require": ["iss", "exp", "sub"],
                "verify_aud": False,  # `_is_for` does, since Cognito's access tokens have no `aud`
            },
        )
        if not all(_is_date(claims[name]) for name in ("exp", "nbf", "iat") if name in claims):
            raise InvalidToken("a date of it is no number")
        if not _is_for(self._audience, claims):
            raise InvalidToken("it is made for another audience")
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        # A provider that chooses `sub` itself can name its users' ids in a claim of their own;
        # whoever has none there, as an administrator who is no user, is called by `sub`.
        subject = _claim(claims, self._subject_claim)
        if subject is None:
            subject = claims["sub"]
        # Names that begin with a space are those of callers without a token.
        if not (
            isinstance(subject, str)
            and 0 < len(subject) <= _MAX_SUBJECT
            and subject.isprintable()
            and not subject[0].isspace()
        ):
            raise InvalidToken("its subject cannot be used")
        return Caller(
            subject=subject,
            is_admin=self._admin_role in _roles(_claim(claims, self._roles_claim)),
            expires_at=int(claims["exp"]),
        )


def _token_in(authorization: object) -> str:
    if not isinstance(authorization, str) or len(authorization) > _MAX_HEADER:
        raise InvalidToken("the header is missing or too long")
    match = _BEARER.fullmatch(authorization)
    if match is None:
        raise InvalidToken("the header is not one bearer token")
    return match[1]


def _is_date(value: object) -> bool:
    """Tell whether a claim is a NumericDate (RFC 7519 §2); PyJWT takes strings and booleans too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_for(audience: str, claims: Mapping[str, Any]) -> bool:
    """Tell whether a token is made for `audience` (RFC 7519 §4.1.3).

    Cognito's access tokens have the audience in `client_id` and no `aud`.
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
    """
    if "aud" in claims:
        named = claims["aud"]
        return bool(named == audience or (isinstance(named, list) and audience in named))
    return bool(claims.get("token_use") == "access" and claims.get("client_id") == audience)


def _claim(claims: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - as JSON has it
    """Return the claim `name`, None without one.

    A claim of exactly this name comes first (Auth0's ``https://example.com/roles``), then what
    the dots lead to (Keycloak's ``realm_access.roles``).
    """
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _roles(value: object) -> frozenset[str]:
    """Return the roles in a claim: a list of strings, or one string with spaces between.

    A claim of another shape has no roles.
    """
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(role for role in value if isinstance(role, str))
    return frozenset()
