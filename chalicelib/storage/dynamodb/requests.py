"""Requests to DynamoDB: one mechanism for every way in which a request fails.

Each request is retried while its failure is transient and the operation's time is not over.

A retry is safe although the first attempt may have been carried out and only its response lost:
reads have no effect, a transaction has the same ClientRequestToken each time, and a single update
has a token that its condition refuses to see twice (see `updates.Update.apply_once`).
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from chalicelib.aws.client import Client, Service
from chalicelib.aws.configuration import configuration
from chalicelib.aws.connections import Send
from chalicelib.aws.errors import BUSY, NoResponse, ServiceError
from chalicelib.aws.retries import Clock, Retries, timeouts
from chalicelib.domain.errors import Unavailable
from chalicelib.telemetry.activity import Activity, current
from chalicelib.telemetry.tracing import Trace, failed

_DYNAMODB = Service("dynamodb", "DynamoDB_20120810", "1.0")

# Errors, and reasons why a transaction was cancelled.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_TRANSIENT = BUSY | {
    "ReplicatedWriteConflictException",
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
}
_READS = frozenset({"GetItem", "Query", "TransactGetItems"})
_CONDITION_FAILED = "ConditionalCheckFailed"


class DynamoDBClient(Protocol):
    """What sends one request to DynamoDB; see `chalicelib.aws.client.Client`."""

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of the response."""

    def close(self) -> None:
        """Close the connections."""


def make_client(budget: float, around: Callable[[Send], Send] = lambda send: send) -> Client:
    """Return a client for operations that take up to `budget` seconds.

    Raises SettingsError unless the standard AWS variables say where DynamoDB is and who calls it.
    """
    return Client(_DYNAMODB, configuration(_DYNAMODB.name), timeouts(budget), around)


class ConditionFailed(Exception):  # noqa: N818 - part of how storage works, not an error
    """A condition was not met, so nothing was written.

    `items` has an entry for each write whose condition failed, by its place in the transaction (0
    for a single write): the item that the condition saw, None if there was none.
    """

    def __init__(self, items: Mapping[int, dict[str, Any] | None]) -> None:
        super().__init__()
        self.items = items


class Operation:
    """One operation of storage: the requests that it sends, and the time they may take in all.

    `budget` is in seconds.
    """

    def __init__(self, client: DynamoDBClient, budget: float, clock: Clock) -> None:
        self._client = client
        self._retries = Retries(budget, clock)
        self._activity = current()

    def send(self, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send `request`, such as a ``GetItem``, retry transient failures, return the response.

        Raises ConditionFailed, Unavailable, and ServiceError for a fault of this code.
        """
        while True:
            try:
                return self._call(name, request)
            except ServiceError as error:
                if not _is_transient(error):
                    raise _failed_condition(error) or error from None
                self._retry(error)
            except NoResponse as error:
                self._retry(error)

    def items(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield all items of a Query, sending requests as the caller consumes them."""
        start: dict[str, Any] = {}
        while True:
            response = self.send("Query", {**request, **start})
            yield from response["Items"]
            if "LastEvaluatedKey" not in response:
                return
            start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        """Carry out all of `writes` or none. Raises as `send` does."""
        # A transaction happens once for each token, however often it is sent in ten minutes.
        token = secrets.token_hex(16)
        self.send("TransactWriteItems", {"TransactItems": writes, "ClientRequestToken": token})

    def has_time_for(self, requests: int) -> bool:
        """Return whether so many requests, without retries, would end in time."""
        return self._retries.has_time_for(requests)

    def wait(self) -> None:
        """Wait after a concurrent write. Raises Unavailable when no time is left."""
        if not self._retries.wait():
            raise Unavailable
        self._activity.conflicts += 1

    def _retry(self, cause: Exception) -> None:
        if not self._retries.wait():
            raise Unavailable from cause
        self._activity.retries += 1

    def _call(self, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
        activity = self._activity
        activity.calls += 1
        started_at, started = time.time(), time.perf_counter_ns()
        failure: Exception | None = None
        try:
            response = self._client.call(name, {**request, "ReturnConsumedCapacity": "TOTAL"})
        except Exception as error:
            failure = error
            raise
        finally:
            activity.nanoseconds += time.perf_counter_ns() - started
            if activity.trace is not None:
                _send_part(activity.trace, name, started_at, failure)
        _count_units(activity, name, response)
        return response


def _send_part(trace: Trace, name: str, started: float, failure: Exception | None) -> None:
    part: dict[str, Any] = {"namespace": "aws", "aws": {"operation": name}}
    if isinstance(failure, ServiceError):
        part["aws"]["request_id"] = failure.request_id
        part["http"] = {"response": {"status": failure.status}}
        part |= failed(failure, failure.status)
    elif failure is not None:
        part |= failed(failure)
    trace.send("DynamoDB", started, part)


def _count_units(activity: Activity, name: str, response: Mapping[str, Any]) -> None:
    consumed = response.get("ConsumedCapacity", ())
    parts = consumed if isinstance(consumed, list) else [consumed] if consumed else ()
    units = sum(part["CapacityUnits"] for part in parts)
    if name in _READS:
        activity.read_units += units
    else:
        activity.write_units += units


def _is_transient(error: ServiceError) -> bool:
    # While one write conflicts, the conditions of the others do not decide yet which error the
    # operation ends with: so a single transient reason is enough to retry.
    codes = [error.code, *_reasons(error)]
    return error.is_transient or not _TRANSIENT.isdisjoint(codes)


def _failed_condition(error: ServiceError) -> ConditionFailed | None:
    if error.code == "ConditionalCheckFailedException":
        return ConditionFailed({0: error.members.get("Item") or None})
    codes = _reasons(error)
    if _CONDITION_FAILED not in codes or not {"None", _CONDITION_FAILED}.issuperset(codes):
        return None
    reasons = error.members["CancellationReasons"]
    return ConditionFailed(
        {
            place: reasons[place].get("Item") or None
            for place, code in enumerate(codes)
            if code == _CONDITION_FAILED
        }
    )


def _reasons(error: ServiceError) -> list[str]:
    reasons = error.members.get("CancellationReasons", ())
    return [reason.get("Code", "None") for reason in reasons]
