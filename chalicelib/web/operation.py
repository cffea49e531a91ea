"""Operations: what the declaration of a route's handler says, found out once.

A handler is given its arguments by their annotations:

- path parameters, by their names in the path: the annotation's `extra` names the NotFound problem
  for a value that does not match its pattern (see `domain.fields.id_field`),
- an `Input`: the JSON body,
- a `PageQuery`: the query parameters of a list,
- `Caller`: who sent the request,
- `ExpectedVersions`: the versions that If-Match names,
- `IdempotencyKey | None`: the Idempotency-Key,
- `RoutePath`, `BasePath`: the route's path, and what stands before the API's paths,
- `Request`: Chalice's own, for what is not described here.

What it may return is described in `responses`.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, NewType, get_args, get_origin

from chalice.app import Request
from msgspec import Struct

from chalicelib.domain.annotations import extra, metas
from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import NotFound, Problem
from chalicelib.domain.idempotency import IdempotencyKey
from chalicelib.domain.pagination import PageQuery
from chalicelib.domain.resource import ExpectedVersions, Input
from chalicelib.domain.storage import Page
from chalicelib.security.permissions import Access
from chalicelib.web.media import PROBLEM_JSON

Handler = Callable[..., Any]

RoutePath = NewType("RoutePath", str)
BasePath = NewType("BasePath", str)

JSON_TYPES = ("application/json",)
MERGE_PATCH_TYPES = ("application/merge-patch+json", "application/json")

_PATH_PARAMETER = re.compile(r"{(\w+)}")


class Source(Enum):
    """Where an argument comes from, beside path parameters."""

    BODY = auto()
    QUERY = auto()
    CALLER = auto()
    VERSIONS = auto()
    KEY = auto()
    ROUTE_PATH = auto()
    BASE_PATH = auto()
    REQUEST = auto()


# Pairs, since not every annotation can be hashed.
_SOURCES: tuple[tuple[Any, Source], ...] = (
    (Caller, Source.CALLER),
    (ExpectedVersions, Source.VERSIONS),
    (IdempotencyKey | None, Source.KEY),
    (RoutePath, Source.ROUTE_PATH),
    (BasePath, Source.BASE_PATH),
    (Request, Source.REQUEST),
)
_BASE_CLASSES: Mapping[type[Struct], Source] = {Input: Source.BODY, PageQuery: Source.QUERY}


class PathParameter(Struct, frozen=True):
    """A parameter in the path: its annotation, and the problem of a value that does not match."""

    hint: Any
    pattern: re.Pattern[str] | None
    not_found: type[NotFound]

    def check(self, value: str) -> None:
        """Raise the parameter's not_found for a malformed value, before storage sees it."""
        if self.pattern is not None and not self.pattern.fullmatch(value):
            raise self.not_found


class Operation:
    """What a route does for its methods.

    `raises` lists the problems that follow neither from the arguments nor from the access;
    `error_type` is the media type of its errors. Raises TypeError for an argument that nothing
    supplies, and for a Page without its query.
    """

    def __init__(
        self,
        handler: Handler,
        path: str,
        access: Access,
        raises: tuple[type[Problem], ...] = (),
        error_type: str = PROBLEM_JSON,
    ) -> None:
        self.handler = handler
        self.path = path
        self.access = access
        self.raises = raises
        self.error_type = error_type
        code = handler.__code__
        hints = {
            name: handler.__annotations__.get(name)
            for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        }
        names = _PATH_PARAMETER.findall(path)
        self.path_parameters = {
            name: _path_parameter(handler, name, hints.get(name)) for name in names
        }
        self.arguments = {
            name: (_source(handler, name, hint), hint)
            for name, hint in hints.items()
            if name not in names
        }
        returned = handler.__annotations__["return"]
        # `Created[User]` is a `Created` of a `User`.
        origin: object = get_origin(returned)
        self.result: Any = origin or returned
        self.content: Any = get_args(returned)[0] if get_args(returned) else returned
        if origin is Page and self.hint(Source.QUERY) is None:
            raise TypeError(f"{handler.__name__} returns a Page and needs a PageQuery.")

    def hint(self, source: Source) -> Any:  # noqa: ANN401 - an annotation
        """Return the annotation of the argument that comes from `source`, None without one."""
        return next((hint for own, hint in self.arguments.values() if own is source), None)


def _source(handler: Handler, name: str, hint: Any) -> Source:  # noqa: ANN401 - an annotation
    for known, source in _SOURCES:
        if hint == known:
            return source
    for base, source in _BASE_CLASSES.items():
        if isinstance(hint, type) and issubclass(hint, base):
            return source
    raise TypeError(f"Nothing supplies the argument {name!r} of {handler.__name__}: {hint}.")


def _path_parameter(handler: Handler, name: str, hint: Any) -> PathParameter:  # noqa: ANN401
    not_found = extra(hint, "not_found")
    if not_found is None:
        raise TypeError(
            f"The path parameter {name!r} of {handler.__name__} needs an annotation with a"
            " not_found in its `extra`."
        )
    patterns = [meta.pattern for meta in metas(hint) if meta.pattern is not None]
    return PathParameter(hint, re.compile(patterns[0]) if patterns else None, not_found)
