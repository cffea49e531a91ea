"""Concurrency: what must hold when operations on the same resources run at the same time."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.domain.errors import Problem, TooManyPairs, VersionMismatch
from chalicelib.domain.orders import ORDERS, IllegalTransition, UserHasOpenOrders
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, EmailTaken, User, UserNotFound
from tests.support.factories import (
    NOW,
    a_record,
    a_user,
    an_order,
    order_change,
    patch,
    step,
    user_change,
)


def concurrently(operations: Sequence[Callable[..., Any]]) -> list[Any]:
    """Run all operations at the same time; return the result or problem of each."""
    outcomes: list[Any] = [None] * len(operations)
    start = threading.Barrier(len(operations))

    def run(place: int) -> None:
        start.wait()
        try:
            outcomes[place] = operations[place]()
        except Exception as error:  # noqa: BLE001 - any exception is an outcome
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(operations))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    faults = [
        one for one in outcomes if isinstance(one, Exception) and not isinstance(one, Problem)
    ]
    if faults:
        raise faults[0]
    return outcomes


def outcome_types(outcomes: list[Any]) -> Counter[type]:
    """Count the outcomes by type."""
    return Counter(type(outcome) for outcome in outcomes)


def new_user(storage: Storage, **members: object) -> User:
    """Create a user and return it."""
    user = a_user(**members)
    storage.create(USERS, user, None, NOW)
    return user


def test_one_of_many_creations_with_an_email_succeeds(storage: Storage) -> None:
    """A hundred concurrent users with one address, in different cases, become one."""
    emails = ["ann@example.com", "Ann@example.com", "ANN@EXAMPLE.COM", "ann@Example.Com"]
    users = [a_user(email=emails[place % 4]) for place in range(100)]
    outcomes = concurrently(
        [lambda user=user: storage.create(USERS, user, None, NOW) for user in users]
    )
    assert outcome_types(outcomes) == {type(None): 1, EmailTaken: 99}
    listed = storage.list(USERS, (), Query(limit=100)).items
    assert [users[outcomes.index(None)]] == listed


def test_one_of_many_creations_with_a_key_succeeds(storage: Storage) -> None:
    """Thirty concurrent requests with one key create one user, and all get its response."""
    key = a_record().key
    pairs = [(a_user(), a_record(key=key)) for _ in range(30)]
    outcomes = concurrently(
        [lambda pair=pair: storage.create(USERS, pair[0], pair[1], NOW) for pair in pairs]
    )
    user, record = pairs[outcomes.index(None)]
    assert storage.list(USERS, (), Query(limit=100)).items == [user]
    assert [outcome for outcome in outcomes if outcome is not None] == [record] * 29


def test_one_of_many_orders_with_a_key_is_created(storage: Storage) -> None:
    """Thirty concurrent orders with one key create one order, counted once."""
    user = new_user(storage)
    key = a_record().key
    pairs = [(an_order(user), a_record(key=key)) for _ in range(30)]
    outcomes = concurrently(
        [lambda pair=pair: storage.create(ORDERS, pair[0], pair[1], NOW) for pair in pairs]
    )
    order, record = pairs[outcomes.index(None)]
    assert storage.list(ORDERS, (user.user_id,), Query(limit=100)).items == [order]
    assert [outcome for outcome in outcomes if outcome is not None] == [record] * 29
    storage.change(ORDERS, (user.user_id, order.order_id), step("cancelled", "pending"))
    storage.delete(USERS, (user.user_id,), None, NOW)


def test_one_of_many_transitions_succeeds(storage: Storage) -> None:
    """One of fifty transitions succeeds; the others fail with the current status."""
    user = new_user(storage)
    order = an_order(user)
    storage.create(ORDERS, order, None, NOW)
    pay = step("paid", "pending")
    outcomes = concurrently(
        [lambda: storage.change(ORDERS, (user.user_id, order.order_id), pay)] * 50
    )
    assert outcome_types(outcomes)[IllegalTransition] == 49
    assert storage.get(ORDERS, (user.user_id, order.order_id)) in outcomes


def test_one_of_many_cancellations_succeeds(storage: Storage) -> None:
    """One of fifty cancellations succeeds, and is counted once."""
    user = new_user(storage)
    order, other = an_order(user), an_order(user)
    storage.create(ORDERS, order, None, NOW)
    storage.create(ORDERS, other, None, NOW)
    cancel = step("cancelled", "pending", "paid")
    outcomes = concurrently(
        [lambda: storage.change(ORDERS, (user.user_id, order.order_id), cancel)] * 50
    )
    assert outcome_types(outcomes)[IllegalTransition] == 49
    outcomes = concurrently([lambda: storage.delete(USERS, (user.user_id,), None, NOW)] * 2)
    assert outcome_types(outcomes) == {UserHasOpenOrders: 2}


def test_one_of_many_changes_to_a_version_succeeds(storage: Storage) -> None:
    """One of thirty changes that expect a version succeeds; the others are refused."""
    user = new_user(storage)
    changes = [user_change(name=f"N{place}", versions=frozenset({1})) for place in range(30)]
    outcomes = concurrently(
        [lambda change=change: storage.change(USERS, (user.user_id,), change) for change in changes]
    )
    assert outcome_types(outcomes) == {User: 1, VersionMismatch: 29}
    assert storage.get(USERS, (user.user_id,)) in outcomes


def test_changes_without_a_version_all_succeed(storage: Storage) -> None:
    """Thirty concurrent changes without an expected version make thirty versions."""
    user = new_user(storage, metadata={})
    changes = [user_change(metadata=patch(**{f"k{place}": "v"})) for place in range(30)]
    outcomes = concurrently(
        [lambda change=change: storage.change(USERS, (user.user_id,), change) for change in changes]
    )
    assert sorted(outcome.version for outcome in outcomes) == list(range(2, 32))
    last = storage.get(USERS, (user.user_id,))
    assert last is not None
    assert last.metadata == {f"k{place}": "v" for place in range(30)}


def test_concurrent_patches_never_exceed_the_limit(storage: Storage) -> None:
    """Of thirty patches that add a pair to forty, ten succeed, and none is lost."""
    user = new_user(storage)
    order = an_order(user, metadata={f"old{place}": "v" for place in range(40)})
    storage.create(ORDERS, order, None, NOW)
    changes = [order_change(metadata=patch(**{f"new{place}": "v"})) for place in range(30)]
    outcomes = concurrently(
        [
            lambda change=change: storage.change(ORDERS, (user.user_id, order.order_id), change)
            for change in changes
        ]
    )
    assert outcome_types(outcomes)[TooManyPairs] == 20
    last = storage.get(ORDERS, (user.user_id, order.order_id))
    assert last is not None
    made = {f"new{place}": "v" for place in range(30) if hasattr(outcomes[place], "metadata")}
    assert last.metadata == order.metadata | made
    assert last.version == 11


def test_concurrent_transitions_and_patches_all_succeed(storage: Storage) -> None:
    """Twenty patches during a cancellation all succeed, and the cancellation once."""
    user = new_user(storage)
    order = an_order(user, metadata={})
    storage.create(ORDERS, order, None, NOW)
    changes = [order_change(metadata=patch(**{f"k{place}": "v"})) for place in range(20)]
    changes.insert(10, step("cancelled", "pending"))
    outcomes = concurrently(
        [
            lambda change=change: storage.change(ORDERS, (user.user_id, order.order_id), change)
            for change in changes
        ]
    )
    assert sorted(outcome.version for outcome in outcomes) == list(range(2, 23))
    last = storage.get(ORDERS, (user.user_id, order.order_id))
    assert last is not None
    assert (last.status, len(last.metadata)) == ("cancelled", 20)
    storage.delete(USERS, (user.user_id,), None, NOW)


def test_an_order_is_never_created_for_a_deleted_user(storage: Storage) -> None:
    """Of a concurrent order and deletion exactly one succeeds."""
    for _ in range(10):
        user = new_user(storage)
        order = an_order(user)
        created, deleted = concurrently(
            [
                lambda order=order: storage.create(ORDERS, order, None, NOW),
                lambda user=user: storage.delete(USERS, (user.user_id,), None, NOW),
            ]
        )
        kept_order = storage.get(ORDERS, (user.user_id, order.order_id))
        if storage.get(USERS, (user.user_id,)) is None:
            assert (type(created), deleted, kept_order) == (UserNotFound, None, None)
        else:
            assert (created, type(deleted), kept_order) == (None, UserHasOpenOrders, order)


def test_one_of_many_changes_to_a_free_email_succeeds(storage: Storage) -> None:
    """Of twenty users that change to one address, one gets it; the others keep theirs."""
    users = [new_user(storage) for _ in range(20)]
    change = user_change(email="wanted@example.com")
    outcomes = concurrently(
        [lambda user=user: storage.change(USERS, (user.user_id,), change) for user in users]
    )
    assert outcome_types(outcomes) == {User: 1, EmailTaken: 19}
    for user, outcome in zip(users, outcomes, strict=True):
        held = outcome if isinstance(outcome, User) else user
        assert storage.list(USERS, (), Query(limit=1, filters={"email": held.email})).items == [
            held
        ]


def test_a_user_that_changes_its_email_often_holds_one(storage: Storage) -> None:
    """Ten concurrent changes of a user's address leave one claimed; the others are free."""
    user = new_user(storage)
    emails = [f"ann{place}@example.com" for place in range(10)]
    outcomes = concurrently(
        [
            lambda email=email: storage.change(USERS, (user.user_id,), user_change(email=email))
            for email in emails
        ]
    )
    assert sorted(outcome.version for outcome in outcomes) == list(range(2, 12))
    last = storage.get(USERS, (user.user_id,))
    assert last is not None
    for email in {user.email, *emails} - {last.email}:
        new_user(storage, email=email)
