"""Responses: what each status of an operation carries."""

import re
from collections.abc import Callable, Iterable
from types import GenericAlias
from typing import Any, get_args

import msgspec

from chalicelib.domain.errors import Problem
from chalicelib.domain.idempotency import Created, Done
from chalicelib.domain.storage import Page
from chalicelib.openapi.examples import Examples, problem_example
from chalicelib.openapi.headers import cache_control, field
from chalicelib.openapi.links import links_from
from chalicelib.openapi.operation_spec import OperationSpec
from chalicelib.openapi.schemas import Schemas
from chalicelib.web.media import JSON, NO_STORE, PROBLEM_JSON, PUBLIC, REVALIDATE
from chalicelib.web.pagination import NextCursor, collection
from chalicelib.web.problem_details import ProblemDetails, type_of
from chalicelib.web.responses import Cacheable, Deprecated, Text

Response = dict[str, Any]


class Responses:
    """The responses of operations, which lead on to the operations in `specs`.

    Problems of one status are described once, in `components`.
    """

    def __init__(
        self, specs: Iterable[OperationSpec], schemas: Schemas, examples: Examples
    ) -> None:
        self.components: dict[str, Response] = {}
        self._specs = specs
        self._schemas = schemas
        self._examples = examples
        # As `web.responses.respond` does: by what a handler returns.
        self._by_result: dict[Any, Callable[[OperationSpec], dict[str, Response]]] = {
            Page: self._page,
            Created: self._created,
            Done: self._done,
            None: self._nothing,
            Text: self._text,
            Cacheable: self._cacheable,
            Deprecated: self._deprecated,
        }

    def of(self, spec: OperationSpec) -> dict[str, Response]:
        """Return every response of an operation, by its status."""
        default = self._representation if spec.is_representation else self._plain
        found = self._by_result.get(spec.operation.result, default)(spec)
        links = links_from(spec, self._specs)
        if links:
            next(iter(found.values()))["links"] = links
        for status, problems in spec.problems.items():
            name = "Or".join(problem.__name__ for problem in problems)
            self.components[name] = self._problem(problems)
            found[str(status)] = {"$ref": f"#/components/responses/{name}"}
        return dict(sorted(found.items()))

    def _representation(self, spec: OperationSpec) -> dict[str, Response]:
        noun = _words(spec.operation.content.__name__)
        is_read = spec.method == "GET"
        text = f"The {noun}{'' if is_read else ', as it is now'}."
        caching = REVALIDATE if is_read else NO_STORE
        found = {"200": _response(text, caching, field("ETag"), self._json(spec))}
        if spec.is_conditional_read:
            text = f"The {noun} is still the one that If-None-Match names."
            found["304"] = _response(text, REVALIDATE, field("ETag"), None)
        return found

    def _page(self, spec: OperationSpec) -> dict[str, Response]:
        entity, name = spec.operation.content, collection(spec.path)
        shape = msgspec.defstruct(
            f"{entity.__name__}List",
            [(name, GenericAlias(list, entity)), ("next_cursor", NextCursor)],
            namespace={"__doc__": f"A page of the list of {name}."},
        )
        example = {name: [self._examples.of(entity)], "next_cursor": None}
        content = {JSON: {"schema": self._schemas.of(shape), "example": example}}
        headers = field("Link", "NextPage")
        return {"200": _response("A page of the list.", NO_STORE, headers, content)}

    def _created(self, spec: OperationSpec) -> dict[str, Response]:
        headers = {
            **field("Location"),
            **field("ETag"),
            **field("Idempotent-Replayed", "IdempotentReplayed"),
        }
        return {"201": _response("What was created.", NO_STORE, headers, self._json(spec))}

    def _done(self, spec: OperationSpec) -> dict[str, Response]:
        headers = field("Idempotent-Replayed", "IdempotentReplayed")
        return {"200": _response("What was done.", NO_STORE, headers, self._json(spec))}

    def _nothing(self, _: OperationSpec) -> dict[str, Response]:
        return {"204": _response("Done; there is nothing to show.", NO_STORE, {}, None)}

    def _text(self, spec: OperationSpec) -> dict[str, Response]:
        media_types = get_args(spec.operation.content)
        headers = field("Content-Security-Policy") if "text/html" in media_types else {}
        content = {name: {"schema": {"type": "string"}} for name in media_types}
        return {"200": _response("The file.", PUBLIC, headers, content)}

    def _cacheable(self, spec: OperationSpec) -> dict[str, Response]:
        return {"200": _response("The response.", PUBLIC, {}, self._json(spec))}

    def _deprecated(self, spec: OperationSpec) -> dict[str, Response]:
        headers = {**field("Deprecation"), **field("Link", "Successor")}
        return {"200": _response("The response.", PUBLIC, headers, self._json(spec))}

    def _plain(self, spec: OperationSpec) -> dict[str, Response]:
        return {"200": _response("The response.", NO_STORE, {}, self._json(spec))}

    def _json(self, spec: OperationSpec) -> dict[str, Any]:
        media: dict[str, Any] = {"schema": self._schemas.of(spec.operation.content)}
        example = self._examples.of(spec.operation.content)
        if example is not None:
            media["example"] = example
        return {JSON: media}

    def _problem(self, problems: list[type[Problem]]) -> Response:
        """Return the response for problems that share a status."""
        headers: dict[str, Any] = {}
        for problem in problems:
            for name in problem.example().headers:
                headers |= field(name)
        types = sorted(type_of(problem) for problem in problems)
        # Beside the reference, for validators; generators of clients look at the reference alone.
        schema = {**self._schemas.of(ProblemDetails), "properties": {"type": {"enum": types}}}
        examples = {
            problem.name: {"summary": problem.title, "value": problem_example(problem)}
            for problem in problems
        }
        text = "\n\n".join(f"**{problem.title}**: {problem.explanation}" for problem in problems)
        if len(problems) == 1:
            text = problems[0].explanation
        content = {PROBLEM_JSON: {"schema": schema, "examples": examples}}
        return _response(text, NO_STORE, headers, content)


def _words(name: str) -> str:
    """Return the words of a class's name, such as "webhook with secret"."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def _response(
    text: str, caching: str, headers: dict[str, Any], content: dict[str, Any] | None
) -> Response:
    response: Response = {
        "description": text,
        "headers": {**field("x-request-id", "RequestId"), **cache_control(caching), **headers},
    }
    if content is not None:
        response["content"] = content
    return response
