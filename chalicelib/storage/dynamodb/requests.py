"""Requests to DynamoDB: one mechanism for every way in which a request fails.

botocore's own retries are off. They know neither the time that an operation may take nor which
failures of a transaction are transient, and two mechanisms would multiply each other's attempts. So
each request is sent here, and retried with full jitter while its failure is transient and time is
left (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).

A retry is safe although the first attempt may have been carried out and only its response lost:
reads have no effect, a transaction has the same ClientRequestToken each time, and a single update
has a token that its condition refuses to see twice (see `updates.Update.apply_once`).
"""

import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import (
    ChecksumError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from chalicelib.domain.errors import Unavailable
from chalicelib.storage.dynamodb.client import timeouts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_FIRST_DELAY = 0.025
_MAX_DELAY = 1.0
_SERVER_ERRORS = 500

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_TRANSIENT = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_NO_RESPONSE = (ChecksumError, HTTPClientError, IncompleteReadError, NoConnection)
_CONDITION_FAILED = "ConditionalCheckFailed"


class ConditionFailed(Exception):  # noqa: N818 - part of how storage works, not an error
    """A condition was not met, so nothing was written.

    `items` has an entry for each write whose condition failed, by its place in the transaction (0
    for a single write): the item that the condition saw, None if there was none.
    """

    def __init__(self, items: Mapping[int, dict[str, Any] | None]) -> None:
        super().__init__()
        self.items = items


class Clock(NamedTuple):
    """Reads the time and waits, in seconds; tests replace it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Operation:
    """One operation of storage: the requests that it sends, and the time they may take in all.

    `budget` is in seconds.
    """

    def __init__(self, client: "DynamoDBClient", budget: float, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        # An attempt that started later than this could end after the budget.
        self._last_start = clock.now() + budget - sum(timeouts(budget))
        self._retries = 0

    def send(self, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send `request`, retry transient failures, and return the response.

        Raises ConditionFailed, Unavailable, and botocore's ClientError for a fault of this code.
        """
        call = getattr(self._client, name)
        while True:
            try:
                response: dict[str, Any] = call(**request)
            except ClientError as error:
                if not _is_transient(error):
                    raise _failed_condition(error) or error from None
                self.wait(error)
            except _NO_RESPONSE as error:
                self.wait(error)
            else:
                return response

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        """Carry out all of `writes` or none. Raises as `send` does."""
        # A transaction happens once for each token, however often it is sent in ten minutes.
        token = secrets.token_hex(16)
        self.send("transact_write_items", {"TransactItems": writes, "ClientRequestToken": token})

    def wait(self, cause: Exception | None = None) -> None:
        """Wait before the next attempt. Raises Unavailable when no time is left."""
        longest = min(_MAX_DELAY, _FIRST_DELAY * 2**self._retries)
        seconds = random.uniform(0, longest)  # noqa: S311 - jitter is not a secret
        if self._clock.now() + seconds > self._last_start:
            raise Unavailable from cause
        self._retries += 1
        self._clock.sleep(seconds)


def _is_transient(error: ClientError) -> bool:
    if error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_ERRORS:
        return True
    # While one write conflicts, the conditions of the others do not decide yet which error the
    # operation ends with: so a single transient reason is enough to retry.
    return not _TRANSIENT.isdisjoint([error.response["Error"]["Code"], *_reasons(error)])


def _failed_condition(error: ClientError) -> ConditionFailed | None:
    response: Mapping[str, Any] = error.response
    if response["Error"]["Code"] == "ConditionalCheckFailedException":
        return ConditionFailed({0: response.get("Item") or None})
    codes = _reasons(error)
    if _CONDITION_FAILED not in codes or not {"None", _CONDITION_FAILED}.issuperset(codes):
        return None
    reasons = response["CancellationReasons"]
    return ConditionFailed(
        {
            place: reasons[place].get("Item") or None
            for place, code in enumerate(codes)
            if code == _CONDITION_FAILED
        }
    )


def _reasons(error: ClientError) -> list[str]:
    response: Mapping[str, Any] = error.response
    return [reason.get("Code", "None") for reason in response.get("CancellationReasons", ())]
