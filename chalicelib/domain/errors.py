"""Every way in which a request can fail; `problem_details` has what its client is told.

Problem
├── BadRequest                  the request cannot be read
│   ├── MalformedJSON
│   ├── InvalidParameter            a query parameter or a header with a bad value
│   └── InvalidCursor
├── Unauthenticated
├── Forbidden
├── NotFound
│   ├── UserNotFound
│   ├── OrderNotFound
│   └── ServiceNotFound             no route has the path
├── MethodNotAllowed
├── Conflict                    the request does not fit the present state
│   ├── EmailTaken
│   ├── UserSuspended
│   ├── UserHasOpenOrders
│   └── IllegalTransition
├── CreationUndone              what the Idempotency-Key created has been deleted
├── VersionMismatch
├── ContentTooLarge
├── UnsupportedMediaType
├── Invalid                     the request can be read, but its members break the rules
│   ├── TooManyPairs
│   └── KeyReused
├── TooManyRequests             the gateway lets no more requests through for now
├── GatewayTimeout              the gateway stopped waiting for the answer
└── Unavailable                 storage does not answer in time; trying again is safe

Anything else that is raised is a fault of ours: a 500 that says nothing of its cause.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta, Struct

_NAMED_ERRORS = 5


class FieldError(Struct, frozen=True):
    """One offending member: a JSON Pointer (RFC 6901) into the body, and what to change."""

    pointer: Annotated[
        str,
        Meta(
            description="Where in the body the member is: a JSON Pointer (RFC 6901).",
            examples=["/items/0/quantity"],
        ),
    ]
    detail: Annotated[
        str,
        Meta(description="What to change.", examples=["Must be a whole number from 1 to 10,000."]),
    ]


class Problem(Exception):  # noqa: N818 - RFC 9457 calls these problems
    """The request fails; `detail` is a sentence for the client that says what to change."""

    detail = "The request failed."
    errors: tuple[FieldError, ...] = ()

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.detail)
        if detail is not None:
            self.detail = detail

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the answer carries beside the body."""
        return {}


class BadRequest(Problem):
    """The request cannot be read."""

    detail = "The request cannot be read."


class MalformedJSON(BadRequest):
    """The body is no JSON object (RFC 8259)."""

    detail = "The body must be a JSON object in UTF-8 (RFC 8259)."


class InvalidParameter(BadRequest):
    """A query parameter or header that the API knows has a value that it cannot use."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"'{name}' must be {rule}.")


class InvalidCursor(BadRequest):
    """The cursor was not made for this list, its filters and its order, or was altered."""

    detail = (
        "The cursor does not belong to this list: use 'next_cursor' as it was given, with the"
        " same path, filters and order, or start again without a cursor."
    )


class Unauthenticated(Problem):
    """No caller is known."""

    detail = (
        "Send 'Authorization: Bearer <token>' with a current token for this API: it was missing,"
        " malformed, expired or made for another service."
    )

    @property
    def headers(self) -> Mapping[str, str]:
        """The challenge of RFC 6750 §3."""
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class Forbidden(Problem):
    """The caller is known and may not do this."""

    detail = "Only an administrator may do this."


class NotFound(Problem):
    """The thing asked for does not exist, or not for this caller."""

    detail = "There is nothing here."


class UserNotFound(NotFound):
    """There is no such user, or the caller may not know of it."""

    detail = "There is no user with this id."


class OrderNotFound(NotFound):
    """The user has no such order, or the caller may not know of it."""

    detail = "This user has no order with this id."


class ServiceNotFound(NotFound):
    """No route has this path."""

    detail = "Service not found"


class MethodNotAllowed(Problem):
    """The path exists for other methods only (RFC 9110 §15.5.6)."""

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allow = ", ".join(sorted(allowed))
        super().__init__(f"This path does not take {method}; it takes {self.allow}.")

    @property
    def headers(self) -> Mapping[str, str]:
        """The methods that the path takes."""
        return {"Allow": self.allow}


class Conflict(Problem):
    """The request does not fit the present state."""

    detail = "The request does not fit the present state."


class EmailTaken(Conflict):
    """Another user has the e-mail address, in this or another case."""

    detail = "Another user has this e-mail address; choose another one."


class UserSuspended(Conflict):
    """A suspended user cannot order."""

    detail = "The user is suspended and cannot order; an administrator can make it active again."


class UserHasOpenOrders(Conflict):
    """A user with open orders cannot be deleted."""

    detail = "The user has open orders; wait until each is delivered or cancelled, then delete."


class IllegalTransition(Conflict):
    """The order is in `current`, which the asked step may not leave; nothing was changed."""

    def __init__(self, current: str, allowed: Iterable[str] = ()) -> None:
        self.current = current
        steps = " or ".join(f"'{step}'" for step in allowed)
        rest = f"it can become {steps}" if steps else "no step leads on from there"
        super().__init__(f"The order is '{current}': {rest}.")


class CreationUndone(Problem):
    """The Idempotency-Key created something that has been deleted since; nothing is created."""

    detail = (
        "What this Idempotency-Key created has been deleted since, so nothing was created now; to"
        " create it anew, send a new key."
    )


class VersionMismatch(Problem):
    """The thing has changed since the client read it (RFC 9110 §13.1.1)."""

    detail = "It has changed since you read it: get it again, and send its new ETag in If-Match."


class ContentTooLarge(Problem):
    """The body is longer than the API reads."""

    detail = "The body is too large; send at most 64 KiB."


class UnsupportedMediaType(Problem):
    """The body is not in a format that the route reads."""

    def __init__(self, accepted: Iterable[str]) -> None:
        super().__init__(f"Send the body with Content-Type: {' or '.join(accepted)}.")


class Invalid(Problem):
    """The body can be read, but members of it break the rules; `errors` lists each of them."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        shown, rest = self.errors[:_NAMED_ERRORS], self.errors[_NAMED_ERRORS:]
        places = ", ".join(error.pointer or "the body" for error in shown)
        more = f" and {len(rest)} more" if rest else ""
        super().__init__(f"Correct {places}{more}: 'errors' says how.")


class TooManyPairs(Invalid):
    """The change would leave more pairs of metadata than a thing may have."""

    def __init__(self) -> None:
        super().__init__([FieldError("/metadata", "Must be an object of at most 50 pairs.")])


class KeyReused(Invalid):
    """The Idempotency-Key came before, with another request."""

    def __init__(self) -> None:
        Problem.__init__(
            self,
            "This Idempotency-Key was used for another request; send a new key with a new request.",
        )


class TooManyRequests(Problem):
    """More requests come than the gateway lets through."""

    detail = "Too many requests are being sent; send this one again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """When to try again, in seconds."""
        return {"Retry-After": "1"}


class GatewayTimeout(Problem):
    """The gateway stopped waiting; nobody knows whether the request was carried out."""

    detail = (
        "No answer came in time, and the request may have been carried out: look before you send"
        " it again, or send it with an Idempotency-Key."
    )


class Unavailable(Problem):
    """Storage does not answer in time; the same request may be sent again."""

    detail = "The service is busy; send the same request again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """When to try again, in seconds."""
        return {"Retry-After": "1"}
