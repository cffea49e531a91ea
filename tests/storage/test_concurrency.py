"""Many at once: what has to hold when acts on the same things happen at the same time."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.domain.errors import (
    EmailTaken,
    IllegalTransition,
    Problem,
    TooManyPairs,
    UserHasOpenOrders,
    UserNotFound,
    VersionMismatch,
)
from chalicelib.domain.model import User
from chalicelib.domain.storage import Query, Storage, UserQuery
from tests.storage.things import (
    NOW,
    a_record,
    a_user,
    an_order,
    order_change,
    patch,
    step,
    user_change,
)


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start all acts at the same moment; return what each returned or which problem it raised."""
    outcomes: list[Any] = [None] * len(acts)
    start = threading.Barrier(len(acts))

    def run(place: int) -> None:
        start.wait()
        try:
            outcomes[place] = acts[place]()
        except Exception as error:  # noqa: BLE001 - whatever happens is the outcome
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(acts))]
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


def kinds(outcomes: list[Any]) -> Counter[type]:
    """Count the outcomes by type."""
    return Counter(type(outcome) for outcome in outcomes)


def kept(storage: Storage, **members: object) -> User:
    """Create a user and return it."""
    user = a_user(**members)
    storage.create_user(user, None, NOW)
    return user


def test_of_many_creations_with_one_email_one_succeeds(storage: Storage) -> None:
    """A hundred users at once with one address, in many cases, become one."""
    emails = ["ann@example.com", "Ann@example.com", "ANN@EXAMPLE.COM", "ann@Example.Com"]
    users = [a_user(email=emails[place % 4]) for place in range(100)]
    outcomes = at_once([lambda user=user: storage.create_user(user, None, NOW) for user in users])
    assert kinds(outcomes) == {type(None): 1, EmailTaken: 99}
    listed = storage.list_users(UserQuery(limit=100)).things
    assert [users[outcomes.index(None)]] == listed


def test_of_many_creations_with_one_key_one_succeeds(storage: Storage) -> None:
    """Thirty requests at once with one key create one thing, and all get its answer."""
    key = a_record().key
    pairs = [(a_user(), a_record(key=key)) for _ in range(30)]
    outcomes = at_once(
        [lambda pair=pair: storage.create_user(pair[0], pair[1], NOW) for pair in pairs]
    )
    user, record = pairs[outcomes.index(None)]
    assert storage.list_users(UserQuery(limit=100)).things == [user]
    assert [outcome for outcome in outcomes if outcome is not None] == [record] * 29


def test_of_many_orders_with_one_key_one_is_created(storage: Storage) -> None:
    """Thirty orders at once with one key are one order, counted once."""
    user = kept(storage)
    key = a_record().key
    pairs = [(an_order(user), a_record(key=key)) for _ in range(30)]
    outcomes = at_once(
        [lambda pair=pair: storage.create_order(pair[0], pair[1], NOW) for pair in pairs]
    )
    order, record = pairs[outcomes.index(None)]
    assert storage.list_orders(user.user_id, Query(limit=100)).things == [order]
    assert [outcome for outcome in outcomes if outcome is not None] == [record] * 29
    storage.change_order(user.user_id, order.order_id, step("cancelled", "pending"))
    storage.delete_user(user.user_id, None, NOW)


def test_of_many_steps_at_once_one_is_taken(storage: Storage) -> None:
    """Of fifty that step one order, one does; the others are told where it stands."""
    user = kept(storage)
    order = an_order(user)
    storage.create_order(order, None, NOW)
    pay = step("paid", "pending")
    outcomes = at_once([lambda: storage.change_order(user.user_id, order.order_id, pay)] * 50)
    assert kinds(outcomes)[IllegalTransition] == 49
    assert storage.get_order(user.user_id, order.order_id) in outcomes


def test_of_many_closing_steps_at_once_one_is_taken(storage: Storage) -> None:
    """Of fifty that cancel one order, one does, and it is counted once."""
    user = kept(storage)
    order, other = an_order(user), an_order(user)
    storage.create_order(order, None, NOW)
    storage.create_order(other, None, NOW)
    cancel = step("cancelled", "pending", "paid")
    outcomes = at_once([lambda: storage.change_order(user.user_id, order.order_id, cancel)] * 50)
    assert kinds(outcomes)[IllegalTransition] == 49
    outcomes = at_once([lambda: storage.delete_user(user.user_id, None, NOW)] * 2)
    assert kinds(outcomes) == {UserHasOpenOrders: 2}


