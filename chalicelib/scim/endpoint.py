"""SCIM 2.0 (RFC 7643, RFC 7644) over the users and groups of the API."""

from typing import cast
from urllib.parse import unquote

import msgspec
from chalice.app import Request, Response
from scim2_models import (
    InvalidSyntaxException,
    PayloadTooLargeException,
    SCIMException,
    TooManyException,
)
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse

from chalicelib.domain.caller import Caller
from chalicelib.domain.groups import GroupService
from chalicelib.domain.users import UserService
from chalicelib.scim.errors import ScimProblem
from chalicelib.scim.groups import Groups
from chalicelib.scim.protocol import Handler, Service
from chalicelib.scim.schemas import MAX_BODY_BYTES, provider
from chalicelib.scim.storage import ServiceStorage
from chalicelib.scim.users import Users
from chalicelib.telemetry.activity import current
from chalicelib.web.media import NO_STORE, Headers

ROOT = "/scim/v2"
# A function's response may have 6 MB, with the body as an escaped string inside
# (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
_MAX_RESPONSE_BYTES = 4 * 1024 * 1024


class ScimEndpoint:
    """Responds to SCIM requests."""

    def __init__(self, users: UserService, groups: GroupService) -> None:
        self._users = users
        self._groups = groups
        self._service = Service(provider())

    def respond(self, request: Request, caller: Caller) -> Response:
        """Return the response to a request below `ROOT`; errors are SCIM's (RFC 7644 §3.12)."""
        try:
            given = _scim_request(request)
            response = self._handler(given, caller).handle(given)
            body = "" if response.body is None else msgspec.json.encode(response.body).decode()
            _check_size(body)
        except Exception as error:  # noqa: BLE001 - every failure is a response
            response = self._refusal(error)
            body = msgspec.json.encode(response.body).decode()
        headers: Headers = {"Cache-Control": NO_STORE, **response.headers}
        if not body:
            del headers["Content-Type"]
        return Response(body, headers, int(response.status))

    def _handler(self, request: ScimRequest, caller: Caller) -> Handler:
        groups = Groups(self._groups, self._users, caller)
        users = Users(self._users, self._groups, caller)
        storage = ServiceStorage({"User": users, "Group": groups})
        asks = {"attributes", "excludedAttributes"} & request.query.keys()
        return Handler(self._service, storage, groups, shows_groups=bool(asks))

    def _refusal(self, error: Exception) -> ScimResponse:
        response = self._service.error_response(error)
        if isinstance(error, SCIMException):
            current().problem = error.scim_type or str(error.status)
        if isinstance(error, ScimProblem):
            current().problem = error.problem.name
            response.headers |= error.problem.headers
        return response


def _check_size(body: str) -> None:
    """Raise TooManyException for a body that does not fit into a response."""
    if len(body) > _MAX_RESPONSE_BYTES:
        raise TooManyException(
            detail="The response would be too large: ask for fewer resources with count, or leave"
            " out the members with excludedAttributes=members."
        )


def _scim_request(request: Request) -> ScimRequest:
    """Return the request as the library reads it. Raises SCIMException for its body."""
    try:
        body = cast("bytes", request.raw_body)
    except ValueError:
        raise InvalidSyntaxException(detail="The body is not in Base64.") from None
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLargeException(detail=f"A body has at most {MAX_BODY_BYTES} bytes.")
    return ScimRequest(
        method="GET" if request.method == "HEAD" else request.method,
        base_url=_base_url(request),
        path="/" + unquote((request.uri_params or {})["proxy"]),
        query=dict(request.query_params or {}),
        headers=request.headers,
        body=body,
    )


def _base_url(request: Request) -> str:
    """Return the URL of `ROOT` as the client sees it, with a stage or a domain's base path."""
    context, headers = request.context, request.headers
    domain = context.get("domainName")
    scheme = headers.get("x-forwarded-proto") or ("https" if domain else "http")
    host = headers.get("host") or domain or "localhost"
    before = (context.get("path") or "").partition(f"{ROOT}/")[0]
    return f"{scheme}://{host}{before}{ROOT}"
