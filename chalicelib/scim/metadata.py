"""What the resources have in common: versions, times, and which attributes are asked for."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from scim2_models import Meta, ResponseParameters

from chalicelib.domain.pagination import PageQuery
from chalicelib.domain.resource import Entity, ExpectedVersions, Input
from chalicelib.domain.storage import Page
from chalicelib.web.validation import decode_body

ItemT = TypeVar("ItemT")

_PAGE = 1000
"""How many entities are read at once: more than a client of the REST API gets."""
# Neither NUL nor half of a surrogate pair, which JSON can write and UTF-8 cannot.
_STORABLE = re.compile("[^\\0\\ud800-\\udfff]{1,255}")


def is_storable(value: object) -> bool:
    """Return whether a value that a filter compares with can be one of an indexed attribute."""
    return isinstance(value, str) and bool(_STORABLE.fullmatch(value))


def meta(resource_type: str, entity: Entity) -> Meta:
    """Return `meta` of an entity."""
    return Meta(
        resource_type=resource_type,
        created=datetime.fromisoformat(entity.created_at),
        last_modified=datetime.fromisoformat(entity.updated_at),
        version=f'W/"{entity.version}"',
    )


def versions(tag: str | None) -> ExpectedVersions:
    """Return the version in an entity tag that `meta` made, any without a tag."""
    if tag is None:
        return None
    found = re.search("[0-9]+", tag)
    return frozenset({int(found[0])} if found else ())


def every(read: Callable[[Any], Page[ItemT]], query: PageQuery) -> Iterator[ItemT]:
    """Yield what all pages of a list hold, the oldest first."""
    query = msgspec.structs.replace(query, limit=_PAGE, order="asc")
    while True:
        page = read(query)
        yield from page.items
        if page.position is None:
            return
        query = msgspec.structs.replace(query, cursor=page.position)


def validated(values: dict[str, Any], shape: type[Input]) -> Any:  # noqa: ANN401 - of the shape
    """Return `values` as a `shape`. Raises Invalid with everything that is wrong."""
    return decode_body(msgspec.json.encode(values), shape)


def asks_for(parameters: ResponseParameters[Any] | None, attribute: str) -> bool:
    """Return whether a response has an attribute that is returned by default (RFC 7644 §3.9)."""
    if parameters is None:
        return True
    if parameters.attributes:
        return any(_names(str(path), attribute) for path in parameters.attributes)
    return not any(
        str(path).rpartition(":")[2].lower() == attribute
        for path in parameters.excluded_attributes or ()
    )


def _names(path: str, attribute: str) -> bool:
    return path.rpartition(":")[2].lower().partition(".")[0] == attribute
