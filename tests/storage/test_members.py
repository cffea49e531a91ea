"""Members: what every engine does for what has others as members, as groups have users."""

from itertools import pairwise
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from sqlalchemy import Engine, event

from chalicelib.domain.errors import Problem, VersionMismatch
from chalicelib.domain.groups import GROUPS, Group, GroupNameTaken, GroupNotFound
from chalicelib.domain.orders import ORDERS, UserHasOpenOrders
from chalicelib.domain.resource import Change, MemberChanges
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, User, UserNotFound
from tests.resources.groups import a_group
from tests.storage.test_concurrency import concurrently, outcome_types
from tests.support.factories import LATER, NOW, a_record, a_user, an_act, an_order, step

# More than a transaction of DynamoDB takes, several times.
MANY = 70


def new_users(storage: Storage, number: int) -> list[str]:
    """Create users, and return their ids in order."""
    made = [a_user() for _ in range(number)]
    for user in made:
        assert storage.create(USERS, user, None, NOW) is None
    return [user.user_id for user in made]


def new_group(storage: Storage, *members: str, **fields: Any) -> Group:
    """Create a group with members, and return it."""
    group = a_group(**fields)
    assert storage.create(GROUPS, group, None, NOW, an_act("created"), members) is None
    return group


def change(
    add: list[str] | None = None,
    remove: list[str] | None = None,
    versions: frozenset[int] | None = None,
    **values: Any,
) -> Change:
    """Return a change of members, and of `values`."""
    changes = MemberChanges(tuple(add or ()), tuple(remove or ()))
    act = an_act("changed", *values, "members")
    return Change(values=values, members=changes, updated_at=LATER, versions=versions, act=act)


def apply(storage: Storage, group: Group, *, add: Any = None, remove: Any = None) -> Group:
    """Change the members of a group."""
    return storage.change(GROUPS, (group.group_id,), change(add, remove))


def members_of(storage: Storage, group: Group, **options: Any) -> list[str]:
    """Return the ids of the members of a group, page by page."""
    query, found = Query(**{"limit": 100, "ascending": True, **options}), []
    while True:
        page = storage.memberships.members(GROUPS, group.group_id, query)
        assert page.position is None or len(page.items) == query.limit
        found += page.items
        if page.position is None:
            return found
        query = replace(query, after=page.position)


def groups_of(storage: Storage, user_id: str) -> list[str]:
    """Return the ids of the groups that a user is a member of."""
    found = storage.memberships.owners(GROUPS, user_id)
    for group in found:
        assert group == storage.get(GROUPS, (group.group_id,))
        assert storage.memberships.has(GROUPS, group.group_id, user_id)
    return [group.group_id for group in found]


def stored(storage: Storage, group: Group) -> Group:
    """Return a group as it is stored."""
    found = storage.get(GROUPS, (group.group_id,))
    assert found is not None
    return found


def test_members_are_found_from_both_sides(storage: Storage) -> None:
    """A group has the members that it got, and a user knows its groups, all in order."""
    ann, bea, carl = new_users(storage, 3)
    first, second, third = (new_group(storage, *who) for who in ((bea, ann), (bea,), ()))

    assert members_of(storage, first) == [ann, bea]
    assert members_of(storage, first, ascending=False) == [bea, ann]
    assert members_of(storage, third) == []
    assert groups_of(storage, ann) == [first.group_id]
    assert groups_of(storage, bea) == [first.group_id, second.group_id]
    assert groups_of(storage, carl) == []
    assert not storage.memberships.has(GROUPS, second.group_id, ann)
    assert not storage.memberships.has(GROUPS, third.group_id, "usr_0")
    assert stored(storage, first) == first


@pytest.mark.parametrize("ascending", [True, False])
def test_pages_of_members_cover_all(storage: Storage, *, ascending: bool) -> None:
    """With any size of pages each member is listed once, in the order of the ids or against it."""
    users = new_users(storage, 7)
    group = new_group(storage, *users)
    new_group(storage, *users[::2])

    for limit in (1, 2, 6, 7, 8):
        found = members_of(storage, group, limit=limit, ascending=ascending)
        assert found == (users if ascending else users[::-1])


