"""Between storage and the emulator: records requests, and makes them fail."""

import json
from collections.abc import Callable
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from chalicelib.storage.dynamodb.client import make_client
from chalicelib.storage.dynamodb.connections import Send
from chalicelib.storage.dynamodb.requests import Clock

Fault = Callable[[AWSPreparedRequest], AWSResponse]


class Wire:
    """Makes clients whose requests are recorded, and can be given to `fault`.

    `capacity` has the units that each request consumed, by its number. Refused requests are
    missing, since neither DynamoDB nor the emulator reports them. `fault` handles the requests
    numbered in `due`, counted from 0 since the last `reset`.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.capacity: dict[int, float] = {}
        self.fault: Fault | None = None
        self.due: range | tuple[int, ...] = ()

    def __call__(self, budget: float) -> Any:
        """Return a client, as `make_client` does."""
        client = make_client(budget, self._around)
        events = client.meta.events
        events.register("before-parameter-build.dynamodb", self._ask_for_capacity)
        events.register("after-call.dynamodb", self._note_capacity)
        return client

    def reset(self, fault: Fault | None = None, due: range | tuple[int, ...] = ()) -> None:
        """Forget the recorded requests, and let `fault` handle those that are due from now on."""
        self.requests.clear()
        self.capacity.clear()
        self.fault, self.due = fault, due

    def _ask_for_capacity(self, params: dict[str, Any], **_: object) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def _around(self, send: Send) -> Send:
        def send_or_fail(request: AWSPreparedRequest) -> AWSResponse:
            number = len(self.requests)
            self.requests.append((operation_of(request), body_of(request)))
            return (self.fault if self.fault is not None and number in self.due else send)(request)

        return send_or_fail

    def _note_capacity(self, parsed: dict[str, Any], **_: object) -> None:
        if "ConsumedCapacity" in parsed:
            consumed = parsed["ConsumedCapacity"]
            parts = consumed if isinstance(consumed, list) else [consumed]
            units = sum(part["CapacityUnits"] for part in parts)
            self.capacity[len(self.requests) - 1] = units


class FakeClock:
    """A clock that advances only by pauses, so that hours pass at once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []
        self.clock = Clock(now=lambda: self.seconds, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


def operation_of(request: AWSPreparedRequest) -> str:
    """Return the name of the requested operation."""
    target = request.headers["X-Amz-Target"]
    assert isinstance(target, bytes)
    return target.decode().partition(".")[2]


def body_of(request: AWSPreparedRequest) -> dict[str, Any]:
    """Return the parsed body of the request."""
    assert isinstance(request.body, bytes)
    parsed: dict[str, Any] = json.loads(request.body)
    return parsed


class _Raw:
    """The body of a response, as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> list[bytes]:
        return [self._body]


def response(request: AWSPreparedRequest, status: int, body: bytes, **headers: str) -> AWSResponse:
    """Return a response that no server sent."""
    fields = HTTPHeaders.from_dict(headers)
    return AWSResponse(request.url, status, fields, _Raw(body))


def error(status: int, code: str, **members: object) -> Fault:
    """Respond with an error of DynamoDB's."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    body = json.dumps({"__type": kind, "message": "no", **members}).encode()
    return lambda request: response(request, status, body)


def conflict(request: AWSPreparedRequest) -> AWSResponse:
    """Respond that another transaction on the same item is in progress."""
    if operation_of(request) != "TransactWriteItems":
        return error(400, "TransactionConflictException")(request)
    reasons: list[dict[str, str]] = [{"Code": "None"} for _ in body_of(request)["TransactItems"]]
    reasons[-1] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    return error(400, "TransactionCanceledException", CancellationReasons=reasons)(request)


def proxy_error_page(request: AWSPreparedRequest) -> AWSResponse:
    """Respond with something that is not from DynamoDB."""
    return response(request, 503, b"<html>Service Unavailable</html>")


def reset_before(request: AWSPreparedRequest) -> AWSResponse:
    """Lose the connection before the request arrives."""
    raise ConnectionClosedError(endpoint_url=request.url)


def no_connection(request: AWSPreparedRequest) -> AWSResponse:
    """Get no connection in time."""
    raise ConnectTimeoutError(endpoint_url=request.url)


def lost_after(request: AWSPreparedRequest) -> AWSResponse:
    """Run the request, and lose the connection before the response arrives."""
    send(request)
    raise ConnectionClosedError(endpoint_url=request.url)


def late_after(request: AWSPreparedRequest) -> AWSResponse:
    """Run the request, and let its response time out."""
    send(request)
    raise ReadTimeoutError(endpoint_url=request.url)


def garbled_after(request: AWSPreparedRequest) -> AWSResponse:
    """Run the request, and truncate its response."""
    whole = send(request)
    return response(
        request,
        whole.status_code,
        whole.content[: len(whole.content) // 2],
        **{"x-amz-crc32": whole.headers["x-amz-crc32"]},
    )


def send(request: AWSPreparedRequest) -> AWSResponse:
    """Send the request to the server."""
    session = URLLib3Session()
    try:
        return session.send(request)
    finally:
        session.close()


FAULTS: dict[str, Fault] = {
    "throttled": error(400, "ThrottlingException"),
    "out of capacity": error(400, "ProvisionedThroughputExceededException"),
    "over the account's limit": error(400, "RequestLimitExceeded"),
    "internal error": error(500, "InternalServerError"),
    "page of a proxy": proxy_error_page,
    "reset before": reset_before,
    "no connection": no_connection,
    "lost after": lost_after,
    "late after": late_after,
    "garbled after": garbled_after,
    "conflict": conflict,
    "in progress": error(400, "TransactionInProgressException"),
}
