"""Groups: between SCIM's representation (RFC 7643 §4.2) and the service's."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import UNSET, Struct
from scim2_models import InvalidValueException, ResponseParameters, ScimFilter
from scim2_models.path import CompareOperator

from chalicelib.domain import groups as domain
from chalicelib.domain.caller import Caller
from chalicelib.domain.pagination import PageQuery
from chalicelib.domain.resource import ExpectedVersions
from chalicelib.domain.storage import Page
from chalicelib.domain.users import USERS, UserNotFound
from chalicelib.scim.filters import Required, refuse, required
from chalicelib.scim.metadata import (
    asks_for,
    every,
    is_id,
    is_storable,
    meta,
    validated,
    versions,
)
from chalicelib.scim.schemas import Group, GroupMember

_BY_MEMBER = 'Groups can be filtered by members with members.value eq "…", alone or with and.'


class GroupChange(Struct, frozen=True):
    """What a PATCH sets of a group, by the service's names, and who joins or leaves."""

    values: dict[str, Any]
    members: domain.MemberChanges


class Groups:
    """The groups as `caller` provisions them."""

    def __init__(self, groups: domain.GroupService, caller: Caller) -> None:
        self._groups = groups
        self._caller = caller

    def get(self, group_id: str, parameters: ResponseParameters[Any] | None) -> Group:
        """Return a group. Raises GroupNotFound."""
        return self.show(self._get(group_id), parameters)

    def create(self, resource: Group) -> Group:
        """Create a group with its members. Raises Invalid, GroupNameTaken, ExternalIdTaken."""
        values = {name: value for name, value in _values(resource).items() if value is not None}
        new = validated(values, domain.NewGroup)
        members = tuple(sorted(_members(resource)))
        with _known_users():
            created = self._groups.create(self._caller, new, None, members)
        return self.show(created.entity, None)

    def update(self, resource: Group, version: str | None) -> Group:
        """Give a group the state of `resource`.

        Raises Invalid, GroupNotFound, VersionMismatch, GroupNameTaken, ExternalIdTaken.
        """
        group_id = resource.id or ""
        wanted, present = _members(resource), set(self._member_ids(group_id))
        changes = domain.MemberChanges(
            add=tuple(sorted(wanted - present)), remove=tuple(sorted(present - wanted))
        )
        changed = self._patch(group_id, _values(resource), versions(version), changes)
        return self.show(changed, None)

    def change(self, group_id: str, change: GroupChange, expected: ExpectedVersions) -> Group:
        """Change a group, at the same cost however many members it has; return it without them.

        Raises Invalid, GroupNotFound, VersionMismatch, GroupNameTaken, ExternalIdTaken.
        """
        return _group(self._patch(group_id, change.values, expected, change.members), ())

    def delete(self, group_id: str, version: str | None) -> None:
        """Delete a group. Raises GroupNotFound, VersionMismatch."""
        if not is_id(domain.GROUPS, group_id):
            raise domain.GroupNotFound
        self._groups.delete(self._caller, group_id, versions(version))

    def search(self, scim_filter: ScimFilter[Any] | None) -> Iterator[tuple[domain.Group, bool]]:
        """Yield the groups that a filter may match, and whether it does."""
        comparisons = required(scim_filter)
        by_member = any(_is_by_member(name, operator) for name, operator, _ in comparisons)
        if not by_member:
            refuse(scim_filter, "members", _BY_MEMBER)
        for group in self._candidates(comparisons):
            shown = self.show(group, None) if by_member else _group(group, ())
            yield group, scim_filter is None or scim_filter.match(shown)

    def show(self, group: domain.Group, parameters: ResponseParameters[Any] | None) -> Group:
        """Return a group with its members, unless these are not asked for."""
        asked = asks_for(parameters, "members")
        return _group(group, self._member_ids(group.group_id) if asked else ())

    def _patch(
        self,
        group_id: str,
        values: dict[str, Any],
        expected: ExpectedVersions,
        members: domain.MemberChanges,
    ) -> domain.Group:
        if not is_id(domain.GROUPS, group_id):
            raise domain.GroupNotFound
        body = validated(values, domain.GroupPatch)
        with _known_users():
            return self._groups.patch(self._caller, group_id, body, expected, members)

    def _get(self, group_id: str) -> domain.Group:
        if not is_id(domain.GROUPS, group_id):
            raise domain.GroupNotFound
        return self._groups.get(group_id)

    def _member_ids(self, group_id: str) -> Iterator[str]:
        def read(query: PageQuery) -> Page[domain.Membership]:
            return self._groups.members(group_id, query)

        return (membership.user_id for membership in every(read, PageQuery()))

    def _candidates(self, comparisons: Required) -> Iterator[domain.Group]:
        """Yield the groups that an index finds, all if none serves."""
        for name, operator, value in comparisons:
            if operator == CompareOperator.eq and name == "id":
                yield from self._by_id(value)
                return
            if operator == CompareOperator.eq and name in {"displayname", "externalid"}:
                member = "display_name" if name == "displayname" else "external_id"
                if is_storable(value):
                    yield from self._groups.list(domain.GroupListQuery(**{member: value})).items
                return
            if _is_by_member(name, operator):
                if is_id(USERS, str(value)):
                    yield from self._groups.groups_of(str(value))
                return
        yield from every(self._groups.list, domain.GroupListQuery())

    def _by_id(self, value: object) -> Iterator[domain.Group]:
        try:
            yield self._get(str(value))
        except domain.GroupNotFound:
            return


@contextmanager
def _known_users() -> Iterator[None]:
    """Make a user that does not exist an invalid value, since the group does."""
    try:
        yield
    except UserNotFound:
        raise InvalidValueException(
            detail="members: One of them is not the id of a user; create the user first."
        ) from None


def _group(group: domain.Group, members: Iterable[str]) -> Group:
    """Return SCIM's representation of a group."""
    return Group(
        id=group.group_id,
        external_id=None if group.external_id is UNSET else group.external_id,
        display_name=group.display_name,
        members=[
            GroupMember(value=user_id, ref=f"Users/{user_id}", type="User") for user_id in members
        ]
        or None,
        meta=meta("Group", group),
    )


def _values(resource: Group) -> dict[str, Any]:
    """Return the members of the service's group; None removes one."""
    return {"display_name": resource.display_name, "external_id": resource.external_id or None}


def _members(resource: Group) -> set[str]:
    """Return the ids of the users. Raises InvalidValueException for what is no id."""
    return {member_id(member.value) for member in resource.members or ()}


def member_id(value: object) -> str:
    """Return the id of a user. Raises InvalidValueException for anything else."""
    if not isinstance(value, str) or not is_id(USERS, value):
        raise InvalidValueException(
            detail=f"members.value: Must be the id of a user, not {value!r}."
        )
    return value


def _is_by_member(name: str, operator: CompareOperator) -> bool:
    return operator == CompareOperator.eq and name in {"members", "members.value"}
