"""The caller's way from the authorizer to the app: API Gateway's authorizer context.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.domain.caller import Caller

# Clock skew allowed between the issuer of tokens and the API.
LEEWAY_SECONDS = 30


class InvalidToken(Exception):  # noqa: N818 - the token is invalid, nothing went wrong here
    """The token does not identify a caller. The message says why, and never quotes the token."""


def caller_from_context(
    context: Mapping[str, Any] | None,
    now: Callable[[], float] = time.time,
    *,
    request_id: str = "",
) -> Caller | None:
    """Return the caller in `requestContext.authorizer`, or None if there is none.

    API Gateway passes the context on as strings and adds the policy's principal:
    ``{"principalId": sub, "admin": "true", "expires_at": "1790000000"}``. It caches policies for
    minutes, so the token may have expired since: then there is no caller.
    """
    subject = context.get("principalId") if context else None
    if not context or not isinstance(subject, str) or not subject:
        return None
    expiry = context.get("expires_at")
    expires_at = None if expiry is None else int(expiry)
    if expires_at is not None and expires_at <= now() - LEEWAY_SECONDS:
        return None
    is_admin = context.get("admin") == "true"
    return Caller(subject, is_admin, expires_at, request_id)


def context_for(caller: Caller) -> dict[str, str]:
    """Return the context that the authorizer returns for the caller, who is its principal.

    Values are strings, since API Gateway converts them anyway.
    """
    context = {"admin": "true" if caller.is_admin else "false"}
    if caller.expires_at is not None:
        context["expires_at"] = str(caller.expires_at)
    return context


def request_authorizer_for(caller: Caller) -> dict[str, str]:
    """Return `requestContext.authorizer` for the caller; `caller_from_context` reads it."""
    return {"principalId": caller.subject, **context_for(caller)}
