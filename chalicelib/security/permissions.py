"""Who calls, and who may do what.

The authorizer in front of the routes turns a token into a `Caller`; `PERMISSIONS` says which
callers a route admits. What depends on more than the route (an order's step, a user's status) is
decided by the services from `Caller.is_admin`.
"""

import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

from chalicelib.domain.errors import Forbidden, Problem, Unauthenticated, UserNotFound

# How far the clocks of a token's issuer and of the API may differ.
LEEWAY_SECONDS = 30


class InvalidToken(Exception):  # noqa: N818 - the token is invalid, nothing went wrong here
    """The token names no caller; the text says why, and quotes nothing of the token."""


class Caller(Struct, frozen=True):
    """Who sent a request.

    `subject` is unique to the caller: the token's `sub`, or another name that no `sub` can have.
    `expires_at` is when its token expires, in seconds since the Unix epoch; None without a token.
    """

    subject: str
    is_admin: bool
    expires_at: int | None = None

    def is_user(self, user_id: str) -> bool:
        """Tell whether the caller is that user."""
        return self.subject == user_id


# IAM decides who may invoke a function directly; such a caller acts as an administrator. No
# user's subject begins with a space: the authorizer refuses such tokens.
IAM_CALLER = Caller(subject=" iam", is_admin=True)


class Admits(Enum):
    """Which callers a route admits."""

    EVERYBODY = "everybody, without a token"
    SELF = "administrators and the user in the path; for others the user does not exist"
    ADMINISTRATORS = "administrators"


_USER = "/users/{user_id}"
_ORDERS = f"{_USER}/orders"
_ORDER = f"{_ORDERS}/{{order_id}}"

PERMISSIONS: Mapping[tuple[str, str], Admits] = {
    ("POST", "/users"): Admits.ADMINISTRATORS,
    ("GET", "/users"): Admits.ADMINISTRATORS,
    ("GET", _USER): Admits.SELF,
    ("PUT", _USER): Admits.SELF,
    ("PATCH", _USER): Admits.SELF,
    ("DELETE", _USER): Admits.ADMINISTRATORS,
    ("POST", _ORDERS): Admits.SELF,
    ("GET", _ORDERS): Admits.SELF,
    ("GET", _ORDER): Admits.SELF,
    ("PATCH", _ORDER): Admits.SELF,
    ("GET", "/"): Admits.EVERYBODY,
    ("GET", "/health"): Admits.EVERYBODY,
    ("GET", "/problems/{name}"): Admits.EVERYBODY,
    ("GET", "/openapi.json"): Admits.EVERYBODY,
    ("GET", "/docs"): Admits.EVERYBODY,
    ("GET", "/docs/{asset}"): Admits.EVERYBODY,
    ("GET", "/user/get-details"): Admits.EVERYBODY,
    ("GET", "/user/create"): Admits.EVERYBODY,
    ("GET", "/user/get-user"): Admits.EVERYBODY,
    ("GET", "/user/update"): Admits.EVERYBODY,
    ("GET", "/user/delete"): Admits.EVERYBODY,
    ("*", "/"): Admits.EVERYBODY,
    ("*", "/{proxy+}"): Admits.EVERYBODY,
}


def caller_of(
    context: Mapping[str, Any] | None, now: Callable[[], float] = time.time
) -> Caller | None:
    """Return the caller that the authorizer's context names, None where there is none.

    API Gateway hands the context on as strings, beside the policy's principal:
    ``{"principalId": sub, "admin": "true", "expires_at": "1790000000"}``. It also keeps the
    policy of a token for minutes, so a token that has expired since names nobody here.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
    """
    subject = context.get("principalId") if context else None
    if not context or not isinstance(subject, str) or not subject:
        return None
    expiry = context.get("expires_at")
    expires_at = None if expiry is None else int(expiry)
    if expires_at is not None and expires_at <= now() - LEEWAY_SECONDS:
        return None
    return Caller(subject=subject, is_admin=context.get("admin") == "true", expires_at=expires_at)


def context_of(caller: Caller) -> dict[str, str]:
    """Return the context that the authorizer hands on beside the principal, the caller's subject.

    Values are strings, as API Gateway would make them anyway. See `caller_of`.
    """
    context = {"admin": "true" if caller.is_admin else "false"}
    if caller.expires_at is not None:
        context["expires_at"] = str(caller.expires_at)
    return context


def authorizer_of(caller: Caller) -> dict[str, str]:
    """Return what `requestContext.authorizer` holds for the caller, the reverse of `caller_of`."""
    return {"principalId": caller.subject, **context_of(caller)}


def admit(admits: Admits, caller: Caller | None, user_id: str | None) -> None:
    """Return when the caller may come in. Raises Unauthenticated, Forbidden, UserNotFound."""
    if admits is Admits.EVERYBODY:
        return
    refusal = _refusal(admits, caller, user_id)
    if refusal is not None:
        raise refusal


def _refusal(admits: Admits, caller: Caller | None, user_id: str | None) -> Problem | None:
    if caller is None:
        return Unauthenticated()
    if caller.is_admin:
        return None
    if admits is Admits.ADMINISTRATORS:
        return Forbidden()
    if user_id is None or not caller.is_user(user_id):
        return UserNotFound()
    return None