def test_of_many_changes_at_one_version_one_wins(storage: Storage) -> None:
    """Of thirty that expect the same version one is made, the rest are refused."""
    user = kept(storage)
    changes = [user_change(name=f"N{place}", versions=frozenset({1})) for place in range(30)]
    outcomes = at_once(
        [lambda change=change: storage.change_user(user.user_id, change) for change in changes]
    )
    assert kinds(outcomes) == {User: 1, VersionMismatch: 29}
    assert storage.get_user(user.user_id) in outcomes


def test_changes_without_a_version_all_happen(storage: Storage) -> None:
    """Thirty changes at once that expect no version are thirty versions, none of them lost."""
    user = kept(storage, metadata={})
    changes = [user_change(metadata=patch(**{f"k{place}": "v"})) for place in range(30)]
    outcomes = at_once(
        [lambda change=change: storage.change_user(user.user_id, change) for change in changes]
    )
    assert sorted(outcome.version for outcome in outcomes) == list(range(2, 32))
    last = storage.get_user(user.user_id)
    assert last is not None
    assert last.metadata == {f"k{place}": "v" for place in range(30)}


def test_patches_at_once_never_pass_the_limit(storage: Storage) -> None:
    """Thirty patches that add a pair each to forty leave fifty: ten made, none of them lost."""
    user = kept(storage)
    order = an_order(user, metadata={f"old{place}": "v" for place in range(40)})
    storage.create_order(order, None, NOW)
    changes = [order_change(metadata=patch(**{f"new{place}": "v"})) for place in range(30)]
    outcomes = at_once(
        [
            lambda change=change: storage.change_order(user.user_id, order.order_id, change)
            for change in changes
        ]
    )
    assert kinds(outcomes)[TooManyPairs] == 20
    last = storage.get_order(user.user_id, order.order_id)
    assert last is not None
    made = {f"new{place}": "v" for place in range(30) if hasattr(outcomes[place], "metadata")}
    assert last.metadata == order.metadata | made
    assert last.version == 11


def test_steps_and_patches_at_once_are_all_made(storage: Storage) -> None:
    """Twenty patches while the order is cancelled: every patch is made, and the step once."""
    user = kept(storage)
    order = an_order(user, metadata={})
    storage.create_order(order, None, NOW)
    changes = [order_change(metadata=patch(**{f"k{place}": "v"})) for place in range(20)]
    changes.insert(10, step("cancelled", "pending"))
    outcomes = at_once(
        [
            lambda change=change: storage.change_order(user.user_id, order.order_id, change)
            for change in changes
        ]
    )
    assert sorted(outcome.version for outcome in outcomes) == list(range(2, 23))
    last = storage.get_order(user.user_id, order.order_id)
    assert last is not None
    assert (last.status, len(last.metadata)) == ("cancelled", 20)
    storage.delete_user(user.user_id, None, NOW)


def test_an_order_is_never_created_for_a_deleted_user(storage: Storage) -> None:
    """Of an order and a deletion at the same moment exactly one happens."""
    for _ in range(10):
        user = kept(storage)
        order = an_order(user)
        created, deleted = at_once(
            [
                lambda order=order: storage.create_order(order, None, NOW),
                lambda user=user: storage.delete_user(user.user_id, None, NOW),
            ]
        )
        kept_order = storage.get_order(user.user_id, order.order_id)
        if storage.get_user(user.user_id) is None:
            assert (type(created), deleted, kept_order) == (UserNotFound, None, None)
        else:
            assert (created, type(deleted), kept_order) == (None, UserHasOpenOrders, order)


def test_of_many_that_take_one_free_email_one_succeeds(storage: Storage) -> None:
    """Twenty users that change to one address at once: one has it, the others keep theirs."""
    users = [kept(storage) for _ in range(20)]
    change = user_change(email="wanted@example.com")
    outcomes = at_once(
        [lambda user=user: storage.change_user(user.user_id, change) for user in users]
    )
    assert kinds(outcomes) == {User: 1, EmailTaken: 19}
    for user, outcome in zip(users, outcomes, strict=True):
        held = outcome if isinstance(outcome, User) else user
        assert storage.list_users(UserQuery(limit=1, email=held.email)).things == [held]


def test_one_user_that_changes_its_email_often_holds_one(storage: Storage) -> None:
    """Ten changes of one user's address at once leave one claim; the others are free again."""
    user = kept(storage)
    emails = [f"ann{place}@example.com" for place in range(10)]
    outcomes = at_once(
        [
            lambda email=email: storage.change_user(user.user_id, user_change(email=email))
            for email in emails
        ]
    )
    assert sorted(outcome.version for outcome in outcomes) == list(range(2, 12))
    last = storage.get_user(user.user_id)
    assert last is not None
    for email in {user.email, *emails} - {last.email}:
        kept(storage, email=email)
