"""Every way in which a request can fail, declared whole: problem details (RFC 9457) by class.

Problem
├── BadRequest                  the request cannot be read
│   ├── MalformedJSON
│   ├── InvalidParameter            a query parameter or a header with a bad value
│   └── InvalidCursor
├── Unauthenticated
├── Forbidden
├── NotFound                    each resource has its own below this one
│   └── ServiceNotFound             no route has the path
├── MethodNotAllowed
├── Conflict                    the request does not fit the current state; resources add their own
├── CreationUndone              what the Idempotency-Key created has been deleted
├── VersionMismatch
├── ContentTooLarge
├── UnsupportedMediaType
├── Invalid                     the request can be read, but members of its body break the rules
│   └── TooManyPairs
├── KeyReused                   the Idempotency-Key came with another request before
├── TooManyRequests             the gateway's limit is reached
├── InternalError               a fault of the server
├── Unavailable                 storage does not respond in time; retrying is safe
└── GatewayTimeout              the gateway stopped waiting for the response

A class without a `name` of its own is a special case of its base class, and described like it.
Any other exception is described as a fault of the server, without its cause.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Self

from msgspec import Meta, Struct

_LISTED_POINTERS = 5


class FieldError(Struct, frozen=True):
    """An invalid member: a JSON Pointer (RFC 6901) into the body, and what to change."""

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
    """The request fails.

    `name`, `status`, `title` and `explanation` are the same for every occurrence: the last part of
    the problem's `type`, the HTTP status, and texts for people. `detail` tells the client in one
    sentence what to change.
    """

    name: str
    status: int
    title: str
    explanation: str
    detail: str
    errors: tuple[FieldError, ...] = ()

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.detail)
        if detail is not None:
            self.detail = detail

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers of this problem."""
        return {}

    @classmethod
    def example(cls) -> Self:
        """Return an occurrence to document the problem with."""
        return cls()


