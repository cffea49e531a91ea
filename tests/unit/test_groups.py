"""The service for groups: in memory, as the routes that serve groups use it."""

from collections.abc import Callable

import pytest
from msgspec import UNSET

from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import CreationUndone, KeyReused, Problem, VersionMismatch
from chalicelib.domain.external_ids import ExternalIdTaken
from chalicelib.domain.groups import (
    GROUPS,
    GroupListQuery,
    GroupNameTaken,
    GroupNotFound,
    GroupPatch,
    GroupService,
    Membership,
    NewGroup,
)
from chalicelib.domain.idempotency import IdempotencyKey
from chalicelib.domain.pagination import PageQuery
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import MemberChanges
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import NewUser, UserNotFound, UserService
from chalicelib.storage.memory import MemoryStorage

BOSS = Caller("boss", is_admin=True)
KEY = IdempotencyKey("boss", "key", "/groups")
SUPPORT = NewGroup(display_name=" Support ", external_id="Support-1")


@pytest.fixture(name="storage")
def _storage() -> Storage:
    return MemoryStorage(RESOURCES)


@pytest.fixture(name="groups")
def _groups(storage: Storage) -> GroupService:
    return GroupService(storage, history=True)


@pytest.fixture(name="users")
def _users(storage: Storage) -> UserService:
    return UserService(storage, history=True)


def new_user(users: UserService, name: str) -> str:
    """Create a user and return its id."""
    created = users.create(BOSS, NewUser(name=name, email=f"{name}@example.com"), None)
    return created.entity.user_id


def refusal(operation: Callable[[], object]) -> type[Problem]:
    """Return the type of problem that the operation raises."""
    with pytest.raises(Problem) as raised:
        operation()
    return raised.type


def test_a_group_is_created_with_its_members(groups: GroupService, users: UserService) -> None:
    """A new group has a trimmed name and its members; a retry with its key gets the same group."""
    ann, bea = new_user(users, "ann"), new_user(users, "bea")
    created = groups.create(BOSS, SUPPORT, KEY, (bea, ann))
    group = created.entity

    assert (group.display_name, group.external_id, group.version) == ("Support", "Support-1", 1)
    assert groups.get(group.group_id) == group
    again = groups.create(BOSS, SUPPORT, KEY, (bea, ann))
    assert (again.entity, again.replayed) == (group, True)
    assert refusal(lambda: groups.create(BOSS, SUPPORT, KEY, (bea,))) is KeyReused
    page = groups.members(group.group_id, PageQuery(limit=1, order="asc"))
    assert page.items == [Membership(group.group_id, ann)]
    rest = groups.members(group.group_id, PageQuery(limit=1, order="asc", cursor=page.position))
    assert (rest.items, rest.position) == ([Membership(group.group_id, bea)], None)
    groups.delete(BOSS, group.group_id, frozenset({1}))
    assert refusal(lambda: groups.create(BOSS, SUPPORT, KEY, (bea, ann))) is CreationUndone


def test_names_and_external_ids_are_unique(groups: GroupService) -> None:
    """A name is taken in any case, an external id only in its own, and both are filters."""
    group = groups.create(BOSS, SUPPORT, None).entity
    other = groups.create(BOSS, NewGroup(display_name="Sales", external_id="support-1"), None)

    taken = NewGroup(display_name="sUPPORT")
    assert refusal(lambda: groups.create(BOSS, taken, None)) is GroupNameTaken
    taken = NewGroup(display_name="More", external_id="Support-1")
    assert refusal(lambda: groups.create(BOSS, taken, None)) is ExternalIdTaken
    assert groups.list(GroupListQuery(display_name="SUPPORT")).items == [group]
    assert groups.list(GroupListQuery(external_id="Support-1")).items == [group]
    assert groups.list(GroupListQuery(external_id="support-1")).items == [other.entity]
    assert groups.list(GroupListQuery()).items == [other.entity, group]


def test_a_patch_changes_what_it_names(
    groups: GroupService, users: UserService, storage: Storage
) -> None:
    """It sets and removes members of the representation and of the group, and is kept."""
    ann = new_user(users, "ann")
    own = groups.create(BOSS, SUPPORT, None).entity.group_id

    changed = groups.patch(
        BOSS, own, GroupPatch(external_id=None), frozenset({1}), MemberChanges(add=(ann,))
    )

    assert (changed.display_name, changed.external_id, changed.version) == ("Support", UNSET, 2)
    assert groups.is_member(own, ann)
    assert groups.groups_of(ann) == [changed]
    latest = storage.history(GROUPS, (own,), Query(limit=1)).items[0]
    assert (latest.fields, latest.by) == (["external_id", "members"], "boss")
    assert groups.patch(BOSS, own, GroupPatch(), None, MemberChanges(add=(ann,))) == changed
    stale = lambda: groups.patch(BOSS, own, GroupPatch(), frozenset({1}))  # noqa: E731
    assert refusal(stale) is VersionMismatch
    removed = groups.patch(BOSS, own, GroupPatch(), None, MemberChanges(remove=(ann,)))
    assert (removed.version, groups.is_member(own, ann), groups.groups_of(ann)) == (3, False, [])


def test_what_does_not_exist(groups: GroupService, users: UserService) -> None:
    """Groups and users that do not exist are not found; nobody is a member of them."""
    ann = new_user(users, "ann")
    own = groups.create(BOSS, SUPPORT, None).entity.group_id
    nobody, nothing = "usr_" + "0" * 32, "grp_" + "0" * 32

    assert refusal(lambda: groups.get(nothing)) is GroupNotFound
    assert refusal(lambda: groups.members(nothing, PageQuery())) is GroupNotFound
    assert refusal(lambda: groups.delete(BOSS, nothing, None)) is GroupNotFound
    adding = MemberChanges(add=(ann, nobody))
    assert refusal(lambda: groups.patch(BOSS, own, GroupPatch(), None, adding)) is UserNotFound
    assert groups.members(own, PageQuery()).items == []
    assert not groups.is_member(nothing, ann)
    assert groups.groups_of(nobody) == []
    users.delete(BOSS, ann, None)
    assert refusal(lambda: groups.create(BOSS, SUPPORT, None, (ann,))) is UserNotFound
