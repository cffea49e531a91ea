"""How a request to AWS fails.

AWSError
├── NoResponse      no complete response: it is unknown whether the request was carried out
└── ServiceError    the service refused the request, or failed
"""

from collections.abc import Mapping
from typing import Any

_SERVER_ERRORS = 500
_TOO_MANY_REQUESTS = 429

# Beside statuses 5xx and 429, what every service may answer while it is busy.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
BUSY = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


class AWSError(Exception):
    """A request to AWS failed. `is_transient` says whether it may succeed a moment later."""

    is_transient: bool


class NoResponse(AWSError):  # noqa: N818 - says what there is not
    """No complete response arrived."""

    is_transient = True


class ServiceError(AWSError):
    """The service responded with an error.

    `code` is the error's name, such as ``ValidationException``, `members` is the whole body, and
    `request_id` is what AWS's support asks for.
    """

    def __init__(
        self, operation: str, status: int, code: str, request_id: str, members: Mapping[str, Any]
    ) -> None:
        text = members.get("message") or members.get("Message") or "no message"
        super().__init__(f"{operation}: {code}: {text} (status {status}, request {request_id})")
        self.status = status
        self.code = code
        self.request_id = request_id
        self.members = members
        is_busy = status >= _SERVER_ERRORS or status == _TOO_MANY_REQUESTS
        self.is_transient = is_busy or code in BUSY
