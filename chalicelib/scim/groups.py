"""Groups: between SCIM's representation (RFC 7643 §4.2) and the service's."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from msgspec import UNSET, Struct
from scim2_models import Reference, ResponseParameters, ScimFilter
from scim2_models.path import CompareOperator

from chalicelib.domain import groups as domain
from chalicelib.domain.caller import Caller
from chalicelib.domain.pagination import PageQuery
from chalicelib.domain.resource import ExpectedVersions, MemberChanges
from chalicelib.domain.storage import Page
from chalicelib.domain.users import USERS, UserNotFound, UserService
from chalicelib.scim.filters import Required, refuse, required
from chalicelib.scim.metadata import (
    asks_for,
    every,
    is_storable,
    meta,
    validated,
    versions,
)
from chalicelib.scim.schemas import Group, GroupMember, User

FEW_MEMBERS = 100
"""How many members are shown in the response to a PATCH."""

_BY_MEMBER = 'Groups can be filtered by members with members.value eq "…", alone or with and.'


class GroupChange(Struct, frozen=True):
    """What a PATCH sets of a group, by the service's names, and who joins or leaves."""

    values: dict[str, Any]
    members: MemberChanges


class Groups:
    """The groups as `caller` provisions them."""

    def __init__(self, groups: domain.GroupService, users: UserService, caller: Caller) -> None:
        self._groups = groups
        self._users = users
        self._caller = caller

    def get(self, group_id: str, parameters: ResponseParameters[Any] | None) -> Group:
        """Return a group. Raises GroupNotFound."""
        return self.show(self._get(group_id), parameters)

    def create(self, resource: Group) -> Group:
        """Create a group with its members. Raises Invalid, GroupNameTaken, ExternalIdTaken."""
        values = {name: value for name, value in _values(resource).items() if value is not None}
        new = validated(values, domain.NewGroup)
        members = _members(resource)
        try:
            created = self._groups.create(self._caller, new, None, _sorted(members))
        except UserNotFound:
            known = _sorted(self._known(members))
            created = self._groups.create(self._caller, new, None, known)
        return self.show(created.entity, None)

    def update(self, resource: Group, version: str | None) -> Group:
        """Give a group the state of `resource`.

        Raises Invalid, GroupNotFound, VersionMismatch, GroupNameTaken, ExternalIdTaken.
        """
        group_id = resource.id or ""
        wanted, present = _members(resource), set(self._member_ids(group_id))
        changes = MemberChanges(_sorted(wanted - present), _sorted(present - wanted))
        changed = self._patch(group_id, _values(resource), versions(version), changes)
        return self.show(changed, None)

    def change(self, group_id: str, change: GroupChange, expected: ExpectedVersions) -> Group:
        """Change a group, at the same cost however many members it has.

        It is returned with its members if there are few, otherwise without them. Raises Invalid,
        GroupNotFound, VersionMismatch, GroupNameTaken, ExternalIdTaken.
        """
        changed = self._patch(group_id, change.values, expected, change.members)
        page = self._groups.members(group_id, PageQuery(limit=FEW_MEMBERS))
        if page.position is not None:
            return _group(changed, None)
        return _group(changed, (membership.user_id for membership in page.items))

    def delete(self, group_id: str, version: str | None) -> None:
        """Delete a group. Raises GroupNotFound, VersionMismatch."""
        if not domain.GROUPS.is_id(group_id):
            raise domain.GroupNotFound
        self._groups.delete(self._caller, group_id, versions(version))

    def search(self, scim_filter: ScimFilter[Any] | None) -> Iterator[tuple[domain.Group, bool]]:
        """Yield the groups that a filter may match, and whether it does."""
        comparisons = required(scim_filter)
        by_member = any(_is_by_member(name, operator) for name, operator, _ in comparisons)
        if not by_member:
            refuse(scim_filter, "members", _BY_MEMBER)
        for group in self._candidates(comparisons):
            shown = self.show(group, None) if by_member else _group(group, None)
            yield group, scim_filter is None or scim_filter.match(shown)

    def show(self, group: domain.Group, parameters: ResponseParameters[Any] | None) -> Group:
        """Return a group with its members, unless these are not asked for."""
        asked = asks_for(parameters, "members")
        return _group(group, self._member_ids(group.group_id) if asked else None)

    def _patch(
        self,
        group_id: str,
        values: dict[str, Any],
        expected: ExpectedVersions,
        members: MemberChanges,
    ) -> domain.Group:
        if not domain.GROUPS.is_id(group_id):
            raise domain.GroupNotFound
        body = validated(values, domain.GroupPatch)
        try:
            return self._groups.patch(self._caller, group_id, body, expected, members)
        except UserNotFound:
            known = MemberChanges(_sorted(self._known(members.add)), members.remove)
            return self._groups.patch(self._caller, group_id, body, expected, known)

    def _known(self, members: Iterable[str]) -> Iterator[str]:
        """Yield the ids of users that exist.

        A user's deletion ends its memberships, so one that is gone is no member whichever of the
        two, joining and being deleted, came first.
        """
        for user_id in members:
            with suppress(UserNotFound):
                yield self._users.get(user_id).user_id

    def _get(self, group_id: str) -> domain.Group:
        if not domain.GROUPS.is_id(group_id):
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
                if is_storable(value):
                    is_name = name == "displayname"
                    by_name = domain.GroupListQuery(display_name=value)
                    by_id = domain.GroupListQuery(external_id=value)
                    yield from self._groups.list(by_name if is_name else by_id).items
                return
            if _is_by_member(name, operator):
                if USERS.is_id(str(value)):
                    yield from self._groups.groups_of(str(value))
                return
        yield from every(self._groups.list, domain.GroupListQuery())

    def _by_id(self, value: object) -> Iterator[domain.Group]:
        try:
            yield self._get(str(value))
        except domain.GroupNotFound:
            return


def _group(group: domain.Group, members: Iterable[str] | None) -> Group:
    """Return SCIM's representation of a group, with these members."""
    shown = [
        GroupMember(value=user_id, ref=Reference[User](f"Users/{user_id}"), type="User")
        for user_id in members or ()
    ]
    return Group(
        id=group.group_id,
        external_id=None if group.external_id is UNSET else group.external_id,
        display_name=group.display_name,
        members=None if members is None else shown,
        meta=meta("Group", group),
    )


def _values(resource: Group) -> dict[str, Any]:
    """Return the members of the service's group; None removes one."""
    return {"display_name": resource.display_name, "external_id": resource.external_id or None}


def kept_of_group(resource: Group) -> dict[str, Any]:
    """Return what the service keeps of a group, with its members."""
    return {**_values(resource), "members": _members(resource)}


def _members(resource: Group) -> set[str]:
    """Return the ids of the users."""
    return set(user_ids(member.value for member in resource.members or ()))


def user_ids(values: Iterable[object]) -> Iterator[str]:
    """Yield those that can be ids of users."""
    return (value for value in values if isinstance(value, str) and USERS.is_id(value))


def _sorted(members: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(members))


def _is_by_member(name: str, operator: CompareOperator) -> bool:
    return operator == CompareOperator.eq and name in {"members", "members.value"}
