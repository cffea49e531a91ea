"""Between storage and the emulator: records requests, and makes them fail."""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.aws.client import Client
from chalicelib.aws.configuration import configuration
from chalicelib.aws.connections import Connections, Send
from chalicelib.aws.errors import NoResponse
from chalicelib.aws.http_messages import Request, Response
from chalicelib.aws.retries import Clock, timeouts
from chalicelib.storage.dynamodb.requests import make_client

Fault = Callable[[Request], Response]


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

    def __call__(self, budget: float) -> "Measured":
        """Return a client, as `make_client` does."""
        return Measured(make_client(budget, self._around), self)

    def reset(self, fault: Fault | None = None, due: range | tuple[int, ...] = ()) -> None:
        """Forget the recorded requests, and let `fault` handle those that are due from now on."""
        self.requests.clear()
        self.capacity.clear()
        self.fault, self.due = fault, due

    def _around(self, send: Send) -> Send:
        def send_or_fail(request: Request) -> Response:
            number = len(self.requests)
            self.requests.append((operation_of(request), body_of(request)))
            return (self.fault if self.fault is not None and number in self.due else send)(request)

        return send_or_fail


class Measured:
    """A client that asks what each request consumes."""

    def __init__(self, client: Client, wire: Wire) -> None:
        self._client = client
        self._wire = wire

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request, and note the units."""
        response = self._client.call(operation, {**parameters, "ReturnConsumedCapacity": "TOTAL"})
        if "ConsumedCapacity" in response:
            consumed = response["ConsumedCapacity"]
            parts = consumed if isinstance(consumed, list) else [consumed]
            units = sum(part["CapacityUnits"] for part in parts)
            self._wire.capacity[len(self._wire.requests) - 1] = units
        return response

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class FakeClock:
    """A clock that advances only by pauses, so that hours pass at once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []
        self.clock = Clock(now=lambda: self.seconds, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


def operation_of(request: Request) -> str:
    """Return the name of the requested operation."""
    return request.headers["X-Amz-Target"].partition(".")[2]


def body_of(request: Request) -> dict[str, Any]:
    """Return the parsed body of the request."""
    parsed: dict[str, Any] = json.loads(request.body)
    return parsed


def error(status: int, code: str, **members: object) -> Fault:
    """Respond with an error of DynamoDB's."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    body = json.dumps({"__type": kind, "message": "no", **members}).encode()
    return lambda _request: Response(status, {}, body)


def conflict(request: Request) -> Response:
    """Respond that another transaction on the same item is in progress."""
    if operation_of(request) != "TransactWriteItems":
        return error(400, "TransactionConflictException")(request)
    reasons: list[dict[str, str]] = [{"Code": "None"} for _ in body_of(request)["TransactItems"]]
    reasons[-1] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    return error(400, "TransactionCanceledException", CancellationReasons=reasons)(request)


def proxy_error_page(_request: Request) -> Response:
    """Respond with something that is not from DynamoDB."""
    return Response(503, {}, b"<html>Service Unavailable</html>")


def lost_before(_request: Request) -> Response:
    """Lose the connection, or get none, before the request arrives."""
    raise NoResponse


def lost_after(request: Request) -> Response:
    """Run the request, and lose the response or wait for it too long."""
    send(request)
    raise NoResponse


def garbled_after(request: Request) -> Response:
    """Run the request, and truncate its response."""
    whole = send(request)
    return whole._replace(body=whole.body[: len(whole.body) // 2])


def wrong_checksum_after(request: Request) -> Response:
    """Run the request, and respond with the checksum of another body."""
    whole = send(request)
    return whole._replace(headers={**whole.headers, "x-amz-crc32": "1"})


def another_object_after(request: Request) -> Response:
    """Run the request, and respond with valid JSON that does not have the response's checksum."""
    whole = send(request)
    assert "x-amz-crc32" in whole.headers
    return whole._replace(body=b'{"Item":{},"Items":[],"Attributes":{}}')


def garbage_after(request: Request) -> Response:
    """Run the request, and respond with random bytes of the body's length."""
    whole = send(request)
    return whole._replace(body=random.Random(1).randbytes(len(whole.body)))


def latin_1_after(request: Request) -> Response:
    """Run the request, and respond with a JSON object that is not in UTF-8."""
    send(request)
    return Response(200, {}, '{"message":"à bientôt"}'.encode("latin-1"))


def nested_after(request: Request) -> Response:
    """Run the request, and respond with JSON that is nested too deeply to be read."""
    send(request)
    return Response(200, {}, b'{"a":' + b"[" * 200_000)


def empty(status: int) -> Fault:
    """Respond with a status and nothing else."""
    return lambda _request: Response(status, {}, b"")


def send(request: Request) -> Response:
    """Send the request to the server."""
    server = configuration("dynamodb").server
    connections = Connections(server, timeouts(8))
    try:
        return connections.send(request)
    finally:
        connections.close()


FAULTS: dict[str, Fault] = {
    "throttled": error(400, "ThrottlingException"),
    "out of capacity": error(400, "ProvisionedThroughputExceededException"),
    "over the account's limit": error(400, "RequestLimitExceeded"),
    "internal error": error(500, "InternalServerError"),
    "internal error, no body": empty(500),
    "too many requests, no body": empty(429),
    "page of a proxy": proxy_error_page,
    "latin-1 page of a proxy": lambda _: Response(502, {}, b'{"message":"indisponibilit\xe9"}'),
    "lost before": lost_before,
    "lost after": lost_after,
    "garbled after": garbled_after,
    "wrong checksum after": wrong_checksum_after,
    "another object after": another_object_after,
    "garbage after": garbage_after,
    "latin-1 after": latin_1_after,
    "nested after": nested_after,
    "conflict": conflict,
    "in progress": error(400, "TransactionInProgressException"),
}
