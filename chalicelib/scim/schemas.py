"""What the SCIM service says of itself: schemas, resource types, and the capabilities that work.

Only attributes that are kept are declared (RFC 7643 §7): one e-mail address, no password, no
enterprise extension. Other attributes in requests are ignored, as identity providers send many.
"""

from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    External,
    Filter,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    Returned,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)

MAX_RESULTS = 200
MAX_BULK_OPERATIONS = 100
MAX_BODY_BYTES = 1024 * 1024


class Name(ComplexAttribute):
    """The parts of a user's name."""

    formatted: Annotated[str | None, Mutability.read_only, Returned.request] = None
    """The full name, which is the same as displayName."""

    family_name: str | None = None
    """The family name."""

    given_name: str | None = None
    """The given name."""


class Email(ComplexAttribute):
    """The user's e-mail address."""

    value: Annotated[str | None, Required.true] = None
    """The address (RFC 5321)."""

    type: str | None = Field(None, examples=["work"])
    """Always work."""


class GroupMembership(ComplexAttribute):
    """A group that a user belongs to."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The id of the group."""

    ref: Annotated[Reference["Group"] | None, Mutability.read_only] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URL of the group."""

    display: Annotated[str | None, Mutability.read_only] = None
    """The name of the group."""

    type: Annotated[str | None, Mutability.read_only] = Field(None, examples=["direct"])
    """Always direct: groups have no groups as members."""


class User(Resource[Any]):
    """A user account."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The name that identifies the user: the e-mail address, or another one."""

    name: Name | None = None
    """The parts of the name."""

    display_name: Annotated[str | None, Required.true] = None
    """The full name. Where it is left out, the server takes name.formatted, or makes it of the
    other names."""

    active: Annotated[bool | None, Required.true] = None
    """Whether the user can act; a user that is not active is suspended. A new user is active where
    it is left out."""

    emails: Annotated[list[Email] | None, Required.true] = None
    """The e-mail address, which is unique. Of several, the primary one is kept. Where it is left
    out, userName is the address."""

    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None
    """The groups that the user is a member of; change a group's members instead."""


class GroupMember(ComplexAttribute):
    """A member of a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true, Required.true] = None
    """The id of the user."""

    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URL of the user."""

    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])
    """Always User."""


class Group(Resource[Any]):
    """A group of users."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The name of the group, which is unique."""

    members: list[GroupMember] | None = None
    """The users in the group."""


def provider() -> ScimProvider:
    """Return the description of the service."""
    return ScimProvider(
        models=[User, Group],
        config=ServiceProviderConfig(
            patch=Patch(supported=True),
            bulk=Bulk(
                supported=True,
                max_operations=MAX_BULK_OPERATIONS,
                max_payload_size=MAX_BODY_BYTES,
            ),
            filter=Filter(supported=True, max_results=MAX_RESULTS),
            change_password=ChangePassword(supported=False),
            sort=Sort(supported=False),
            etag=ETag(supported=True),
            authentication_schemes=[
                AuthenticationScheme(
                    type=AuthenticationScheme.Type.oauthbearertoken,
                    name="OAuth Bearer Token",
                    description="A token of an administrator (RFC 6750).",
                    spec_uri=Reference[External]("https://www.rfc-editor.org/rfc/rfc6750"),
                    primary=True,
                )
            ],
        ),
        policy=ScimPolicy(
            unknown=ScimPolicy.Unknown.ignore,
            # As Microsoft Entra ID does it.
            remove_value_as_filter=ScimPolicy.RemoveValue.apply,
            unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
        ),
    )
