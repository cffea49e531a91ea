"""The ids that another system, such as an identity provider, has for what it keeps here."""

from typing import Annotated

from msgspec import Meta

from chalicelib.domain.errors import Conflict
from chalicelib.domain.fields import rule


class ExternalIdTaken(Conflict):
    """Another resource of the same kind has the external id."""

    name = "external-id-taken"
    title = "External id taken"
    explanation = "Each external id belongs to one user or to one group; its case matters."
    detail = "This external_id belongs to another one already; look that one up, or send another."


ExternalId = Annotated[
    str,
    Meta(
        # In Python, unlike ECMAScript, $ also matches before a line feed at the end.
        pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,255}$(?!\n)",
        description="The identity provider's own id; unique, and its case matters.",
        examples=["00u1a2b3c4D5e6F7g8h9"],
        extra=rule("a string of 1 to 255 characters, without control characters"),
    ),
]
