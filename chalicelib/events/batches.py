"""Batches of entries for a service that may refuse some of them: only those are sent again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.aws.client import Client, Service
from chalicelib.aws.configuration import configuration
from chalicelib.aws.connections import Send
from chalicelib.aws.errors import AWSError
from chalicelib.aws.retries import Clock, Retries, timeouts

MAX_ENTRIES = 10
"""How many entries a request may have, for EventBridge and SQS alike."""

_BUDGET = 8.0

Entry = dict[str, Any]


class NotTaken(Exception):  # noqa: N818 - says what has become of the entries
    """A service has not taken some of the entries; the message says how many, and why."""


class Refusal(NamedTuple):
    """Why an entry of a batch was refused; `is_final` if it would be again."""

    code: str
    is_final: bool


class BatchClient:
    """Calls one service, and tries again for up to `budget` seconds.

    `around` may put something before what sends the signed requests, and `clock` replace time: both
    are for tests. The client is made when it is first used.
    """

    def __init__(
        self,
        service: Service,
        *,
        budget: float = _BUDGET,
        clock: Clock = Clock(),  # noqa: B008 - it is immutable
        around: Callable[[Send], Send] = lambda send: send,
    ) -> None:
        self._service = service
        self._budget = budget
        self._clock = clock
        self._around = around
        self._client: Client | None = None

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the response of an operation that may be repeated. Raises AWSError."""
        return self._call(operation, parameters, self._retries())

    def send(
        self,
        operation: str,
        entries: Sequence[Entry],
        parameters: Callable[[list[Entry]], Mapping[str, Any]],
        refusals: Callable[[Mapping[str, Any]], Mapping[int, Refusal]],
    ) -> None:
        """Send `entries` in one request, and those that are refused again, until all are taken.

        `parameters` makes the request of entries; `refusals` finds in a response those that were
        refused, by their place in the request. Raises AWSError and NotTaken.
        """
        retries, left = self._retries(), list(entries)
        while left:
            refused = refusals(self._call(operation, parameters(left), retries))
            total, left = len(left), [left[place] for place in sorted(refused)]
            is_final = any(refusal.is_final for refusal in refused.values())
            if left and (is_final or not retries.wait()):
                codes = ", ".join(sorted({refusal.code for refusal in refused.values()}))
                raise NotTaken(f"{operation} did not take {len(left)} of {total} entries: {codes}.")

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _retries(self) -> Retries:
        return Retries(self._budget, self._clock)

    def _call(
        self, operation: str, parameters: Mapping[str, Any], retries: Retries
    ) -> dict[str, Any]:
        if self._client is None:
            config = configuration(self._service.name)
            self._client = Client(self._service, config, timeouts(self._budget), self._around)
        while True:
            try:
                return self._client.call(operation, parameters)
            except AWSError as error:
                if not error.is_transient or not retries.wait():
                    raise
