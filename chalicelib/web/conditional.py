"""Conditional requests (RFC 9110 §13): entity tags, If-Match and If-None-Match."""

import re
from typing import Annotated

from msgspec import Meta

from chalicelib.domain.errors import InvalidParameter
from chalicelib.domain.resource import ExpectedVersions

# RFC 9110 §8.8.3: etagc is any visible character except the double quote.
# Compiled on first use: few requests are conditional, and compiling slows down cold starts.
_ENTITY_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"'
_TAG_LIST = rf"[ \t]*(?:{_ENTITY_TAG}[ \t]*(?:,[ \t]*|$)|,[ \t]*)*"
_MAX_TAGS = 100

EntityTags = Annotated[
    str,
    Meta(
        pattern=r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*"){0,99})$',
        description="Entity tags from ETag, or *.",
        examples=['"1"'],
    ),
]
_RULE = 'an entity tag from ETag, such as "3", a list of up to 100 of them, or *'
_VERSION_TAG = re.compile(r"[1-9][0-9]{0,15}")


def entity_tag(version: int) -> str:
    """Return the strong entity tag of a representation."""
    return f'"{version}"'


def if_match(header: str | None) -> ExpectedVersions:
    """Return the versions that the header allows, or None for any (no header, or ``*``).

    Weak tags never match (§13.1.1). Raises InvalidParameter if the header is malformed.
    """
    if header is None or header.strip() == "*":
        return None
    return frozenset(
        int(tag)
        for weak, tag in _tags("If-Match", header)
        if not weak and _VERSION_TAG.fullmatch(tag)
    )


def if_none_match(header: str, version: int) -> bool:
    """Whether the header has the tag of this version, by weak comparison (§13.1.2).

    Raises InvalidParameter if the header is malformed.
    """
    if header.strip() == "*":
        return True
    return any(tag == str(version) for _, tag in _tags("If-None-Match", header))


def _tags(name: str, header: str) -> list[tuple[str, str]]:
    """Return the weakness and the opaque tag of each list element (RFC 9110 §5.6.1)."""
    if not re.fullmatch(_TAG_LIST, header):
        raise InvalidParameter(name, _RULE)
    tags = re.findall(_ENTITY_TAG, header)
    if not 0 < len(tags) <= _MAX_TAGS:
        raise InvalidParameter(name, _RULE)
    return tags
