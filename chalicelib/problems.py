"""Every way in which a request can fail, and what its client is told (RFC 9457).

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
from typing import Annotated, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

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


class Kind(NamedTuple):
    """What stays the same for every occurrence of one sort of problem."""

    name: str
    status: int
    title: str
    explanation: str

    @property
    def type(self) -> str:
        """The URI reference that identifies the sort and can be looked up."""
        return f"/problems/{self.name}"


KINDS: dict[type[BaseException], Kind] = {
    BadRequest: Kind(
        "bad-request",
        400,
        "Bad request",
        "The request cannot be understood. The detail says which part of it to change.",
    ),
    MalformedJSON: Kind(
        "malformed-json",
        400,
        "Malformed JSON",
        "The body must be one JSON object in UTF-8, each member named once, without NaN or"
        " Infinity, nested no deeper than the documented shape.",
    ),
    InvalidParameter: Kind(
        "invalid-parameter",
        400,
        "Invalid parameter",
        "A query parameter or a header has a value that cannot be used, or came twice.",
    ),
    InvalidCursor: Kind(
        "invalid-cursor",
        400,
        "Invalid cursor",
        "A cursor leads on only in the list, with the filters and in the order that it was made"
        " for, exactly as it was given.",
    ),
    Unauthenticated: Kind(
        "unauthenticated",
        401,
        "Authentication needed",
        "The route needs a bearer token (RFC 6750) that is current and made for this API.",
    ),
    Forbidden: Kind(
        "forbidden",
        403,
        "Not permitted",
        "The token is good, but its bearer may not do this.",
    ),
    NotFound: Kind("not-found", 404, "Not found", "There is nothing under this path."),
    UserNotFound: Kind(
        "user-not-found",
        404,
        "User not found",
        "No user has this id, or it is not the caller's to see.",
    ),
    OrderNotFound: Kind(
        "order-not-found",
        404,
        "Order not found",
        "The user has no order with this id, or it is not the caller's to see.",
    ),
    ServiceNotFound: Kind(
        "service-not-found", 404, "Service not found", "No route of the API has this path."
    ),
    MethodNotAllowed: Kind(
        "method-not-allowed",
        405,
        "Method not allowed",
        "The path exists for other methods; the Allow header names them.",
    ),
    Conflict: Kind(
        "conflict", 409, "Conflict", "The request does not fit the present state of the thing."
    ),
    EmailTaken: Kind(
        "email-taken",
        409,
        "E-mail address taken",
        "Each e-mail address belongs to one user, whatever its case.",
    ),
    UserSuspended: Kind(
        "user-suspended",
        409,
        "User suspended",
        "A suspended user cannot order until an administrator makes it active again.",
    ),
    UserHasOpenOrders: Kind(
        "user-has-open-orders",
        409,
        "User has open orders",
        "A user can be deleted once each of its orders is delivered or cancelled.",
    ),
    IllegalTransition: Kind(
        "illegal-transition",
        409,
        "Illegal transition",
        "An order goes from pending to paid, shipped and delivered, and can be cancelled while it"
        " is pending or paid. The detail names the steps that are open now.",
    ),
    VersionMismatch: Kind(
        "version-mismatch",
        412,
        "Version mismatch",
        "None of the entity tags in If-Match is the present one (RFC 9110), so nothing was"
        " changed.",
    ),
    ContentTooLarge: Kind(
        "content-too-large", 413, "Content too large", "A body may have at most 64 KiB."
    ),
    UnsupportedMediaType: Kind(
        "unsupported-media-type",
        415,
        "Unsupported media type",
        "Bodies are read as application/json and, for PATCH, application/merge-patch+json.",
    ),
    Invalid: Kind(
        "invalid-body",
        422,
        "Invalid body",
        "The body is JSON, but members of it are missing, unknown, read-only, of the wrong type"
        " or out of range. 'errors' names each by JSON Pointer (RFC 6901).",
    ),
    KeyReused: Kind(
        "idempotency-key-reused",
        422,
        "Idempotency key reused",
        "An Idempotency-Key stands for one request; another request needs a key of its own.",
    ),
    TooManyRequests: Kind(
        "too-many-requests",
        429,
        "Too many requests",
        "API Gateway limits how many requests a second it lets through. The same request can be"
        " sent again a little later.",
    ),
    GatewayTimeout: Kind(
        "gateway-timeout",
        504,
        "Gateway timeout",
        "API Gateway stopped waiting for the answer. A request that changes something may have"
        " been carried out; with an Idempotency-Key it can be sent again without harm.",
    ),
    Unavailable: Kind(
        "unavailable",
        503,
        "Service unavailable",
        "Storage did not answer in time. Sending the same request again is safe where it is"
        " idempotent or carries an Idempotency-Key.",
    ),
    Exception: Kind(
        "internal-error",
        500,
        "Internal server error",
        "Something failed on our side; quote the request_id when you ask for help.",
    ),
}

_KINDS_BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS.values()}

_FAULT = "Something failed on our side; quote the request_id when you ask for help."


ProblemName = Annotated[
    str,
    Meta(
        description="The last part of a problem's `type`.",
        examples=["email-taken"],
    ),
]


class ProblemDetails(Struct, frozen=True, rename={"kind": "type"}):
    """The body of every error answer (RFC 9457 §3)."""

    kind: Annotated[
        str,
        Meta(description="Tells sorts of problems apart; GET it for an explanation of the sort."),
    ]
    title: Annotated[str, Meta(description="The sort of problem in a few words.")]
    status: Annotated[int, Meta(ge=400, le=599, description="The answer's status again.")]
    detail: Annotated[str, Meta(description="A sentence that says what to change.")]
    message: Annotated[str, Meta(description="The same as `detail`.")]
    request_id: Annotated[str, Meta(description="The same as x-request-id: quote it for help.")]
    errors: (
        Annotated[
            tuple[FieldError, ...],
            Meta(description="Every offending member of the body, where there are any."),
        ]
        | UnsetType
    ) = UNSET


class Explanation(Struct, frozen=True, rename={"kind": "type"}):
    """What a sort of problem means, for whoever looks up its `type`."""

    kind: Annotated[str, Meta(description="The `type` of its answers.")]
    name: ProblemName
    status: Annotated[int, Meta(ge=400, le=599, description="The status of its answers.")]
    title: Annotated[str, Meta(description="The sort of problem in a few words.")]
    explanation: Annotated[str, Meta(description="What it means, and what to do.")]


def kind_of(error: BaseException) -> Kind:
    """Return the sort of problem that `error` is: its own or its nearest ancestor's."""
    return next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)


def explain(name: str) -> Explanation:
    """Return what the sort of problem called `name` means. Raises NotFound."""
    kind = _KINDS_BY_NAME.get(name)
    if kind is None:
        raise NotFound("There is no problem of this name.")
    return Explanation(kind.type, *kind)


def describe(error: Exception, request_id: str) -> ProblemDetails:
    """Return what the client is told of `error`."""
    kind = kind_of(error)
    detail = error.detail if isinstance(error, Problem) else _FAULT
    errors = error.errors if isinstance(error, Problem) else ()
    return ProblemDetails(
        kind=kind.type,
        title=kind.title,
        status=kind.status,
        detail=detail,
        message=detail,
        request_id=request_id,
        errors=errors or UNSET,
    )
