"""The Lambda authorizer of API Gateway: turns a bearer token into a policy, or a 401.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from chalice.app import AuthResponse

from chalicelib.security.authorizer_context import InvalidToken, context_for
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.security.tokens import TokenVerifier

_log = logging.getLogger(__name__)


class Unauthorized(Exception):  # noqa: N818 - API Gateway's name for it
    """API Gateway responds with 401. It requires exactly this message."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class TokenAuthorizer:
    """Authorizes requests to the routes that are not public."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def authorize(self, authorization: str) -> AuthResponse:
        """Return the policy for the caller with the token in `authorization`.

        The policy allows every route, since API Gateway caches it by token alone: a policy for one
        route would deny the caller all others. The app decides what the caller may do, from the
        context. Raises Unauthorized, and nothing else: any other exception would be a 500 on AWS
        and a dropped connection in `chalice local`.
        """
        try:
            caller = self._verifier.verify(authorization)
        except InvalidToken as error:
            _log.info("A token was refused: %s", error)
            raise Unauthorized from None
        except Exception:  # noqa: BLE001 - whatever fails, the token is rejected
            _log.exception("Tokens cannot be verified")
            raise Unauthorized from None
        return AuthResponse(routes=["*"], principal_id=caller.subject, context=context_for(caller))

    @cached_property
    def _verifier(self) -> "TokenVerifier":
        # The API's function imports this module too, but must not load cryptography.
        from chalicelib.security.tokens import TokenVerifier  # noqa: PLC0415

        return TokenVerifier(self._settings)
