"""Answers: what each status of an operation carries."""

from collections.abc import Callable, Iterable
from typing import Any, get_args

from chalicelib.domain.errors import Problem
from chalicelib.domain.idempotency import Created
from chalicelib.domain.model import Order, User
from chalicelib.domain.pagination import OrderList, UserList
from chalicelib.openapi.described import Described
from chalicelib.openapi.examples import example_of, problem_example, sample_of
from chalicelib.openapi.headers import cache_control, field
from chalicelib.openapi.links import links_from
from chalicelib.openapi.schemas import Schemas
from chalicelib.web.application import PROBLEM_TYPE
from chalicelib.web.problem_details import Kind, ProblemDetails
from chalicelib.web.responses import JSON, PUBLIC, REVALIDATED, UNKEPT, Lasting, Superseded, Text

Response = dict[str, Any]


def _representation(one: Described, schemas: Schemas) -> dict[str, Response]:
    noun = one.body.__name__.lower()
    text = f"The {noun}{'' if one.method == 'GET' else ', as it is now'}."
    found = {"200": _answer(text, REVALIDATED, field("ETag"), _json(one, schemas))}
    if one.is_conditional_read:
        text = f"The {noun} is still the one that If-None-Match names."
        found["304"] = _answer(text, REVALIDATED, field("ETag"), None)
    return found


def _page(one: Described, schemas: Schemas) -> dict[str, Response]:
    headers = field("Link", "NextPage")
    return {"200": _answer("A page of the list.", UNKEPT, headers, _json(one, schemas))}


def _created(one: Described, schemas: Schemas) -> dict[str, Response]:
    headers = {
        **field("Location"),
        **field("ETag"),
        **field("Idempotent-Replayed", "IdempotentReplayed"),
    }
    return {"201": _answer("What was created.", UNKEPT, headers, _json(one, schemas))}


def _nothing(*_: object) -> dict[str, Response]:
    return {"204": _answer("Done; there is nothing to show.", UNKEPT, {}, None)}


def _text(one: Described, _: Schemas) -> dict[str, Response]:
    media_types = get_args(one.body)
    headers = field("Content-Security-Policy") if "text/html" in media_types else {}
    content = {name: {"schema": {"type": "string"}} for name in media_types}
    return {"200": _answer("The file.", PUBLIC, headers, content)}


def _lasting(one: Described, schemas: Schemas) -> dict[str, Response]:
    headers: dict[str, Any] = {}
    if one.sort is Superseded:
        headers = {**field("Deprecation"), **field("Link", "Successor")}
    return {"200": _answer("The answer.", PUBLIC, headers, _json(one, schemas))}


def _passing(one: Described, schemas: Schemas) -> dict[str, Response]:
    return {"200": _answer("The answer.", UNKEPT, {}, _json(one, schemas))}


# As `answers.answer` does: by what a view returns.
_BY_SORT: dict[Any, Callable[[Described, Schemas], dict[str, Response]]] = {
    User: _representation,
    Order: _representation,
    UserList: _page,
    OrderList: _page,
    Created: _created,
    None: _nothing,
    Text: _text,
    Lasting: _lasting,
    Superseded: _lasting,
}


def responses(
    one: Described,
    operations: Iterable[Described],
    schemas: Schemas,
    shared: dict[str, Response],
) -> dict[str, Response]:
    """Return every answer of an operation, by its status; `shared` gets what it refers to."""
    found = _BY_SORT.get(one.sort, _passing)(one, schemas)
    links = links_from(one.body, operations)
    if links and one.method != "DELETE":
        next(iter(found.values()))["links"] = links
    for status, kinds in one.problems.items():
        # The same problems are answered in many places, and described in one.
        name = "Or".join(problem.__name__ for problem in kinds.values())
        shared[name] = _problem(kinds, schemas)
        found[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(found.items()))


def _json(one: Described, schemas: Schemas) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": schemas.of(one.body)}
    example = example_of(one.body)
    if example is not None:
        media["example"] = example
    return {JSON: media}


def _answer(
    text: str, kept: str, headers: dict[str, Any], content: dict[str, Any] | None
) -> Response:
    answer: Response = {
        "description": text,
        "headers": {**field("x-request-id", "RequestId"), **cache_control(kept), **headers},
    }
    if content is not None:
        answer["content"] = content
    return answer


def _problem(kinds: dict[Kind, type[BaseException]], schemas: Schemas) -> Response:
    """Return the answer for problems that share a status."""
    headers: dict[str, Any] = {}
    for problem in kinds.values():
        sample = sample_of(problem)
        for name in sample.headers if isinstance(sample, Problem) else ():
            headers |= field(name)
    types = sorted(kind.type for kind in kinds)
    # Beside the reference, for whoever checks; generators of clients look at the reference alone.
    schema = {**schemas.of(ProblemDetails), "properties": {"type": {"enum": types}}}
    examples = {
        kind.name: {"summary": kind.title, "value": problem_example(problem)}
        for kind, problem in kinds.items()
    }
    text = "\n\n".join(f"**{kind.title}**: {kind.explanation}" for kind in kinds)
    if len(kinds) == 1:
        (kind,) = kinds
        text = kind.explanation
    content = {PROBLEM_TYPE: {"schema": schema, "examples": examples}}
    return _answer(text, UNKEPT, headers, content)
