"""API Gateway's Lambda authorizer: a bearer token in, a policy or a 401 out.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from chalice.app import AuthResponse

from chalicelib.security.permissions import InvalidToken, context_of
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.security.tokens import TokenVerifier

_log = logging.getLogger(__name__)


class Unauthorized(Exception):  # noqa: N818 - API Gateway's word
    """API Gateway answers 401; it knows the case by the text, which must be this one word."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Gate:
    """What stands before the routes that are not public."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def admit(self, authorization: str) -> AuthResponse:
        """Return the policy for the bearer of the token in `authorization`.

        The policy is for every route: API Gateway keeps it by token alone, so that one made for
        the route of the moment would bar its bearer from the next. What the bearer may do is
        decided by the app, from the context. Raises Unauthorized, and nothing else: another
        exception would be a 500 on AWS and a dropped connection in `chalice local`.
        """
        try:
            caller = self._verifier.verify(authorization)
        except InvalidToken as error:
            _log.info("A token was refused: %s", error)
            raise Unauthorized from None
        except Exception:  # noqa: BLE001 - whatever happens, the token is refused
            _log.exception("No token can be verified")
            raise Unauthorized from None
        return AuthResponse(routes=["*"], principal_id=caller.subject, context=context_of(caller))

    @cached_property
    def _verifier(self) -> "TokenVerifier":
        # Imported here, since only the authorizer's function verifies tokens; the API's function
        # shares this module's import and must not pay for cryptography.
        from chalicelib.security.tokens import TokenVerifier  # noqa: PLC0415

        return TokenVerifier(self._settings)
