"""Verification of bearer tokens (RFC 6750, RFC 7519, RFC 8725).

Only the authorizer's function imports this: PyJWT and cryptography add 0.1 s to a cold start,
which the API's function avoids.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

import jwt

from chalicelib.domain.caller import Caller
from chalicelib.security.authorizer_context import LEEWAY_SECONDS, InvalidToken
from chalicelib.security.jwks import KeySource, RemoteJWKSet, SharedSecret
from chalicelib.settings import Settings

# A scheme in any case, and a token of three parts in base64url without padding (RFC 7515 §7.1).
_BEARER = re.compile(r"bearer +([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII | re.IGNORECASE)
# API Gateway accepts at most 10,240 bytes of headers.
_MAX_HEADER = 10_240
_MAX_SUBJECT = 256
# Tokens for other uses say so in `typ` (RFC 8725 §3.11): logout+jwt, dpop+jwt, secevent+jwt.
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})

_log = logging.getLogger(__name__)


class TokenVerifier:
    """Verifies the tokens of one issuer.

    Raises SettingsError if the issuer, the audience or the keys are not configured.
    """

    def __init__(self, settings: Settings) -> None:
        settings.check_authentication()
        self._issuer = settings.auth_issuer
        self._audience = settings.auth_audience
        self._subject_claim = settings.auth_subject_claim
        self._roles_claim = settings.auth_roles_claim
        self._admin_role = settings.auth_admin_role
        url = settings.auth_jwks_url
        self._keys: KeySource = RemoteJWKSet(url) if url else SharedSecret(settings.auth_secret)

    def verify(self, authorization: str) -> Caller:
        """Return the caller that the token identifies.

        `authorization` is the value of the Authorization header: ``Bearer <token>``. Raises
        InvalidToken, and nothing else, whatever the header contains.
        """
        try:
            return self._caller(self._claims(_bearer_token(authorization)))
        except InvalidToken:
            raise
        except jwt.PyJWTError as error:
            raise InvalidToken(type(error).__name__) from None
        except Exception:  # noqa: BLE001 - whatever fails, the token is rejected
            _log.exception("A token could not be read")
            raise InvalidToken("it cannot be read") from None

    def _claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims, after checking the signature, the dates, issuer and audience."""
        header = jwt.get_unverified_header(token)
        # RFC 7797 §7 forbids b64 in JWTs; no critical extension is supported.
        if "crit" in header or "b64" in header:
            raise InvalidToken("its header requires an extension")
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            raise InvalidToken("its type is for another use")
        # Keys come from the settings only: `jku`, `jwk`, `x5u` and `x5c` are ignored.
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
                "verify_aud": False,  # see `_is_for`: Cognito's access tokens have no `aud`
            },
        )
        dates = (claims[name] for name in ("exp", "nbf", "iat") if name in claims)
        if not all(map(_is_numeric_date, dates)):
            raise InvalidToken("a date is not a number")
        if not _is_for(self._audience, claims):
            raise InvalidToken("it is for another audience")
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        # If the provider chooses `sub`, another claim holds the user_id. Callers without that claim
        # are identified by `sub`, such as administrators who are not users.
        subject = _claim(claims, self._subject_claim)
        if subject is None:
            subject = claims["sub"]
        # A leading space is reserved for callers without a token, such as IAM_CALLER.
        if not (
            isinstance(subject, str)
            and 0 < len(subject) <= _MAX_SUBJECT
            and subject.isprintable()
            and not subject[0].isspace()
        ):
            raise InvalidToken("its subject is not allowed")
        return Caller(
            subject=subject,
            is_admin=self._admin_role in _roles(_claim(claims, self._roles_claim)),
            expires_at=int(claims["exp"]),
        )


def _bearer_token(authorization: object) -> str:
    if not isinstance(authorization, str) or len(authorization) > _MAX_HEADER:
        raise InvalidToken("the header is missing or too long")
    match = _BEARER.fullmatch(authorization)
    if match is None:
        raise InvalidToken("the header is not a bearer token")
    return match[1]


def _is_numeric_date(value: object) -> bool:
    """Whether a claim is a NumericDate (RFC 7519 §2); PyJWT accepts strings and booleans too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_for(audience: str, claims: Mapping[str, Any]) -> bool:
    """Whether the token is for `audience` (RFC 7519 §4.1.3).

    Cognito's access tokens have `client_id` instead of `aud`.
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
    """
    if "aud" in claims:
        aud = claims["aud"]
        return bool(aud == audience or (isinstance(aud, list) and audience in aud))
    return bool(claims.get("token_use") == "access" and claims.get("client_id") == audience)


def _claim(claims: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the claim `name`, or None if there is none.

    A claim with exactly this name wins (Auth0's ``https://example.com/roles``). Otherwise the name
    is a path separated by dots (Keycloak's ``realm_access.roles``).
    """
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _roles(value: object) -> frozenset[str]:
    """Return the roles in a claim: a list of strings, or a string separated by spaces.

    A claim of any other type has no roles.
    """
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(role for role in value if isinstance(role, str))
    return frozenset()
