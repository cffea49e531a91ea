"""What clients are told of each problem: one table, from exception to RFC 9457's details."""

from typing import Annotated, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain.errors import (
    BadRequest,
    Conflict,
    ContentTooLarge,
    CreationUndone,
    EmailTaken,
    FieldError,
    Forbidden,
    GatewayTimeout,
    IllegalTransition,
    Invalid,
    InvalidCursor,
    InvalidParameter,
    KeyReused,
    MalformedJSON,
    MethodNotAllowed,
    NotFound,
    OrderNotFound,
    Problem,
    ServiceNotFound,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    UserHasOpenOrders,
    UserNotFound,
    UserSuspended,
    VersionMismatch,
)


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
    CreationUndone: Kind(
        "creation-undone",
        410,
        "Creation undone",
        "An Idempotency-Key creates once. What this one created has been deleted, and its first"
        " answer with it, so the request is neither repeated nor replayed.",
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
        extra_json_schema={"enum": sorted(_KINDS_BY_NAME)},
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