def test_members_are_a_set(storage: Storage) -> None:
    """To add a member twice, or to remove who is none, writes nothing, and the version stays."""
    ann, bea, carl = new_users(storage, 3)
    group = new_group(storage, ann, ann)
    assert members_of(storage, group) == [ann]

    for add, remove in (([ann, ann], []), ([], [bea, "usr_0"]), ([ann], [carl]), ([ann], [ann])):
        assert apply(storage, group, add=add, remove=remove) == group
    with pytest.raises(VersionMismatch):
        storage.change(GROUPS, (group.group_id,), change([ann], versions=frozenset({7})))
    entries = storage.history(GROUPS, (group.group_id,), Query(limit=9)).items
    assert [entry.action for entry in entries] == ["created"]

    assert apply(storage, group, add=[bea, ann, bea], remove=[ann, carl]).version == 2
    assert members_of(storage, group) == [ann, bea]
    assert apply(storage, group, add=[carl], remove=[ann, bea]).version == 3
    assert members_of(storage, group) == [carl]
    assert groups_of(storage, ann) == []


def test_members_change_together_with_the_rest(storage: Storage) -> None:
    """A change of values and members is one version, with one entry in the history."""
    ann, bea = new_users(storage, 2)
    group = new_group(storage, ann)
    change_both = change([bea], [ann], frozenset({1}), display_name="Support", external_id=UNSET)

    changed = storage.change(GROUPS, (group.group_id,), change_both)

    assert (changed.version, changed.updated_at) == (2, LATER)
    assert (changed.display_name, changed.external_id) == ("Support", UNSET)
    assert stored(storage, group) == changed
    assert members_of(storage, group) == [bea]
    entries = storage.history(GROUPS, (group.group_id,), Query(limit=9)).items
    fields = ["display_name", "external_id", "members"]
    assert [(entry.version, entry.fields) for entry in entries] == [(2, fields), (1, [])]
    # Without members it is changed as before.
    named = Change(values={"display_name": "Help"}, updated_at=LATER)
    assert storage.change(GROUPS, (group.group_id,), named).version == 3
    assert members_of(storage, group) == [bea]


@pytest.mark.parametrize("number", [1, MANY])
def test_a_member_must_exist(storage: Storage, number: int) -> None:
    """To add a user that does not exist is its not_found, and nothing is written."""
    users = new_users(storage, number)
    gone = a_user().user_id
    group = new_group(storage, display_name="Taken")
    new = a_group()

    with pytest.raises(UserNotFound):
        storage.create(GROUPS, new, a_record(), NOW, None, (*users, gone))
    assert storage.get(GROUPS, (new.group_id,)) is None
    with pytest.raises(UserNotFound):
        storage.create(GROUPS, a_group(display_name="taken"), None, NOW, None, (gone, *users))
    for changes in (change([*users, gone]), change([*users, gone], display_name="New")):
        with pytest.raises(UserNotFound):
            storage.change(GROUPS, (group.group_id,), changes)
    assert stored(storage, group) == group
    assert members_of(storage, group) == []
    assert groups_of(storage, users[0]) == []
    assert storage.create(GROUPS, new, None, NOW, None, tuple(users)) is None


def test_the_precedence_of_problems(storage: Storage) -> None:
    """First the group must exist, then have the version, then its new members must exist."""
    (ann,) = new_users(storage, 1)
    group, _ = new_group(storage, ann), new_group(storage, display_name="Taken")
    gone = a_user().user_id
    wrong = frozenset({7})

    def refusal(group_id: str, changes: Change) -> type[Problem]:
        with pytest.raises(Problem) as raised:
            storage.change(GROUPS, (group_id,), changes)
        return raised.type

    own = group.group_id
    assert refusal(a_group().group_id, change([gone], versions=wrong)) is GroupNotFound
    assert refusal(own, change([gone], versions=wrong, display_name="taken")) is VersionMismatch
    assert refusal(own, change([gone], display_name="taken")) is UserNotFound
    assert refusal(own, change([], [ann], display_name="taken")) is GroupNameTaken
    assert stored(storage, group) == group
    assert members_of(storage, group) == [ann]


