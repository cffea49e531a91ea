"""Calls to AWS services that speak JSON over HTTP.

https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html

A call is one attempt: whether and when to try again is for the caller to know.
"""

import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from chalicelib.aws.configuration import Configuration
from chalicelib.aws.connections import Connections, Send, Timeouts
from chalicelib.aws.errors import NoResponse, ServiceError
from chalicelib.aws.http_messages import Request, Response
from chalicelib.aws.signing import Signer

_REDIRECTS = 300
# What services respond when a signature is too old or from the future.
_CLOCK_ERRORS = frozenset(
    {
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
# They accept five minutes.
_MAX_SKEW = 240


class Service(NamedTuple):
    """A service that speaks AWS JSON.

    `name` is in its endpoints and signatures, and `target` is the first part of X-Amz-Target.
    """

    name: str
    target: str
    json_version: str


class Client:
    """The client of one service, with connections of its own. It is thread-safe.

    `around` may put something between the client and what sends its signed requests, for tests.
    `clock` returns the seconds since the epoch.
    """

    def __init__(
        self,
        service: Service,
        config: Configuration,
        timeouts: Timeouts,
        around: Callable[[Send], Send] = lambda send: send,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._credentials = config.credentials
        self._signer = Signer(service.name, config.region)
        self._path = config.url.path or "/"
        self._host = config.host
        self._content_type = f"application/x-amz-json-{service.json_version}"
        self._connections = Connections(config.server, timeouts)
        self._send = around(self._connections.send)
        self._clock = clock
        self._clock_offset = 0.0

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of the response of `operation`, such as ``GetItem``.

        Raises NoResponse and ServiceError; SettingsError if there are no credentials.
        """
        body = msgspec.json.encode(parameters)
        # Read once, since another thread may correct it before this request is refused.
        offset = self._clock_offset
        response = self._exchange(operation, body, offset)
        if response.status >= _REDIRECTS:
            error = _error(operation, response)
            if error.code not in _CLOCK_ERRORS or not self._set_clock(response, offset):
                raise error
            response = self._exchange(operation, body, self._clock_offset)
            if response.status >= _REDIRECTS:
                raise _error(operation, response)
        return _members(response.body)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _exchange(self, operation: str, body: bytes, clock_offset: float) -> Response:
        credentials = self._credentials()
        now = time.gmtime(self._clock() + clock_offset)
        headers = {
            "Content-Type": self._content_type,
            "Host": self._host,
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", now),
            "X-Amz-Target": f"{self._service.target}.{operation}",
        }
        if credentials.token is not None:
            headers["X-Amz-Security-Token"] = credentials.token
        headers["Authorization"] = self._signer.authorization(
            "POST", self._path, headers, body, credentials
        )
        response = self._send(Request("POST", self._path, headers, body))
        checksum = response.headers.get("x-amz-crc32")
        if checksum is not None and checksum != str(zlib.crc32(response.body)):
            raise NoResponse(f"{operation}: the response was damaged on its way")
        return response

    def _set_clock(self, response: Response, used_offset: float) -> bool:
        """Go by the service's clock from now on, if the signature's time was far from it."""
        # Imported here: it would be a tenth of a cold start, and clocks are rarely wrong.
        from email.utils import parsedate_to_datetime  # noqa: PLC0415

        try:
            their_time = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
        except (OverflowError, ValueError):
            return False
        offset = their_time - self._clock()
        if abs(offset - used_offset) < _MAX_SKEW:
            return False
        self._clock_offset = offset
        return True


def _members(body: bytes) -> dict[str, Any]:
    try:
        members: dict[str, Any] = msgspec.json.decode(body, type=dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NoResponse(f"The response is no JSON object: {error}") from error
    return members


def _error(operation: str, response: Response) -> ServiceError:
    try:
        members = _members(response.body)
    except NoResponse:
        if "x-amzn-errortype" in response.headers:
            # Of the service, but damaged: what it says beside its code is missing.
            raise
        # From something on the way, such as a load balancer.
        members = {}
    headers = response.headers
    kind = headers.get("x-amzn-errortype") or members.get("__type") or f"status {response.status}"
    # Such as com.amazonaws.dynamodb.v20120810#ValidationException, or with a URI after a colon.
    code = str(kind).rpartition("#")[2].partition(":")[0]
    request_id = headers.get("x-amzn-requestid", "unknown")
    return ServiceError(operation, response.status, code, request_id, members)
