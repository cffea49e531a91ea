"""Requests to DynamoDB: one mechanism for every way in which a request fails.

botocore's own retries are off. They know neither the time that an act may take nor which failure
of a transaction passes, and two mechanisms would multiply each other's attempts. So each request
is sent here, and sent again with full jitter while it fails for a passing reason and time is left
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).

Sending again is safe although the first one may have been carried out and only its answer lost:
reads have no effect, a transaction carries the same ClientRequestToken each time, and a single
update carries a mark that its condition refuses to see twice (see `dynamodb_updates.Update`).
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

_FIRST_PAUSE = 0.025
_LONGEST_PAUSE = 1.0
_SERVER_ERRORS = 500

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_PASSING = frozenset(
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
_NO_ANSWER = (ChecksumError, HTTPClientError, IncompleteReadError, NoConnection)
_REFUSED = "ConditionalCheckFailed"


class Refused(Exception):  # noqa: N818 - not an error: the storage's conditions did their work
    """A condition did not hold, so nothing was written.

    `items` has an entry for each refused write, by its place in the transaction (0 for a single
    write): the item as the condition met it, None where there is none.
    """

    def __init__(self, items: Mapping[int, dict[str, Any] | None]) -> None:
        super().__init__()
        self.items = items


class Clock(NamedTuple):
    """What tells the time and lets it pass, in seconds; another one makes tests fast."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Act:
    """One act of storage: the requests that it sends, and the time that they may take together.

    `budget` is in seconds.
    """

    def __init__(self, client: "DynamoDBClient", budget: float, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        # An attempt that started later than this could end after the budget.
        self._last_start = clock.now() + budget - sum(timeouts(budget))
        self._pauses = 0

    def send(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send `request` until it is answered, and return the answer.

        Raises Refused, Unavailable, and botocore's ClientError for faults of ours.
        """
        call = getattr(self._client, operation)
        while True:
            try:
                answer: dict[str, Any] = call(**request)
            except ClientError as error:
                if not _is_passing(error):
                    raise _refusal(error) or error from None
                self.wait(error)
            except _NO_ANSWER as error:
                self.wait(error)
            else:
                return answer

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        """Carry out all of `writes` or none. Raises as `send` does."""
        # The token makes the transaction happen once, however often it is sent (for ten minutes).
        token = secrets.token_hex(16)
        self.send("transact_write_items", {"TransactItems": writes, "ClientRequestToken": token})

    def wait(self, cause: Exception | None = None) -> None:
        """Let some time pass before the next attempt. Raises Unavailable when none is left."""
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._pauses)
        seconds = random.uniform(0, longest)  # noqa: S311 - jitter keeps no secret
        if self._clock.now() + seconds > self._last_start:
            raise Unavailable from cause
        self._pauses += 1
        self._clock.sleep(seconds)


def _is_passing(error: ClientError) -> bool:
    if error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_ERRORS:
        return True
    # While one write conflicts, the conditions of the others say nothing final about the order
    # in which the act's errors are due: so a single passing reason is enough to try again.
    return not _PASSING.isdisjoint([error.response["Error"]["Code"], *_reasons(error)])


def _refusal(error: ClientError) -> Refused | None:
    response: Mapping[str, Any] = error.response
    if response["Error"]["Code"] == "ConditionalCheckFailedException":
        return Refused({0: response.get("Item") or None})
    codes = _reasons(error)
    if _REFUSED not in codes or not {"None", _REFUSED}.issuperset(codes):
        return None
    reasons = response["CancellationReasons"]
    return Refused(
        {
            place: reasons[place].get("Item") or None
            for place, code in enumerate(codes)
            if code == _REFUSED
        }
    )


def _reasons(error: ClientError) -> list[str]:
    response: Mapping[str, Any] = error.response
    return [reason.get("Code", "None") for reason in response.get("CancellationReasons", ())]