def test_a_group_may_have_any_number_of_members(storage: Storage) -> None:
    """More members than fit into a transaction are added, removed and deleted with the group."""
    users = new_users(storage, MANY)
    group, record = a_group(), a_record()
    assert storage.create(GROUPS, group, record, NOW, an_act("created"), tuple(users)) is None
    assert members_of(storage, group) == users
    assert stored(storage, group) == group

    changed = apply(storage, group, add=users, remove=users[:-1])
    assert changed == group
    changed = apply(storage, group, remove=users[1:])
    assert members_of(storage, group) == users[:1]
    versions = storage.history(GROUPS, (group.group_id,), Query(limit=100)).items
    assert {tuple(entry.fields) for entry in versions[:-1]} == {("members",)}
    assert all(one.version == two.version + 1 for one, two in pairwise(versions))
    assert changed == stored(storage, group)
    assert changed.version == versions[0].version > 1

    # A retry of the creation is answered by the record, and changes nothing.
    again = a_record(key=record.key, digest=record.digest)
    assert storage.create(GROUPS, a_group(), again, NOW, None, tuple(users)) == record
    assert members_of(storage, group) == users[:1]

    apply(storage, group, add=users)
    assert members_of(storage, group) == users
    storage.delete(GROUPS, (group.group_id,), None, NOW, an_act("deleted"))
    assert members_of(storage, group) == []
    for user_id in users:
        assert groups_of(storage, user_id) == []
        storage.delete(USERS, (user_id,), None, NOW)


def test_a_deleted_group_has_no_members(storage: Storage) -> None:
    """A deletion needs the version, and then no member is left; the users stay."""
    users = new_users(storage, 2)
    group, other = new_group(storage, *users), new_group(storage, *users)

    with pytest.raises(VersionMismatch):
        storage.delete(GROUPS, (group.group_id,), frozenset({7}), NOW)
    assert members_of(storage, group) == users
    storage.delete(GROUPS, (group.group_id,), frozenset({1}), NOW, an_act("deleted"))

    assert storage.get(GROUPS, (group.group_id,)) is None
    assert members_of(storage, group) == []
    assert not storage.memberships.has(GROUPS, group.group_id, users[0])
    assert [groups_of(storage, user_id) for user_id in users] == [[other.group_id]] * 2
    entries = storage.history(GROUPS, (group.group_id,), Query(limit=9)).items
    assert [(entry.version, entry.action) for entry in entries] == [(2, "deleted"), (1, "created")]
    with pytest.raises(GroupNotFound):
        apply(storage, group, add=users)


def test_a_deleted_user_is_no_member(storage: Storage) -> None:
    """Each group of a deleted user has a new version and an entry in its history."""
    ann, bea = new_users(storage, 2)
    first, second, third = (new_group(storage, *who) for who in ((ann, bea), (ann,), (bea,)))

    storage.delete(USERS, (ann,), frozenset({1}), NOW, an_act("deleted", by="boss"))

    assert storage.get(USERS, (ann,)) is None
    assert [members_of(storage, group) for group in (first, second, third)] == [[bea], [], [bea]]
    assert groups_of(storage, ann) == []
    for group in (first, second):
        changed = stored(storage, group)
        assert changed == replace(group, version=2, updated_at=LATER)
        latest, _ = storage.history(GROUPS, (group.group_id,), Query(limit=9)).items
        assert (latest.version, latest.action, latest.fields, latest.by) == (
            2,
            "changed",
            ["members"],
            "boss",
        )
    assert stored(storage, third) == third
    storage.delete(GROUPS, (first.group_id,), frozenset({2}), NOW)
    storage.delete(USERS, (bea,), None, NOW)
    assert members_of(storage, third) == []


def test_a_user_that_stays_keeps_its_groups(storage: Storage) -> None:
    """A deletion that is refused leaves the memberships as they are."""
    user = a_user()
    storage.create(USERS, user, None, NOW)
    order = an_order(user)
    storage.create(ORDERS, order, None, NOW)
    group = new_group(storage, user.user_id)

    with pytest.raises(UserHasOpenOrders):
        storage.delete(USERS, (user.user_id,), None, NOW)
    storage.change(ORDERS, (user.user_id, order.order_id), step("cancelled", "pending"))
    with pytest.raises(VersionMismatch):
        storage.delete(USERS, (user.user_id,), frozenset({7}), NOW)
    assert members_of(storage, group) == [user.user_id]
    assert stored(storage, group) == group

    storage.delete(USERS, (user.user_id,), None, NOW)
    assert members_of(storage, group) == []
    page = storage.list(ORDERS, (user.user_id,), Query(limit=9))
    assert [one.order_id for one in page.items] == [order.order_id]