def problem_types(base: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Yield each class that declares a problem of its own, base classes first."""
    for cls in base.__subclasses__():
        if "name" in vars(cls):
            yield cls
        yield from problem_types(cls)


class BadRequest(Problem):
    """The request cannot be read."""

    name = "bad-request"
    status = 400
    title = "Bad request"
    explanation = "The request cannot be understood. The detail says which part of it to change."
    detail = "The request cannot be read."


class MalformedJSON(BadRequest):
    """The body is not a JSON object (RFC 8259)."""

    name = "malformed-json"
    title = "Malformed JSON"
    explanation = (
        "The body must be one JSON object in UTF-8, with each member named once, without NaN or"
        " Infinity, and nested no deeper than the documented shape."
    )
    detail = "The body must be a JSON object in UTF-8 (RFC 8259)."


class InvalidParameter(BadRequest):
    """A known query parameter or header has an invalid value."""

    name = "invalid-parameter"
    title = "Invalid parameter"
    explanation = "A query parameter or a header has an invalid value, or was sent more than once."

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"'{name}' must be {rule}.")

    @classmethod
    def example(cls) -> Self:
        """Return the problem of a page that is too large."""
        return cls("limit", "a whole number from 1 to 100")


class InvalidCursor(BadRequest):
    """The cursor was changed, or made for another list, other filters or another sort order."""

    name = "invalid-cursor"
    title = "Invalid cursor"
    explanation = (
        "A cursor is valid only for the list, the filters and the sort order that it was made for."
    )
    detail = (
        "The cursor does not belong to this list: use 'next_cursor' as it was given, with the"
        " same path, filters and order, or start again without a cursor."
    )


class Unauthenticated(Problem):
    """The caller is unknown."""

    name = "unauthenticated"
    status = 401
    title = "Authentication needed"
    explanation = "The route needs a bearer token (RFC 6750) that is current and made for this API."
    detail = (
        "Send 'Authorization: Bearer <token>' with a current token for this API: it was missing,"
        " malformed, expired or made for another service."
    )

    @property
    def headers(self) -> Mapping[str, str]:
        """The challenge of RFC 6750 §3."""
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class Forbidden(Problem):
    """The caller is known, and not allowed to do this."""

    name = "forbidden"
    status = 403
    title = "Not permitted"
    explanation = "The token is good, but its bearer may not do this."
    detail = "Only an administrator may do this."


class NotFound(Problem):
    """The resource does not exist, or not for this caller."""

    name = "not-found"
    status = 404
    title = "Not found"
    explanation = "There is nothing under this path."
    detail = "There is nothing here."


class ServiceNotFound(NotFound):
    """No route has this path."""

    name = "service-not-found"
    title = "Service not found"
    explanation = "No route of the API has this path."
    detail = "Service not found"


class MethodNotAllowed(Problem):
    """The path exists, but not for this method (RFC 9110 §15.5.6)."""

    name = "method-not-allowed"
    status = 405
    title = "Method not allowed"
    explanation = "The path exists for other methods; the Allow header lists them."

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allow = ", ".join(sorted(allowed))
        super().__init__(f"This path does not take {method}; it takes {self.allow}.")

    @property
    def headers(self) -> Mapping[str, str]:
        """The methods of the path."""
        return {"Allow": self.allow}

    @classmethod
    def example(cls) -> Self:
        """Return the problem of a resource that cannot be changed."""
        return cls("PUT", ("GET", "HEAD"))


class Conflict(Problem):
    """The request does not fit the current state."""

    name = "conflict"
    status = 409
    title = "Conflict"
    explanation = "The request does not fit the current state of the resource."
    detail = "The request does not fit the current state."


class CreationUndone(Problem):
    """What the Idempotency-Key created has been deleted since; nothing is created."""

    name = "creation-undone"
    status = 410
    title = "Creation undone"
    explanation = (
        "An Idempotency-Key creates once. What this one created has been deleted, and its first"
        " response with it, so the request is neither repeated nor replayed."
    )
    detail = (
        "What this Idempotency-Key created has been deleted since, so nothing was created now; to"
        " create it again, send a new key."
    )


class VersionMismatch(Problem):
    """The resource has changed since the client read it (RFC 9110 §13.1.1)."""

    name = "version-mismatch"
    status = 412
    title = "Version mismatch"
    explanation = (
        "None of the entity tags in If-Match is the current one (RFC 9110), so nothing was changed."
    )
    detail = "It has changed since you read it: get it again, and send its new ETag in If-Match."


class ContentTooLarge(Problem):
    """The body is longer than the API reads."""

    name = "content-too-large"
    status = 413
    title = "Content too large"
    explanation = "A body may have at most 64 KiB."
    detail = "The body is too large; send at most 64 KiB."


class UnsupportedMediaType(Problem):
    """The route does not read bodies of this media type."""

    name = "unsupported-media-type"
    status = 415
    title = "Unsupported media type"
    explanation = (
        "Bodies are read as application/json and, for PATCH, application/merge-patch+json."
    )

    def __init__(self, accepted: Iterable[str]) -> None:
        super().__init__(f"Send the body with Content-Type: {' or '.join(accepted)}.")

    @classmethod
    def example(cls) -> Self:
        """Return the problem of a body that is not JSON."""
        return cls(("application/json",))


class Invalid(Problem):
    """Members of the body break the rules; `errors` lists each of them."""

    name = "invalid-body"
    status = 422
    title = "Invalid body"
    explanation = (
        "The body is JSON, but members of it are missing, unknown, read-only, of the wrong type"
        " or out of range. 'errors' names each by JSON Pointer (RFC 6901)."
    )

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        listed, rest = self.errors[:_LISTED_POINTERS], self.errors[_LISTED_POINTERS:]
        places = ", ".join(error.pointer or "the body" for error in listed)
        more = f" and {len(rest)} more" if rest else ""
        super().__init__(f"Correct {places}{more}: 'errors' says how.")

    @classmethod
    def example(cls) -> Self:
        """Return the problem of a member that is out of range."""
        return cls([FieldError("/items/0/quantity", "Must be a whole number from 1 to 10,000.")])


class TooManyPairs(Invalid):
    """The change would leave more pairs of metadata than a resource may have."""

    def __init__(self) -> None:
        super().__init__([FieldError("/metadata", "Must be an object of at most 50 pairs.")])


class KeyReused(Problem):
    """The Idempotency-Key came before, with another request."""

    name = "idempotency-key-reused"
    status = 422
    title = "Idempotency key reused"
    explanation = "An Idempotency-Key belongs to one request; another request needs its own key."
    detail = "This Idempotency-Key was used for another request; send a new key with a new request."


class TooManyRequests(Problem):
    """The gateway's limit of requests is reached."""

    name = "too-many-requests"
    status = 429
    title = "Too many requests"
    explanation = (
        "API Gateway limits the number of requests in a second. The same request can be retried a"
        " little later."
    )
    detail = "Too many requests are being sent; send this one again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """When to retry, in seconds."""
        return {"Retry-After": "1"}


class InternalError(Problem):
    """A fault of the server."""

    name = "internal-error"
    status = 500
    title = "Internal server error"
    explanation = "Something failed on our side; quote the request_id when you ask for help."
    detail = explanation


class Unavailable(Problem):
    """Storage does not respond in time; the same request can be retried."""

    name = "unavailable"
    status = 503
    title = "Service unavailable"
    explanation = (
        "Storage did not respond in time. Sending the same request again is safe where it is"
        " idempotent or has an Idempotency-Key."
    )
    detail = "The service is busy; send the same request again in a moment."

    @property
    def headers(self) -> Mapping[str, str]:
        """When to retry, in seconds."""
        return {"Retry-After": "1"}


class GatewayTimeout(Problem):
    """The gateway stopped waiting; it is unknown whether the request was carried out."""

    name = "gateway-timeout"
    status = 504
    title = "Gateway timeout"
    explanation = (
        "API Gateway stopped waiting for the response. A request that changes something may have"
        " been carried out; with an Idempotency-Key it can be sent again without harm."
    )
    detail = (
        "No response came in time, and the request may have been carried out: look before you send"
        " it again, or send it with an Idempotency-Key."
    )
