"""One operation of the API, as its declaration shows it: its texts, and how it can fail."""

import inspect
from collections.abc import Iterable
from functools import cached_property

from chalicelib.domain.errors import (
    ContentTooLarge,
    CreationUndone,
    Forbidden,
    InternalError,
    Invalid,
    InvalidCursor,
    InvalidParameter,
    KeyReused,
    MalformedJSON,
    Problem,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    VersionMismatch,
    problem_types,
)
from chalicelib.domain.resource import Entity
from chalicelib.domain.storage import Page
from chalicelib.security.permissions import Access
from chalicelib.web.operation import Operation, Source

_BY_SOURCE: dict[Source, tuple[type[Problem], ...]] = {
    Source.BODY: (MalformedJSON, ContentTooLarge, UnsupportedMediaType, Invalid),
    Source.QUERY: (InvalidParameter, InvalidCursor),
    Source.VERSIONS: (InvalidParameter, VersionMismatch),
    Source.KEY: (InvalidParameter, CreationUndone, KeyReused),
}
_BY_ACCESS: dict[Access, tuple[type[Problem], ...]] = {
    Access.PUBLIC: (),
    # Whatever needs a caller needs storage, which may be unavailable.
    Access.OWNER: (Unauthenticated, Unavailable),
    Access.ADMINISTRATORS: (Unauthenticated, Forbidden, Unavailable),
}


class OperationSpec:
    """The operation for `method` and `path`; `shared` if its handler has other paths too."""

    def __init__(self, method: str, path: str, operation: Operation, *, shared: bool) -> None:
        self.method = method
        self.path = path
        self.operation = operation
        self._shared = shared

    @property
    def id(self) -> str:
        """The operationId: the handler's name, and the end of the path if handlers are shared."""
        words = self.operation.handler.__name__.split("_")
        if self._shared:
            words += self.path.rpartition("/")[2].split("-")
        return words[0] + "".join(word.capitalize() for word in words[1:])

    @property
    def texts(self) -> tuple[str, str]:
        """The summary and the description in the handler's docstring."""
        docstring = inspect.getdoc(self.operation.handler) or ""
        summary, _, description = docstring.partition("\n\n")
        return summary.removesuffix("."), description

    @property
    def is_representation(self) -> bool:
        """Whether the response shows one entity."""
        result = self.operation.result
        return isinstance(result, type) and issubclass(result, Entity)

    @property
    def is_collection(self) -> bool:
        """Whether the response is a page of entities."""
        content = self.operation.content
        is_page = self.operation.result is Page
        return is_page and isinstance(content, type) and issubclass(content, Entity)

    @property
    def is_conditional_read(self) -> bool:
        """Whether If-None-Match counts."""
        return self.method == "GET" and self.is_representation

    @cached_property
    def problems(self) -> dict[int, list[type[Problem]]]:
        """The problems that it can respond with, by status."""
        raised = set(self._raised())
        if Unavailable in raised:
            raised.add(InternalError)
        found: dict[int, list[type[Problem]]] = {}
        for problem in problem_types():
            if problem in raised:
                found.setdefault(problem.status, []).append(problem)
        return dict(sorted(found.items()))

    def _raised(self) -> Iterable[type[Problem]]:
        yield from self.operation.raises
        yield from _BY_ACCESS[self.operation.access]
        for parameter in self.operation.path_parameters.values():
            yield parameter.not_found
        for source, _ in self.operation.arguments.values():
            yield from _BY_SOURCE.get(source, ())
        if self.is_conditional_read:
            yield InvalidParameter
