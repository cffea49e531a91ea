"""Bodies and query parameters: from what a client sent to a checked value.

The value is read and checked in one step, as fast as msgspec is. Only when that fails is every
member looked at by itself, so that the answer names all that is to be corrected.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, UnsetType

from chalicelib.domain.errors import FieldError, Invalid, InvalidParameter, MalformedJSON

Shape = TypeVar("Shape", bound=Struct)

# The deepest body is an order, whose items are three levels down; one level more is still told
# apart as a member of the wrong type.
_MAX_DEPTH = 4

_MAX_DIGITS = 9

SERVERS_OWN = frozenset(
    {"user_id", "order_id", "created_at", "updated_at", "version", "total", "message"}
)
"""The members that clients read but never send."""


def read_body(raw: bytes, shape: type[Shape]) -> Shape:
    """Return the JSON object `raw` as a `shape`.

    Raises MalformedJSON where it is none, has a member twice (RFC 8259 §4 leaves it open what that
    means) or is nested too deep, and Invalid with every offending member.
    """
    try:
        value = msgspec.json.decode(raw)
        # Without duplicates, both texts are the same up to the spelling of strings and numbers.
        plain = msgspec.json.format(raw, indent=-1) == msgspec.json.encode(value)
    except RecursionError:
        raise MalformedJSON("The body is nested too deep.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedJSON from None
    if not plain:
        json.loads(raw, object_pairs_hook=_refuse_duplicates)
    if not isinstance(value, dict):
        raise MalformedJSON
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        if _is_deeper(value, _MAX_DEPTH):
            raise MalformedJSON("The body is nested deeper than the documented shape.") from None
        found = list(_offences(value, shape, ""))
        raise Invalid(found or [FieldError("", str(error))]) from None


def read_parameters(values: Mapping[str, Sequence[str]] | None, shape: type[Shape]) -> Shape:
    """Return query parameters as a `shape`; unknown ones are ignored.

    Raises InvalidParameter for a known one that came twice or has a bad value.
    """
    known: dict[str, str | int] = {}
    numbers = _numbers(shape)
    for name in shape.__struct_fields__:
        given = values.get(name) if values else None
        if given:
            if len(given) > 1:
                raise InvalidParameter(name, "sent only once")
            (text,) = given
            is_number = name in numbers and text.isascii() and text.isdigit()
            known[name] = int(text) if is_number and len(text) <= _MAX_DIGITS else text
    try:
        return msgspec.convert(known, shape)
    except msgspec.ValidationError:
        hints = _hints(shape)
        for name, value in known.items():
            if not _converts(value, hints[name]):
                raise InvalidParameter(name, _rule(hints[name])) from None
        raise


@cache
def _hints(shape: type[Struct]) -> dict[str, Any]:
    """Return the annotation of each member, which takes long to find out."""
    return get_type_hints(shape, include_extras=True)


@cache
def _required(shape: type[Struct]) -> frozenset[str]:
    """Return the names of the members that may not be left out."""
    return frozenset(field.name for field in msgspec.structs.fields(shape) if field.required)


@cache
def _numbers(shape: type[Struct]) -> frozenset[str]:
    """Return the names of the members that are whole numbers."""
    return frozenset(name for name, hint in _hints(shape).items() if _bare(hint) is int)


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedJSON(f"The body names the member {json.dumps(twice)} more than once.")
    return members


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(member, levels - 1) for member in members)


def _offences(value: Any, hint: Any, pointer: str) -> Iterator[FieldError]:  # noqa: ANN401 - JSON
    """Yield what is wrong with `value` and its members."""
    bare = _bare(hint)
    if isinstance(bare, type) and issubclass(bare, Struct) and isinstance(value, dict):
        yield from _offending_members(value, bare, pointer)
    elif _has_parts(bare, value) and _fits_length(value, hint):
        (*_, part) = get_args(bare)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in pairs:
            place = f"{pointer}/{_escaped(key)}"
            if isinstance(value, dict) and not _converts(key, get_args(bare)[0]):
                yield _offence(place, get_args(bare)[0])
            else:
                yield from _offences(member, part, place)
    elif not _converts(value, hint):
        yield _offence(pointer, hint)


def _offending_members(
    value: dict[str, Any], shape: type[Struct], pointer: str
) -> Iterator[FieldError]:
    hints = _hints(shape)
    for name, hint in hints.items():
        if name in value:
            yield from _offences(value[name], hint, f"{pointer}/{name}")
        elif name in _required(shape):
            yield FieldError(f"{pointer}/{name}", f"Is required: {_rule(hint)}.")
    for name in value.keys() - hints.keys():
        reason = "Is set by the server" if name in SERVERS_OWN else "Is not a known member"
        yield FieldError(f"{pointer}/{_escaped(name)}", f"{reason}; leave it out.")


def _has_parts(bare: object, value: object) -> bool:
    origin = get_origin(bare)
    return origin in {list, dict} and isinstance(value, origin)


def _fits_length(value: Any, hint: Any) -> bool:  # noqa: ANN401 - JSON and its annotation
    low = max((meta.min_length or 0 for meta in _metas(hint)), default=0)
    high = min((meta.max_length or len(value) for meta in _metas(hint)), default=len(value))
    return bool(low <= len(value) <= high)


def _bare(hint: Any) -> Any:  # noqa: ANN401 - an annotation
    """Return the type under an annotation's constraints and its `| UNSET`, `| None`."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    choices = [arg for arg in get_args(hint) if arg not in {UnsetType, type(None)}]
    is_optional = len(choices) == 1 and len(get_args(hint)) > 1 and get_origin(hint) is not dict
    return _bare(choices[0]) if is_optional else hint


def _metas(hint: Any) -> Iterator[Meta]:  # noqa: ANN401 - an annotation
    """Yield the constraints in an annotation, the outermost first."""
    if get_origin(hint) is Annotated:
        yield from (meta for meta in reversed(hint.__metadata__) if isinstance(meta, Meta))
        yield from _metas(get_args(hint)[0])
    elif get_origin(hint) not in {list, dict}:
        for choice in get_args(hint):
            yield from _metas(choice)


def _rule(hint: Any) -> str:  # noqa: ANN401 - an annotation
    rules = (meta.extra["rule"] for meta in _metas(hint) if meta.extra and "rule" in meta.extra)
    return str(next(rules, "a string"))


def _offence(pointer: str, hint: Any) -> FieldError:  # noqa: ANN401 - an annotation
    return FieldError(pointer, f"Must be {_rule(hint)}.")


def _converts(value: Any, hint: Any) -> bool:  # noqa: ANN401 - JSON
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True


def _escaped(key: str | int) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
