"""Validation of bodies and query parameters.

A value is decoded and validated in one step, as fast as msgspec is. Only if that fails is each
member validated by itself, so that the response names everything that is wrong.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from chalicelib.domain.annotations import bare_type, extra, metas
from chalicelib.domain.errors import FieldError, Invalid, InvalidParameter, MalformedJSON
from chalicelib.domain.resource import read_only_fields

Shape = TypeVar("Shape", bound=Struct)

# The deepest body is an order, whose items are three levels down; one level more is still reported
# as a member of the wrong type.
_MAX_DEPTH = 4

_MAX_DIGITS = 9


def decode_body(raw: bytes, shape: type[Shape]) -> Shape:
    """Return the JSON object `raw` as a `shape`.

    Raises MalformedJSON if it is not an object, names a member twice (RFC 8259 §4 leaves open what
    that means) or is nested too deep, and Invalid with every invalid member.
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
        found = list(_field_errors(value, shape, ""))
        raise Invalid(found or [FieldError("", str(error))]) from None


def convert_parameters(values: Mapping[str, Sequence[str]] | None, shape: type[Shape]) -> Shape:
    """Return query parameters as a `shape`; unknown ones are ignored.

    Raises InvalidParameter for a known one that was sent twice or has an invalid value.
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
    """Return the annotation of each member; cached, since it takes long."""
    return get_type_hints(shape, include_extras=True)


@cache
def _required(shape: type[Struct]) -> frozenset[str]:
    """Return the names of the members that may not be left out."""
    return frozenset(field.name for field in msgspec.structs.fields(shape) if field.required)


@cache
def _numbers(shape: type[Struct]) -> frozenset[str]:
    """Return the names of the members that are whole numbers."""
    return frozenset(name for name, hint in _hints(shape).items() if bare_type(hint) is int)


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


def _field_errors(value: Any, hint: Any, pointer: str) -> Iterator[FieldError]:  # noqa: ANN401 - JSON
    """Yield the errors of `value` and its members."""
    bare = bare_type(hint)
    if isinstance(bare, type) and issubclass(bare, Struct) and isinstance(value, dict):
        yield from _member_errors(value, bare, pointer)
    elif _has_parts(bare, value) and _fits_length(value, hint):
        (*_, part) = get_args(bare)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in pairs:
            place = f"{pointer}/{_escaped(key)}"
            if isinstance(value, dict) and not _converts(key, get_args(bare)[0]):
                yield _field_error(place, get_args(bare)[0])
            else:
                yield from _field_errors(member, part, place)
    elif not _converts(value, hint):
        yield _field_error(pointer, hint)


def _member_errors(
    value: dict[str, Any], shape: type[Struct], pointer: str
) -> Iterator[FieldError]:
    hints = _hints(shape)
    for name, hint in hints.items():
        if name in value:
            yield from _field_errors(value[name], hint, f"{pointer}/{name}")
        elif name in _required(shape):
            yield FieldError(f"{pointer}/{name}", f"Is required: {_rule(hint)}.")
    for name in value.keys() - hints.keys():
        is_read_only = name in read_only_fields()
        reason = "Is set by the server" if is_read_only else "Is not a known member"
        yield FieldError(f"{pointer}/{_escaped(name)}", f"{reason}; leave it out.")


def _has_parts(bare: object, value: object) -> bool:
    origin = get_origin(bare)
    return origin in {list, dict} and isinstance(value, origin)


def _fits_length(value: Any, hint: Any) -> bool:  # noqa: ANN401 - JSON and its annotation
    low = max((meta.min_length or 0 for meta in metas(hint)), default=0)
    high = min((meta.max_length or len(value) for meta in metas(hint)), default=len(value))
    return bool(low <= len(value) <= high)


def _rule(hint: Any) -> str:  # noqa: ANN401 - an annotation
    return str(extra(hint, "rule") or "a string")


def _field_error(pointer: str, hint: Any) -> FieldError:  # noqa: ANN401 - an annotation
    return FieldError(pointer, f"Must be {_rule(hint)}.")


def _converts(value: Any, hint: Any) -> bool:  # noqa: ANN401 - JSON
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True


def _escaped(key: str | int) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
