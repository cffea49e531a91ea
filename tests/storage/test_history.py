"""The history of entities, on every engine: what was done to them, kept with each change."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import Problem, VersionMismatch
from chalicelib.domain.history import Act, HistoryEntry
from chalicelib.domain.orders import ORDERS, IllegalTransition, OrderNotFound, UserHasOpenOrders
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Change, Ids, Resource
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, EmailTaken, User, UserNotFound
from tests.storage.conftest import MakeStorage
from tests.storage.test_concurrency import concurrently
from tests.support.factories import (
    NOW,
    a_record,
    a_user,
    an_act,
    an_order,
    order_change,
    patch,
    step,
    user_change,
)
from tests.support.resource_case import StorageCase
from tests.support.synthetic import REMINDERS, SYNTHETIC, TEAMS

CREATED, DELETED = an_act("created"), an_act("deleted")
ALL = Query(limit=100, ascending=True)
(REMINDER_CASE,) = (case for case in SYNTHETIC if case.resource is REMINDERS)


def changed(change: Change, number: int = 0) -> tuple[Change, Act]:
    """Return a change that keeps what was done, and that; numbers tell changes apart."""
    act = an_act("changed", *change.values, request_id=f"request {number}")
    return replace(change, act=act), act


def new_user(storage: Storage, **members: object) -> User:
    """Create a user with an entry, and return it."""
    user = a_user(**members)
    storage.create(USERS, user, None, NOW, CREATED)
    return user


def history(storage: Storage, resource: Resource[Any], *ids: str) -> list[HistoryEntry]:
    """Return the whole history, the oldest entry first."""
    return storage.history(resource, ids, ALL).items


def paged(
    storage: Storage, resource: Resource[Any], ids: Ids, limit: int, *, ascending: bool
) -> list[int]:
    """Return the versions of a history, page by page; all pages but the last are full."""
    found: list[int] = []
    query = Query(limit=limit, ascending=ascending)
    while True:
        page = storage.history(resource, ids, query)
        found += [entry.version for entry in page.items]
        assert len(found) == len(set(found))
        if page.position is None:
            assert 0 < len(page.items) <= limit
            return found
        assert len(page.items) == limit
        query = replace(query, after=page.position)


def test_each_change_of_a_user_has_its_entry(storage: Storage) -> None:
    """Creation, changes of every kind and the deletion each leave an entry with their version."""
    user = new_user(storage)
    acts = [CREATED]
    changes = [
        user_change(name="Bea"),
        user_change(email="bea@example.com"),
        user_change(name="Ann", versions=frozenset({3})),
        user_change(metadata=patch(team=None, a="1")),
        user_change(email="BEA@example.com", metadata=patch(a="2")),
        user_change(),
    ]
    for number, change in enumerate(changes):
        made, act = changed(change, number)
        storage.change(USERS, (user.user_id,), made)
        acts.append(act)
    expected = [act.entry(version) for version, act in enumerate(acts, 1)]
    assert history(storage, USERS, user.user_id) == expected
    assert [entry.fields for entry in expected[:3]] == [[], ["name"], ["email"]]

    storage.delete(USERS, (user.user_id,), None, NOW, DELETED)
    assert history(storage, USERS, user.user_id) == [*expected, DELETED.entry(8)]
    newest = storage.history(USERS, (user.user_id,), Query(limit=3))
    assert newest.items == [DELETED.entry(8), expected[6], expected[5]]


def test_each_step_of_an_order_has_its_entry(storage: Storage) -> None:
    """An order's steps leave entries, and these stay when its user is deleted."""
    user = new_user(storage)
    order = an_order(user)
    ids = (user.user_id, order.order_id)
    storage.create(ORDERS, order, None, NOW, CREATED)
    acts = [CREATED]
    for number, change in enumerate(
        [
            step("paid", "pending"),
            step("shipped", "paid", metadata=patch(gift=None)),
            step("delivered", "shipped"),
            order_change(metadata=patch(note="ring")),
        ]
    ):
        made, act = changed(change, number)
        storage.change(ORDERS, ids, made)
        acts.append(act)
    expected = [act.entry(version) for version, act in enumerate(acts, 1)]
    assert history(storage, ORDERS, *ids) == expected
    storage.delete(USERS, (user.user_id,), None, NOW, DELETED)
    assert history(storage, ORDERS, *ids) == expected
    assert [entry.version for entry in history(storage, USERS, user.user_id)] == [1, 2]


