"""Roles by groups: the members of some groups act as administrators."""

from collections.abc import Sequence

from msgspec.structs import replace

from chalicelib.domain.caller import Caller
from chalicelib.domain.groups import GroupService
from chalicelib.domain.users import USERS, UserNotFound, UserService


class GroupRoles:
    """Makes administrators of the active users in the groups with the ids `admin_groups`."""

    def __init__(
        self, users: UserService, groups: GroupService, admin_groups: Sequence[str]
    ) -> None:
        self._users = users
        self._groups = groups
        self._admin_groups = admin_groups

    def apply(self, caller: Caller) -> Caller:
        """Return the caller with the role that its groups give it.

        Memberships are read for each request, so one that ends counts at once. Nothing is read
        without such groups, and for callers that are administrators anyway. Raises Unavailable.
        """
        if not self._admin_groups or caller.is_admin or not self._administers(caller.subject):
            return caller
        return replace(caller, is_admin=True)

    def _administers(self, subject: str) -> bool:
        if not USERS.is_id(subject):
            return False
        if not any(self._groups.is_member(group, subject) for group in self._admin_groups):
            return False
        try:
            return self._users.get(subject).status == "active"
        except UserNotFound:
            return False
