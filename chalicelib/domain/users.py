"""Users: representation, inputs, rules, and the service that applies them."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import Conflict, Forbidden, NotFound
from chalicelib.domain.external_ids import ExternalId, ExternalIdTaken
from chalicelib.domain.fields import Line, Metadata, MetadataPatch, id_field, rule
from chalicelib.domain.history import HistoryEntry
from chalicelib.domain.idempotency import Created, IdempotencyKey
from chalicelib.domain.pagination import ListQuery, PageQuery
from chalicelib.domain.resource import Entity, ExpectedVersions, Input, Resource, Unique
from chalicelib.domain.service import ResourceService
from chalicelib.domain.storage import Page

# RFC 5321 §4.1.2 (dot-string local part) and §4.5.3.1 (64, 255 and, for the path, 254 octets).
# In Python, unlike ECMAScript, $ also matches before a line feed at the end: hence $(?!\n).
_EMAIL = (
    r"^(?=.{3,254}$)(?=[^@]{1,64}@)"
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$(?!\n)"
)

# What only administrators may set or remove.
_ADMINISTRATED = ("status", "user_name", "external_id")


class UserNotFound(NotFound):
    """There is no such user, or the caller must not know about it."""

    name = "user-not-found"
    title = "User not found"
    explanation = "No user has this id, or the caller is not allowed to see it."
    detail = "There is no user with this id."


class EmailTaken(Conflict):
    """Another user has the e-mail address, in this or another case."""

    name = "email-taken"
    title = "E-mail address taken"
    explanation = "Each e-mail address belongs to one user, whatever its case."
    detail = "Another user has this e-mail address; choose another one."


class UserNameTaken(Conflict):
    """Another user has the user name, in this or another case."""

    name = "user-name-taken"
    title = "User name taken"
    explanation = "Each user name belongs to one user, whatever its case."
    detail = "Another user has this user_name; choose another one."


UserId = Annotated[str, id_field("usr_", "user", "019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d", UserNotFound)]
Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=_EMAIL,
        description="Unique without regard to case, kept as given (RFC 5321).",
        examples=["ann@example.com"],
        extra_json_schema={"format": "email"},
        extra=rule(
            "an e-mail address such as ann@example.com: at most 64 characters before the @,"
            " 254 in all, and a domain name in its ASCII form"
        ),
    ),
]
UserStatus = Annotated[
    Literal["active", "suspended"],
    Meta(
        title="UserStatus",
        description="A suspended user keeps its data but cannot order.",
        extra=rule("'active' or 'suspended'"),
    ),
]
UserName = Annotated[
    Line,
    Meta(
        description=(
            "What an identity provider calls the user where it is not the e-mail address; unique"
            " without regard to case."
        ),
        examples=["ann.example"],
    ),
]
GivenName = Annotated[Line, Meta(description="The given name.", examples=["Ann"])]
FamilyName = Annotated[Line, Meta(description="The family name.", examples=["Example"])]


class User(Entity, frozen=True):
    """A user as clients read it."""

    user_id: UserId
    name: Line
    email: Email
    status: UserStatus
    metadata: Metadata
    user_name: UserName | UnsetType = UNSET
    external_id: ExternalId | UnsetType = UNSET
    given_name: GivenName | UnsetType = UNSET
    family_name: FamilyName | UnsetType = UNSET


class UserCreated(User, frozen=True, kw_only=True):
    """A new user, and the message that legacy clients read."""

    message: Annotated[Literal["User created"], Meta(extra={"read_only": True})] = "User created"


class NewUser(Input, frozen=True):
    """The body of a request that creates a user."""

    name: Line
    email: Email
    metadata: Metadata = {}
    status: UserStatus = "active"
    user_name: UserName | UnsetType = UNSET
    external_id: ExternalId | UnsetType = UNSET
    given_name: GivenName | UnsetType = UNSET
    family_name: FamilyName | UnsetType = UNSET


class UserReplacement(Input, frozen=True):
    """The body of a request that replaces a user.

    Absent metadata is emptied. Other members that are absent are kept, so that a client that does
    not know of them cannot cut a user off from its identity provider; null removes them.
    """

    name: Line
    email: Email
    metadata: Metadata = {}
    status: UserStatus | UnsetType = UNSET
    user_name: UserName | UnsetType | None = UNSET
    external_id: ExternalId | UnsetType | None = UNSET
    given_name: GivenName | UnsetType | None = UNSET
    family_name: FamilyName | UnsetType | None = UNSET


class UserPatch(Input, frozen=True):
    """The body of a request that changes the named members of a user (RFC 7396)."""

    name: Line | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    metadata: MetadataPatch | UnsetType | None = UNSET
    status: UserStatus | UnsetType = UNSET
    user_name: UserName | UnsetType | None = UNSET
    external_id: ExternalId | UnsetType | None = UNSET
    given_name: GivenName | UnsetType | None = UNSET
    family_name: FamilyName | UnsetType | None = UNSET


class UserListQuery(ListQuery, frozen=True, kw_only=True):
    """The query parameters of the list of users."""

    email: Annotated[
        Email | None, Meta(description="Only the user with this address, in any case.")
    ] = None
    user_name: Annotated[
        UserName | None, Meta(description="Only the user with this user name, in any case.")
    ] = None
    external_id: Annotated[
        ExternalId | None, Meta(description="Only the user with this external id.")
    ] = None
    status: Annotated[UserStatus | None, Meta(description="Only users with this status.")] = None


USERS = Resource(
    "users",
    User,
    description="Create, read, change, list and delete them.",
    unique=(
        Unique("email", EmailTaken),
        Unique("user_name", UserNameTaken),
        Unique("external_id", ExternalIdTaken, ignores_case=False),
    ),
    filters=("status",),
)


class UserService(ResourceService[User]):
    """Creates, reads, changes, lists and deletes users."""

    resource = USERS

    def create(
        self, caller: Caller, new: NewUser, key: IdempotencyKey | None
    ) -> Created[UserCreated]:
        """Create a user.

        Raises EmailTaken, UserNameTaken, ExternalIdTaken, CreationUndone, KeyReused.
        """
        created = self._create(caller, new, key)
        user = UserCreated(**msgspec.structs.asdict(created.entity))
        return Created(user, created.replayed)

    def get(self, user_id: str) -> User:
        """Return a user. Raises UserNotFound."""
        return self._get(user_id)

    def replace(
        self, caller: Caller, user_id: str, body: UserReplacement, versions: ExpectedVersions
    ) -> User:
        """Replace what clients may set of a user.

        Raises Forbidden, UserNotFound, VersionMismatch, EmailTaken, UserNameTaken, ExternalIdTaken.
        """
        _check_permission(caller, body)
        return self._replace(caller, (user_id,), body, versions)

    def patch(
        self, caller: Caller, user_id: str, body: UserPatch, versions: ExpectedVersions
    ) -> User:
        """Change the named members of a user.

        Raises Forbidden, UserNotFound, VersionMismatch, TooManyPairs, EmailTaken, UserNameTaken,
        ExternalIdTaken.
        """
        _check_permission(caller, body)
        return self._patch(caller, (user_id,), body, versions)

    def delete(self, caller: Caller, user_id: str, versions: ExpectedVersions) -> None:
        """Delete a user. Raises UserNotFound, VersionMismatch, UserHasOpenOrders."""
        self._delete(caller, (user_id,), versions)

    def list(self, query: UserListQuery) -> Page[User]:
        """Return a page of users."""
        return self._list((), query)

    def history(self, user_id: str, query: PageQuery) -> Page[HistoryEntry]:
        """Return a page of what was done to a user, also to a deleted one. Raises UserNotFound."""
        return self._history((user_id,), query)


def _check_permission(caller: Caller, body: UserReplacement | UserPatch) -> None:
    if caller.is_admin:
        return
    for member in _ADMINISTRATED:
        if getattr(body, member) is not UNSET:
            raise Forbidden(f"Only an administrator may set a user's {member}.")
