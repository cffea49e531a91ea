"""Who calls, and who may do what.

The authorizer in front of the routes turns a token into a `Caller`; `PERMISSIONS` says which
callers a route admits. What depends on more than the route (an order's step, a user's status) is
decided by the services from `Caller.is_admin`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

from chalicelib.problems import Forbidden, Problem, Unauthenticated, UserNotFound


class Caller(Struct, frozen=True):
    """Who sent a request.

    `subject` is unique to the caller: the token's `sub`, or another name that no `sub` can have.
    """

    subject: str
    is_admin: bool

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
    ("GET", "/user/get-details"): Admits.EVERYBODY,
    ("GET", "/user/create"): Admits.EVERYBODY,
    ("GET", "/user/get-user"): Admits.EVERYBODY,
    ("GET", "/user/update"): Admits.EVERYBODY,
    ("GET", "/user/delete"): Admits.EVERYBODY,
    ("*", "/"): Admits.EVERYBODY,
    ("*", "/{proxy+}"): Admits.EVERYBODY,
}


def caller_of(context: Mapping[str, Any] | None) -> Caller | None:
    """Return the caller that the authorizer's context names, None where there is none.

    API Gateway hands the context on as strings: ``{"principalId": sub, "admin": "true"}``.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
    """
    subject = context.get("principalId") if context else None
    if not context or not subject:
        return None
    return Caller(subject=subject, is_admin=context.get("admin") == "true")


def context_of(caller: Caller) -> dict[str, str]:
    """Return the context that the authorizer hands on, the reverse of `caller_of`."""
    return {"principalId": caller.subject, "admin": "true" if caller.is_admin else "false"}


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