def test_what_fails_leaves_no_entry(storage: Storage) -> None:
    """Nothing that is refused is in the history: conflicts, stale versions, illegal steps."""
    user, other = new_user(storage), new_user(storage)
    order = an_order(user)
    user_ids, order_ids = (user.user_id,), (user.user_id, order.order_id)
    storage.create(ORDERS, order, None, NOW, CREATED)
    stale = frozenset({7})
    refused: list[tuple[type[Problem], Callable[[], Any]]] = [
        (EmailTaken, lambda: change(USERS, user_ids, user_change(email=other.email))),
        (VersionMismatch, lambda: change(USERS, user_ids, user_change(name="B", versions=stale))),
        (IllegalTransition, lambda: change(ORDERS, order_ids, step("shipped", "paid"))),
        (UserHasOpenOrders, lambda: storage.delete(USERS, user_ids, None, NOW, DELETED)),
        (VersionMismatch, lambda: storage.delete(USERS, user_ids, stale, NOW, DELETED)),
    ]

    def change(resource: Resource[Any], ids: Ids, wanted: Change) -> None:
        made, _ = changed(wanted)
        storage.change(resource, ids, made)

    for problem, operation in refused:
        with pytest.raises(problem):
            operation()
    assert history(storage, USERS, *user_ids) == [CREATED.entry(1)]
    assert history(storage, ORDERS, *order_ids) == [CREATED.entry(1)]


def test_a_refused_creation_leaves_no_history(storage: Storage) -> None:
    """Neither a refused creation nor a replayed one has a history."""
    user, record = a_user(), a_record()
    storage.create(USERS, user, record, NOW, CREATED)
    replayed, taken = a_user(), a_user(email=user.email)

    assert storage.create(USERS, replayed, record, NOW, CREATED) == record
    with pytest.raises(EmailTaken):
        storage.create(USERS, taken, None, NOW, CREATED)
    orphan = an_order(replayed)
    with pytest.raises(UserNotFound):
        storage.create(ORDERS, orphan, None, NOW, CREATED)

    for absent in (replayed, taken):
        with pytest.raises(UserNotFound):
            storage.history(USERS, (absent.user_id,), ALL)
    with pytest.raises(OrderNotFound):
        storage.history(ORDERS, (replayed.user_id, orphan.order_id), ALL)
    assert history(storage, USERS, user.user_id) == [CREATED.entry(1)]


def test_no_other_path_leads_to_a_history(storage: Storage) -> None:
    """An order's history is under its own user alone, before and after entries are many."""
    user, other = new_user(storage), new_user(storage)
    order = an_order(user)
    storage.create(ORDERS, order, None, NOW, CREATED)
    for number in range(20):
        with pytest.raises(OrderNotFound):
            storage.history(ORDERS, (other.user_id, order.order_id), ALL)
        made, _ = changed(order_change(metadata=patch(a=str(number))))
        storage.change(ORDERS, (user.user_id, order.order_id), made)
    assert len(history(storage, ORDERS, user.user_id, order.order_id)) == 21
    assert len(history(storage, USERS, user.user_id)) == 1


@pytest.mark.parametrize("number", [0, 5, 6, 7, 13, 100])
def test_pages_cover_the_whole_history(storage: Storage, number: int) -> None:
    """After any number of changes, pages of any size have each version once, in both orders."""
    user = new_user(storage)
    for place in range(number):
        made, _ = changed(user_change(name=f"N{place}"), place)
        storage.change(USERS, (user.user_id,), made)
    versions = [*range(1, number + 2)]
    for is_deleted in (False, True):
        if is_deleted:
            storage.delete(USERS, (user.user_id,), None, NOW, DELETED)
            versions.append(number + 2)
        for limit in (1, 2, 5, 6, 7, 12, 99, 100):
            for ascending in (True, False):
                found = paged(storage, USERS, (user.user_id,), limit, ascending=ascending)
                assert found == (versions if ascending else versions[::-1]), (limit, ascending)
    last = storage.history(USERS, (user.user_id,), replace(ALL, limit=1)).items[0]
    assert storage.history(USERS, (user.user_id,), Query(limit=9, after=last.id)).items == []


def test_concurrent_changes_each_have_one_entry(storage: Storage) -> None:
    """Of changes at the same time each has an entry of its own version, and none is lost."""
    user = new_user(storage)
    changes = [changed(user_change(name=f"N{place}"), place) for place in range(25)]

    outcomes = concurrently(
        [partial(storage.change, USERS, (user.user_id,), made) for made, _ in changes]
    )

    made = {outcome.version: act for outcome, (_, act) in zip(outcomes, changes, strict=True)}
    expected = [CREATED.entry(1), *(made[version].entry(version) for version in range(2, 27))]
    assert history(storage, USERS, user.user_id) == expected


def test_concurrent_changes_and_the_deletion(storage: Storage) -> None:
    """Whatever changes an entity while it is deleted, the deletion is its last entry."""
    for _ in range(3):
        user = new_user(storage)
        changes = [changed(user_change(name=f"N{place}"), place) for place in range(9)]
        operations: list[Callable[[], Any]] = [
            partial(storage.change, USERS, (user.user_id,), made) for made, _ in changes
        ]
        operations.insert(5, partial(storage.delete, USERS, (user.user_id,), None, NOW, DELETED))

        outcomes = concurrently(operations)

        done = sum(not isinstance(outcome, Problem) for outcome in outcomes)
        entries = history(storage, USERS, user.user_id)
        assert [entry.version for entry in entries] == [*range(1, done + 2)]
        assert entries[-1] == DELETED.entry(done + 1)


