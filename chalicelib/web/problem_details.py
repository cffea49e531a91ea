"""Problem details (RFC 9457), the body of error responses, and the problems explained.

Below `/scim/v2`, errors have the form of RFC 7644.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain.errors import FieldError, InternalError, NotFound, Problem, problem_types
from chalicelib.domain.resource import Resources


def _names(_: Resources) -> list[str]:
    return sorted(problem.name for problem in problem_types())


ProblemName = Annotated[
    str,
    Meta(
        description="The last part of a problem's `type`.",
        examples=["not-found"],
        extra={"not_found": NotFound, "choices": _names},
    ),
]


class ProblemDetails(Struct, frozen=True, rename={"kind": "type"}):
    """The body of every error response (RFC 9457 §3)."""

    kind: Annotated[
        str,
        Meta(description="Identifies the type of problem; GET it for an explanation."),
    ]
    title: Annotated[str, Meta(description="The type of problem in a few words.")]
    status: Annotated[int, Meta(ge=400, le=599, description="The status of the response.")]
    detail: Annotated[str, Meta(description="A sentence that says what to change.")]
    message: Annotated[str, Meta(description="The same as `detail`.")]
    request_id: Annotated[str, Meta(description="The same as x-request-id: quote it for help.")]
    errors: (
        Annotated[
            tuple[FieldError, ...],
            Meta(description="Every invalid member of the body, if there are any."),
        ]
        | UnsetType
    ) = UNSET


class Explanation(Struct, frozen=True, rename={"kind": "type"}):
    """What a type of problem means, for whoever looks up its `type`."""

    kind: Annotated[
        str, Meta(description="The `type` of the problem.", examples=["/problems/not-found"])
    ]
    name: ProblemName
    status: Annotated[
        int, Meta(ge=400, le=599, description="The status of its responses.", examples=[404])
    ]
    title: Annotated[
        str, Meta(description="The type of problem in a few words.", examples=["Not found"])
    ]
    explanation: Annotated[
        str,
        Meta(
            description="What it means, and what to do.",
            examples=["There is nothing under this path."],
        ),
    ]


def type_of(problem: type[Problem]) -> str:
    """Return the URI reference that identifies the type of problem and can be looked up."""
    return f"/problems/{problem.name}"


def explain(name: str) -> Explanation:
    """Return what the type of problem called `name` means. Raises NotFound."""
    problem = next((problem for problem in problem_types() if problem.name == name), None)
    if problem is None:
        raise NotFound("There is no problem of this name.")
    return Explanation(
        type_of(problem), problem.name, problem.status, problem.title, problem.explanation
    )


def as_problem(error: Exception) -> Problem:
    """Return the problem that clients see of `error`; an unexpected one shows nothing."""
    return error if isinstance(error, Problem) else InternalError()


def scim_error(problem: Problem) -> dict[str, object]:
    """Return the SCIM error of a problem (RFC 7644 §3.12)."""
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": str(problem.status),
        "detail": problem.detail,
    }


def describe(error: Exception, request_id: str) -> ProblemDetails:
    """Return the problem details of `error`."""
    problem = as_problem(error)
    return ProblemDetails(
        kind=type_of(type(problem)),
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        message=problem.detail,
        request_id=request_id,
        errors=problem.errors or UNSET,
    )
