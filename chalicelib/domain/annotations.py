"""Reading annotations of fields: the type under the constraints, and the constraints."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from msgspec import Meta, UnsetType


def bare_type(hint: Any) -> Any:  # noqa: ANN401 - an annotation
    """Return the type under an annotation's constraints and its `| UnsetType`, `| None`."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    choices = [arg for arg in get_args(hint) if arg not in {UnsetType, type(None)}]
    is_optional = len(choices) == 1 and len(get_args(hint)) > 1 and get_origin(hint) is not dict
    return bare_type(choices[0]) if is_optional else hint


def is_optional(hint: Any) -> bool:  # noqa: ANN401 - an annotation
    """Return whether the annotation allows a field to be absent (UNSET)."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return UnsetType in get_args(hint)


def metas(hint: Any) -> Iterator[Meta]:  # noqa: ANN401 - an annotation
    """Yield the constraints in an annotation, the outermost first."""
    if get_origin(hint) is Annotated:
        yield from (meta for meta in reversed(hint.__metadata__) if isinstance(meta, Meta))
        yield from metas(get_args(hint)[0])
    elif get_origin(hint) not in {list, dict}:
        for choice in get_args(hint):
            yield from metas(choice)


def extra(hint: Any, name: str) -> Any:  # noqa: ANN401 - an annotation
    """Return what the outermost constraint with `extra[name]` says, None if there is none."""
    return next(
        (meta.extra[name] for meta in metas(hint) if meta.extra and name in meta.extra), None
    )