def test_it_can_be_turned_off_and_on(storage: Storage) -> None:
    """While nothing is kept, versions have no entries; those before and after are exact."""
    user = new_user(storage)
    ids = (user.user_id,)
    expected = [CREATED.entry(1)]
    version = 1
    for period in range(8):
        for number in range(3):
            version += 1
            wanted = user_change(name=f"N{version}")
            if number == 1:
                wanted = user_change(email=f"n{version}@example.com")
            made, act = changed(wanted, version)
            storage.change(USERS, ids, wanted if period % 2 else made)
            if not period % 2:
                expected.append(act.entry(version))
    assert history(storage, USERS, *ids) == expected
    versions = [entry.version for entry in expected]
    for limit in (1, 4):
        assert paged(storage, USERS, ids, limit, ascending=True) == versions
        assert paged(storage, USERS, ids, limit, ascending=False) == versions[::-1]
    storage.delete(USERS, ids, None, NOW)
    assert history(storage, USERS, *ids) == expected


@pytest.mark.parametrize("first", ["name", "email", "full"])
def test_what_is_older_than_its_history(storage: Storage, first: str) -> None:
    """An entity from before has an empty history, which begins with its next change."""
    metadata = {f"k{place}": "v" for place in range(49)}
    user = a_user(metadata=metadata)
    ids = (user.user_id,)
    storage.create(USERS, user, None, NOW)
    storage.change(USERS, ids, user_change(name="Bea"))
    assert history(storage, USERS, *ids) == []
    wanted = {
        "name": user_change(name="Carla"),
        "email": user_change(email="carla@example.com"),
        "full": user_change(metadata=patch(k0="w", more="v")),
    }[first]

    made, act = changed(wanted)
    storage.change(USERS, ids, made)
    again, later = changed(user_change(name="Dora"), 1)
    storage.change(USERS, ids, again)

    assert history(storage, USERS, *ids) == [act.entry(3), later.entry(4)]


def test_what_was_deleted_before_is_not_found(storage: Storage) -> None:
    """An entity that was deleted without a trace is not found; one with an entry is."""
    without, deleted_only = a_user(), a_user()
    for user in (without, deleted_only):
        storage.create(USERS, user, None, NOW)
    storage.delete(USERS, (without.user_id,), None, NOW)
    storage.delete(USERS, (deleted_only.user_id,), None, NOW, DELETED)

    with pytest.raises(UserNotFound):
        storage.history(USERS, (without.user_id,), ALL)
    assert history(storage, USERS, deleted_only.user_id) == [DELETED.entry(2)]


@pytest.mark.parametrize("number", [0, 8])
def test_children_that_are_deleted_with_their_parent(
    new_storage: MakeStorage, number: int, engine: str
) -> None:
    """The deletion of a parent is an entry of each child that goes with it."""
    storage: Storage = new_storage((*RESOURCES, TEAMS, REMINDERS))
    user = new_user(storage)
    made = [REMINDER_CASE.new(user.user_id) for _ in range(2 if engine == "dynamodb-local" else 3)]
    for reminder in made:
        storage.create(REMINDER_CASE.resource, reminder, None, NOW, CREATED)
    first = (user.user_id, made[0].id)
    for place in range(number):
        change, _ = changed(Change(values={"text": "x"}, updated_at=DELETED.at), place)
        storage.change(REMINDERS, first, change)

    storage.delete(USERS, (user.user_id,), None, NOW, DELETED)

    entries = history(storage, REMINDERS, *first)
    assert [entry.version for entry in entries] == [*range(1, number + 3)]
    assert entries[-1] == DELETED.entry(number + 2)
    for reminder in made[1:]:
        both = [CREATED.entry(1), DELETED.entry(2)]
        assert history(storage, REMINDERS, user.user_id, reminder.id) == both


@pytest.mark.parametrize("case", SYNTHETIC, ids=str)
def test_any_resource_has_a_history(new_storage: MakeStorage, case: StorageCase) -> None:
    """The history of a resource follows from its description, as the rest of its storage does."""
    storage: Storage = new_storage((*RESOURCES, TEAMS, REMINDERS))
    parents = (new_user(storage).user_id,) if case.resource.parent else ()
    entity = case.new(*parents)
    ids = (*parents, entity.id)
    resource: Resource[Any] = case.resource
    storage.create(resource, entity, None, NOW, CREATED)
    change, act = changed(case.change())
    storage.change(resource, ids, change)
    storage.delete(resource, ids, None, NOW, DELETED)

    expected = [CREATED.entry(1), act.entry(2), DELETED.entry(3)]
    assert history(storage, resource, *ids) == expected
