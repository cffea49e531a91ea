"""Arguments of handlers, read from requests."""

from collections.abc import Callable
from typing import Any, cast

from chalice.app import Request
from msgspec import Struct

from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import (
    ContentTooLarge,
    InvalidParameter,
    MalformedJSON,
    UnsupportedMediaType,
)
from chalicelib.domain.idempotency import MAX_KEY_LENGTH, IdempotencyKey
from chalicelib.web.conditional import if_match
from chalicelib.web.operation import JSON_TYPES, MERGE_PATCH_TYPES, Operation, Source
from chalicelib.web.pagination import Pagination
from chalicelib.web.paths import base_path, resource_path
from chalicelib.web.validation import decode_body

MAX_BODY_BYTES = 64 * 1024

Reader = Callable[[Request, Caller | None], Any]


def readers(operation: Operation, pagination: Pagination) -> list[tuple[str, Reader]]:
    """Return the names of the operation's arguments, each with what reads it from a request."""
    return [
        (name, _reader(source, hint, operation, pagination))
        for name, (source, hint) in operation.arguments.items()
    ]


def _reader(source: Source, hint: Any, operation: Operation, pagination: Pagination) -> Reader:  # noqa: ANN401
    by_source: dict[Source, Reader] = {
        Source.BODY: lambda request, _: _read_body(request, hint),
        Source.QUERY: lambda request, _: pagination.read(request, hint, operation.content),
        Source.CALLER: lambda _, caller: caller,
        Source.VERSIONS: lambda request, _: if_match(request.headers.get("if-match")),
        Source.KEY: _read_key,
        Source.ROUTE_PATH: lambda request, _: request.path,
        Source.BASE_PATH: lambda request, _: base_path(request),
        Source.REQUEST: lambda request, _: request,
    }
    return by_source[source]


def _read_body(request: Request, shape: type[Struct]) -> Struct:
    accepted = MERGE_PATCH_TYPES if request.method == "PATCH" else JSON_TYPES
    media_type = request.headers.get("content-type") or accepted[0]
    if media_type.partition(";")[0].strip().lower() not in accepted:
        raise UnsupportedMediaType(accepted)
    try:
        raw = cast("bytes", request.raw_body)
    except ValueError:
        raise MalformedJSON from None
    if len(raw) > MAX_BODY_BYTES:
        raise ContentTooLarge
    return decode_body(raw, shape)


def _read_key(request: Request, caller: Caller | None) -> IdempotencyKey | None:
    key = request.headers.get("idempotency-key")
    if key is None or caller is None:
        return None
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise InvalidParameter("Idempotency-Key", f"1 to {MAX_KEY_LENGTH} characters long")
    return IdempotencyKey(caller.subject, key, resource_path(request))
