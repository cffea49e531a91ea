"""Types of fields that several resources share, with the rules that clients' values must follow.

The same annotations decode and validate bodies, word the errors, and describe the API in OpenAPI.
`extra` holds what JSON Schema has no word for: `rule` says in words what a value must be,
`read_only` marks what only the server sets, and `trim` what is kept without surrounding spaces.
"""

from typing import Annotated

from msgspec import Meta

from chalicelib.domain.errors import NotFound

MAX_PAIRS = 50
MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON client reads exactly (RFC 8259 §6)."""

# One printable line: surrounding white space is trimmed away before the text is kept.
_LINE = r"^\s*[^\s\x00-\x1f\x7f-\x9f](?:[^\x00-\x1f\x7f-\x9f]{0,198}[^\s\x00-\x1f\x7f-\x9f])?\s*$"


def id_field(prefix: str, noun: str, example: str, not_found: type[NotFound]) -> Meta:
    """Return the description of an id: `prefix` and 32 hexadecimal digits, such as `example`.

    A path with an id of another form, or of a resource that does not exist, is `not_found`.
    """
    return Meta(
        pattern=f"^{prefix}[0-9a-f]{{32}}$",
        description=f"The {noun}'s id; ids sort by creation time.",
        examples=[prefix + example],
        extra={"read_only": True, "prefix": prefix, "not_found": not_found},
    )


def rule(text: str) -> dict[str, str]:
    """Return the `extra` that says what a value must be."""
    return {"rule": text}


Line = Annotated[
    str,
    Meta(
        pattern=_LINE,
        description="One line of text; surrounding white space is trimmed.",
        examples=["Ann Example"],
        extra={
            "trim": True,
            "rule": "a string of 1 to 200 characters after trimming, without control characters",
        },
    ),
]
MetadataKey = Annotated[
    str, Meta(min_length=1, max_length=40, extra=rule("a key of 1 to 40 characters"))
]
MetadataValue = Annotated[
    str, Meta(max_length=500, extra=rule("a string of at most 500 characters"))
]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue],
    Meta(
        max_length=MAX_PAIRS,
        description="Up to 50 pairs for the client's own use.",
        examples=[{"team": "blue"}],
        extra=rule("an object of at most 50 pairs of strings"),
    ),
]
MetadataPatch = Annotated[
    dict[MetadataKey, MetadataValue | None],
    Meta(
        description="Pairs to set; a pair set to null is removed (RFC 7396).",
        examples=[{"team": "red", "floor": None}],
        extra=rule("an object of strings, or of null for each pair to remove"),
    ),
]
Timestamp = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        description="RFC 3339, UTC, with milliseconds.",
        examples=["2026-11-21T09:30:00.000Z"],
        extra={"read_only": True},
    ),
]
Version = Annotated[
    int,
    Meta(
        ge=1,
        description="Starts at 1 and grows by one with each accepted change; ETag carries it.",
        examples=[1],
        extra={"read_only": True},
    ),
]
