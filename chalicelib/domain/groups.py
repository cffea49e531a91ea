from typing import *
from msgspec import UNSET, UnsetType, Struct
import msgspec
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.fields import Line, id_field
from chalicelib.domain.external_ids import ExternalId, ExternalIdTaken
from chalicelib.domain.resource import *
from chalicelib.domain.pagination import ListQuery, PageQuery
from chalicelib.domain.storage import Page
from chalicelib.domain.service import ResourceService
from chalicelib.domain.users import UserNotFound, USERS
class GroupNotFound(NotFound):
    name="group-not-found"; title="x"; explanation="x"; detail="No such group."
class GroupNameTaken(Conflict):
    name="group-name-taken"; title="x"; explanation="x"; detail="Another group has this name."
GroupId = Annotated[str, id_field("grp_", "group", "019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d", GroupNotFound)]
class Group(Entity, frozen=True):
    group_id: GroupId
    display_name: Line
    external_id: ExternalId | UnsetType = UNSET
class NewGroup(Input, frozen=True):
    display_name: Line
    external_id: ExternalId | UnsetType = UNSET
class GroupPatch(Input, frozen=True):
    display_name: Line | UnsetType = UNSET
    external_id: ExternalId | UnsetType | None = UNSET
class MemberChanges(Struct, frozen=True):
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
class Membership(Struct, frozen=True):
    group_id: str
    user_id: str
    @property
    def id(self): return self.user_id
class GroupListQuery(ListQuery, frozen=True, kw_only=True):
    display_name: str | None = None
    external_id: str | None = None
GROUPS = Resource("groups", Group, description="x", unique=(Unique("display_name", GroupNameTaken), Unique("external_id", ExternalIdTaken, ignores_case=False, claims="group_external_id")), events=None, is_small=True)
M = {}
class GroupService(ResourceService[Group]):
    resource = GROUPS
    def create(self, caller, new, key, members=()):
        for m in members:
            if self._storage.get(USERS, (m,)) is None: raise UserNotFound
        c = self._create(caller, new, key)
        M[c.entity.group_id] = set(members)
        return c
    def get(self, g): return self._get(g)
    def patch(self, caller, g, body, versions, members=MemberChanges()):
        for m in members.add:
            if self._storage.get(USERS, (m,)) is None: raise UserNotFound
        r = self._patch(caller, (g,), body, versions)
        M[g] = (M.get(g,set()) | set(members.add)) - set(members.remove)
        return r
    def delete(self, caller, g, versions):
        self._delete(caller, (g,), versions); M.pop(g,None)
    def list(self, q): return self._list((), q)
    def members(self, g, q): return Page([Membership(g,u) for u in sorted(M.get(g,())) if self._storage.get(USERS,(u,))], None)
    def groups_of(self, u): return [self._get(g) for g, m in M.items() if u in m and self._storage.get(USERS,(u,))]