def test_a_user_may_be_in_many_groups(storage: Storage) -> None:
    """A user in more groups than fit into a transaction is deleted from all of them."""
    ann, bea = new_users(storage, 2)
    groups = [new_group(storage, ann, bea) for _ in range(MANY)]
    assert groups_of(storage, ann) == [group.group_id for group in groups]

    storage.delete(USERS, (ann,), None, NOW, an_act("deleted"))

    assert groups_of(storage, ann) == []
    assert all(members_of(storage, group) == [bea] for group in groups)
    assert {stored(storage, group).version for group in groups} == {2}


def test_memberships_do_not_show_in_lists(storage: Storage) -> None:
    """The lists of users, of their orders and of groups are the same with members and without."""
    user = a_user()
    storage.create(USERS, user, None, NOW)
    groups = [new_group(storage, user.user_id) for _ in range(3)]
    query = Query(limit=2)
    assert storage.list(ORDERS, (user.user_id,), query).items == []
    order = an_order(user)
    storage.create(ORDERS, order, None, NOW)

    for ascending in (True, False):
        ordered = replace(query, ascending=ascending)
        assert storage.list(ORDERS, (user.user_id,), ordered).items == [order]
    filtered = replace(query, filters={"status": "pending"})
    assert storage.list(ORDERS, (user.user_id,), filtered).items == [order]
    assert storage.list(USERS, (), query).items == [user]
    assert storage.list(GROUPS, (), query).items == groups[:0:-1]
    assert storage.get(USERS, (user.user_id,)) == user


def test_concurrent_changes_of_members_all_happen(storage: Storage) -> None:
    """Ten concurrent changes add and remove ten members, each in a version of its own."""
    users = new_users(storage, 20)
    group = new_group(storage, *users[10:])
    outcomes = concurrently(
        [
            lambda place=place: apply(
                storage, group, add=[users[place]], remove=[users[place + 10]]
            )
            for place in range(10)
        ]
    )

    assert sorted(outcome.version for outcome in outcomes) == list(range(2, 12))
    assert members_of(storage, group) == users[:10]
    assert stored(storage, group).version == 11


def test_a_member_that_many_add_is_added_once(storage: Storage) -> None:
    """Of concurrent additions of one user one makes a version, and one removal undoes them all."""
    (user,) = new_users(storage, 1)
    group = new_group(storage)

    concurrently([lambda: apply(storage, group, add=[user])] * 8)
    assert stored(storage, group).version == 2
    concurrently([lambda: apply(storage, group, remove=[user])] * 8)
    assert stored(storage, group).version == 3
    assert members_of(storage, group) == []
    # Had it been counted twice, neither could be deleted now.
    storage.delete(GROUPS, (group.group_id,), None, NOW)
    storage.delete(USERS, (user,), None, NOW)


def test_one_of_many_changes_of_a_version_succeeds(storage: Storage) -> None:
    """Of concurrent changes of members that expect one version, one is made."""
    users = new_users(storage, 8)
    group = new_group(storage)
    outcomes = concurrently(
        [
            lambda user=user: storage.change(
                GROUPS, (group.group_id,), change([user], versions=frozenset({1}))
            )
            for user in users
        ]
    )

    assert outcome_types(outcomes) == {Group: 1, VersionMismatch: 7}
    assert len(members_of(storage, group)) == 1


