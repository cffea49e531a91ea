"""One operation of the API, as its declaration shows it: what it takes, and how it can fail."""

import inspect
from functools import cached_property
from typing import Any, get_args, get_origin

from chalicelib.domain.errors import (
    ContentTooLarge,
    CreationUndone,
    Forbidden,
    Invalid,
    InvalidCursor,
    InvalidParameter,
    KeyReused,
    MalformedJSON,
    OrderNotFound,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    UserNotFound,
    VersionMismatch,
)
from chalicelib.domain.idempotency import Created
from chalicelib.domain.model import Order, User
from chalicelib.security.permissions import Admits
from chalicelib.web.application import Operation
from chalicelib.web.problem_details import KINDS, Kind
from chalicelib.web.responses import Lasting, Superseded, Text

_BY_PARAMETER: dict[str, tuple[type[Exception], ...]] = {
    "user_id": (UserNotFound,),
    "order_id": (OrderNotFound,),
    "body": (MalformedJSON, ContentTooLarge, UnsupportedMediaType, Invalid),
    "query": (InvalidParameter,),
    "versions": (InvalidParameter, VersionMismatch),
    "key": (InvalidParameter, CreationUndone, KeyReused),
}
_BY_ADMISSION: dict[Admits, tuple[type[Exception], ...]] = {
    Admits.EVERYBODY: (),
    # Whoever must be known comes for what storage keeps, and storage may not answer.
    Admits.SELF: (Unauthenticated, Unavailable),
    Admits.ADMINISTRATORS: (Unauthenticated, Forbidden, Unavailable),
}


_SORTS: tuple[Any, ...] = (Created, Lasting, Superseded, Text)


class Described:
    """The operation that `method` and `path` lead to."""

    def __init__(self, method: str, path: str, operation: Operation, *, shared: bool) -> None:
        self.method = method
        self.path = path
        self.operation = operation
        self.hints = {k: v for k, v in operation.view.__annotations__.items() if k != "return"}
        returned = operation.view.__annotations__["return"]
        # `Created[User]` is an answer of the sort `Created` whose body is a `User`.
        self.sort: Any = get_origin(returned) or returned
        self.body: Any = get_args(returned)[0] if self.sort in _SORTS else returned
        self._shared = shared

    @property
    def id(self) -> str:
        """The operationId: the view's name, with the path's end where views are shared."""
        words = self.operation.view.__name__.split("_")
        if self._shared:
            words += self.path.rpartition("/")[2].split("-")
        return words[0] + "".join(word.capitalize() for word in words[1:])

    @property
    def texts(self) -> tuple[str, str]:
        """The summary and the description that the view's docstring holds."""
        summary, _, description = (inspect.getdoc(self.operation.view) or "").partition("\n\n")
        return summary.removesuffix("."), description

    @property
    def is_conditional_read(self) -> bool:
        """Whether If-None-Match counts."""
        return self.method == "GET" and self.sort in {User, Order}

    @cached_property
    def problems(self) -> dict[int, dict[Kind, type[BaseException]]]:
        """The sorts of problems that it can answer, by status."""
        raised = [*self.operation.raises, *_BY_ADMISSION[self.operation.admits]]
        for name in self.hints:
            raised += _BY_PARAMETER.get(name, ())
        if "cursor" in getattr(self.hints.get("query"), "__struct_fields__", ()):
            raised.append(InvalidCursor)
        if self.is_conditional_read:
            raised.append(InvalidParameter)
        if Unavailable in raised:
            raised.append(Exception)
        found: dict[int, dict[Kind, type[BaseException]]] = {}
        for problem in KINDS:
            if problem in raised:
                found.setdefault(KINDS[problem].status, {})[KINDS[problem]] = problem
        return dict(sorted(found.items()))
