"""The Lambda authorizer of API Gateway: turns a bearer token into a policy, or a 401.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import logging
import time
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from chalice.app import AuthResponse

from chalicelib.domain.errors import Unauthenticated
from chalicelib.security.authorizer_context import InvalidToken, context_for
from chalicelib.settings import Settings
from chalicelib.telemetry.activity import Activity, begin
from chalicelib.telemetry.request_log import Exchange, RequestLog

if TYPE_CHECKING:
    from chalicelib.security.tokens import TokenVerifier

_NAME = "authorizer"
_log = logging.getLogger(__name__)


class Unauthorized(Exception):  # noqa: N818 - API Gateway's name for it
    """API Gateway responds with 401. It requires exactly this message."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class TokenAuthorizer:
    """Authorizes requests to the routes that are not public; `log` tells of each."""

    def __init__(self, settings: Settings, log: RequestLog | None = None) -> None:
        self._settings = settings
        self._log = log

    def authorize(self, authorization: str) -> AuthResponse:
        """Return the policy for the caller with the token in `authorization`.

        The policy allows every route, since API Gateway caches it by token alone: a policy for one
        route would deny the caller all others. The app decides what the caller may do, from the
        context. Raises Unauthorized, and nothing else: any other exception would be a 500 on AWS
        and a dropped connection in `chalice local`.
        """
        activity = begin()
        started, started_at = time.perf_counter_ns(), time.time()
        try:
            return self._policy(authorization, activity)
        finally:
            status = HTTPStatus.UNAUTHORIZED if activity.problem else HTTPStatus.OK
            if activity.trace is not None:
                refused = {"error": True} if activity.problem else {}
                activity.trace.send(_NAME, started_at, refused)
            if self._log is not None:
                exchange = Exchange("", _NAME, status, started, trace_id=activity.trace_id)
                self._log.write(exchange, activity)

    def _policy(self, authorization: str, activity: Activity) -> AuthResponse:
        try:
            caller = self._verifier.verify(authorization)
        except InvalidToken as error:
            activity.problem, activity.detail = Unauthenticated.name, f": {error}"
            if self._log is None:
                _log.info("A token was refused: %s", error)
            raise Unauthorized from None
        except Exception as error:  # noqa: BLE001 - whatever fails, the token is rejected
            activity.problem, activity.error = Unauthenticated.name, error
            if self._log is None:
                _log.exception("Tokens cannot be verified")
            raise Unauthorized from None
        activity.subject, activity.caller_kind = caller.subject, caller.kind
        return AuthResponse(routes=["*"], principal_id=caller.subject, context=context_for(caller))

    @cached_property
    def _verifier(self) -> "TokenVerifier":
        # The API's function imports this module too, but must not load cryptography.
        from chalicelib.security.tokens import TokenVerifier  # noqa: PLC0415

        return TokenVerifier(self._settings)