@pytest.mark.parametrize("number", [2, 40])
def test_no_member_is_left_of_a_user_that_is_gone(storage: Storage, number: int) -> None:
    """When users are deleted while groups get them, they are in no group afterwards."""
    for _ in range(3):
        users = new_users(storage, number)
        first, second = new_group(storage, users[0]), new_group(storage)
        third = a_group()
        outcomes = concurrently(
            [
                lambda users=users: storage.delete(USERS, (users[0],), None, NOW),
                lambda users=users, first=first: apply(storage, first, add=users[1:]),
                lambda users=users, second=second: apply(storage, second, add=users),
                lambda users=users, third=third: storage.create(
                    GROUPS, third, None, NOW, None, tuple(users)
                ),
                lambda users=users: storage.delete(USERS, (users[1],), None, NOW),
            ]
        )

        assert (outcomes[0], outcomes[4]) == (None, None)
        assert {type(outcome) for outcome in outcomes[1:4]} <= {Group, type(None), UserNotFound}
        rest = set(users[2:])
        for group in (first, second, third):
            assert set(members_of(storage, group)) <= rest
        assert groups_of(storage, users[0]) == groups_of(storage, users[1]) == []
        for group in (first, second):
            storage.delete(GROUPS, (group.group_id,), None, NOW)


@pytest.mark.parametrize("number", [2, 40])
def test_no_membership_is_left_of_a_group_that_is_gone(storage: Storage, number: int) -> None:
    """When a group is deleted while it gets and loses members, its users are in no group."""
    for _ in range(3):
        users = new_users(storage, number)
        group = new_group(storage, users[0])
        outcomes = concurrently(
            [
                lambda group=group, users=users: apply(storage, group, add=users),
                lambda group=group: storage.delete(GROUPS, (group.group_id,), None, NOW),
                lambda group=group, users=users: apply(storage, group, remove=users[:1]),
                lambda group=group, users=users: apply(storage, group, add=users[1:]),
            ]
        )

        assert outcomes[1] is None
        assert {type(one) for one in outcomes} <= {Group, type(None), GroupNotFound}
        assert members_of(storage, group) == []
        for user_id in users:
            assert groups_of(storage, user_id) == []
            storage.delete(USERS, (user_id,), None, NOW)


def test_users_and_groups_are_deleted_at_the_same_time(storage: Storage) -> None:
    """Concurrent deletions of groups and of all their members leave nothing."""
    users = new_users(storage, 6)
    groups = [new_group(storage, *users) for _ in range(4)]

    outcomes = concurrently(
        [
            *(lambda own=user: storage.delete(USERS, (own,), None, NOW) for user in users),
            *(
                lambda own=group.group_id: storage.delete(GROUPS, (own,), None, NOW)
                for group in groups
            ),
        ]
    )

    assert outcomes == [None] * 10
    assert storage.list(USERS, (), Query(limit=9)).items == []
    assert storage.list(GROUPS, (), Query(limit=9)).items == []
    assert all(members_of(storage, group) == [] for group in groups)
    assert all(groups_of(storage, user) == [] for user in users)


def test_a_user_changes_while_it_becomes_a_member(storage: Storage) -> None:
    """Changes of a user and of its memberships do not disturb each other."""
    user = a_user()
    storage.create(USERS, user, None, NOW)
    groups = [new_group(storage) for _ in range(4)]
    renamed = Change(values={"name": "Bea"}, updated_at=LATER)

    outcomes = concurrently(
        [
            *(lambda: storage.change(USERS, (user.user_id,), renamed) for _ in range(4)),
            *(lambda group=group: apply(storage, group, add=[user.user_id]) for group in groups),
        ]
    )

    assert sorted(one.version for one in outcomes if isinstance(one, User)) == [2, 3, 4, 5]
    assert groups_of(storage, user.user_id) == [group.group_id for group in groups]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_a_member_costs_the_same_in_a_group_of_any_size(storage: Storage, engine: str) -> None:
    """In SQL, to change and find one member takes the same statements beside any other members."""
    assert engine
    statements: list[list[str]] = [[], []]
    users = new_users(storage, 40)

    for seen, others in zip(statements, (users[:2], users[2:]), strict=True):
        user, group = new_users(storage, 1)[0], new_group(storage, *others)
        listener = lambda *arguments, seen=seen: seen.append(arguments[2])  # noqa: E731
        event.listen(Engine, "before_cursor_execute", listener)
        try:
            apply(storage, group, add=[user])
            assert storage.memberships.has(GROUPS, group.group_id, user)
            storage.memberships.members(GROUPS, group.group_id, Query(limit=1))
            storage.memberships.owners(GROUPS, user)
            apply(storage, group, remove=[user])
        finally:
            event.remove(Engine, "before_cursor_execute", listener)
    assert statements[0] == statements[1]
