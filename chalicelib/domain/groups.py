"""Groups of users: representation, inputs, rules, and the service that applies them."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.external_ids import ExternalId, ExternalIdTaken
from chalicelib.domain.fields import Line, id_field
from chalicelib.domain.idempotency import Created, IdempotencyKey
from chalicelib.domain.pagination import ListQuery, PageQuery
from chalicelib.domain.resource import (
    NO_MEMBER_CHANGES,
    Entity,
    ExpectedVersions,
    Input,
    MemberChanges,
    Members,
    Resource,
    Unique,
)
from chalicelib.domain.service import ResourceService
from chalicelib.domain.storage import Page
from chalicelib.domain.users import USERS


class GroupNotFound(NotFound):
    """There is no such group."""

    name = "group-not-found"
    title = "Group not found"
    explanation = "No group has this id."
    detail = "There is no group with this id."


class GroupNameTaken(Conflict):
    """Another group has the name, in this or another case."""

    name = "group-name-taken"
    title = "Group name taken"
    explanation = "Each group has a name of its own, whatever its case."
    detail = "Another group has this name; choose another one."


GroupId = Annotated[
    str, id_field("grp_", "group", "019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d", GroupNotFound)
]
GroupName = Annotated[
    Line,
    Meta(
        description="Unique without regard to case, kept as given but for surrounding white space.",
        examples=["Support"],
    ),
]


class Group(Entity, frozen=True):
    """A group of users as clients read it, without its members, of which it may have any number."""

    group_id: GroupId
    display_name: GroupName
    external_id: ExternalId | UnsetType = UNSET


class NewGroup(Input, frozen=True):
    """What a new group is made of, beside its members."""

    display_name: GroupName
    external_id: ExternalId | UnsetType = UNSET


class GroupPatch(Input, frozen=True):
    """What changes the named members of a group's representation (RFC 7396)."""

    display_name: GroupName | UnsetType = UNSET
    external_id: ExternalId | UnsetType | None = UNSET


class Membership(Struct, frozen=True):
    """That a user is a member of a group."""

    group_id: str
    user_id: str


class GroupListQuery(ListQuery, frozen=True, kw_only=True):
    """The filters of the list of groups."""

    display_name: Annotated[
        GroupName | None, Meta(description="Only the group with this name, in any case.")
    ] = None
    external_id: Annotated[
        ExternalId | None, Meta(description="Only the group with this external id.")
    ] = None


GROUPS = Resource(
    "groups",
    Group,
    description="Groups of users, as identity providers keep them.",
    unique=(
        Unique("display_name", GroupNameTaken, claims="group_name"),
        Unique("external_id", ExternalIdTaken, ignores_case=False, claims="group_external_id"),
    ),
    events=None,
    members=Members("members", "memberships", USERS),
    is_small=True,
)


class GroupService(ResourceService[Group]):
    """Creates, reads, changes, lists and deletes groups, and changes their members."""

    resource = GROUPS

    def create(
        self,
        caller: Caller,
        new: NewGroup,
        key: IdempotencyKey | None,
        members: tuple[str, ...] = (),
    ) -> Created[Group]:
        """Create a group with the users of these ids as members.

        Raises UserNotFound, GroupNameTaken, ExternalIdTaken, CreationUndone, KeyReused.
        """
        return self._create(caller, new, key, members)

    def get(self, group_id: str) -> Group:
        """Return a group. Raises GroupNotFound."""
        return self._get(group_id)

    def patch(
        self,
        caller: Caller,
        group_id: str,
        body: GroupPatch,
        versions: ExpectedVersions,
        members: MemberChanges = NO_MEMBER_CHANGES,
    ) -> Group:
        """Change what the patch names, and who is a member.

        Where nothing but members changes, and each of them is what it is to be, nothing is written
        and the version stays. Raises GroupNotFound, VersionMismatch, UserNotFound (of a user that
        is to be added), GroupNameTaken, ExternalIdTaken.
        """
        values = self._changes(body, merge=True)
        return self._set(caller, (group_id,), versions, members=members, **values)

    def delete(self, caller: Caller, group_id: str, versions: ExpectedVersions) -> None:
        """Delete a group; its members stay users. Raises GroupNotFound, VersionMismatch."""
        self._delete(caller, (group_id,), versions)

    def list(self, query: GroupListQuery) -> Page[Group]:
        """Return a page of groups."""
        return self._list((), query)

    def members(self, group_id: str, query: PageQuery) -> Page[Membership]:
        """Return a page of a group's members, in the order of their ids. Raises GroupNotFound."""
        page = self._storage.memberships.members(GROUPS, group_id, query.page())
        if not page.items and query.cursor is None:
            self._get(group_id)
        return Page([Membership(group_id, user_id) for user_id in page.items], page.position)

    # `list` is the method from here on.
    def groups_of(self, user_id: str) -> "_Groups":
        """Return the groups that a user is a member of, none for a user that does not exist."""
        return self._storage.memberships.owners(GROUPS, user_id)

    def is_member(self, group_id: str, user_id: str) -> bool:
        """Return whether the user is a member of the group, which need not exist."""
        return self._storage.memberships.has(GROUPS, group_id, user_id)


_Groups = list[Group]
