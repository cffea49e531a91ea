"""Lists: pages in both directions, bounds, filters, and concurrent changes."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.orders import ORDERS, Order
from chalicelib.domain.storage import Page, Query, Storage
from chalicelib.domain.users import USERS, User, UserNotFound
from tests.support.factories import NOW, a_user, an_order, order_id, step, user_change, user_id

MOST_PAGES = 60

ListOf = Callable[[Query], Page[Any]]


def some_users(storage: Storage, count: int, **members: object) -> list[User]:
    """Create users, oldest first."""
    users = [a_user(**members) for _ in range(count)]
    for user in users:
        storage.create(USERS, user, None, NOW)
    return users


def some_orders(storage: Storage, user: User, count: int) -> list[Order]:
    """Create orders of the user, oldest first."""
    orders = [an_order(user) for _ in range(count)]
    for order in orders:
        storage.create(ORDERS, order, None, NOW)
    return orders


def pages_of(read: ListOf, query: Query) -> list[list[Any]]:
    """Return all pages in order."""
    pages: list[list[Any]] = []
    while len(pages) < MOST_PAGES:
        page = read(query)
        pages.append(page.items)
        assert len(page.items) <= query.limit
        if page.position is None:
            return pages
        query = replace(query, after=page.position)
    raise AssertionError("the list does not end")


def all_of(read: ListOf, query: Query) -> list[Any]:
    """Return the items of all pages."""
    return [item for page in pages_of(read, query) for item in page]


def orders_of(storage: Storage, user: User) -> ListOf:
    """Return a function that lists the user's orders."""
    return lambda query: storage.list(ORDERS, (user.user_id,), query)


def users_of(storage: Storage) -> ListOf:
    """Return a function that lists users."""
    return lambda query: storage.list(USERS, (), Query(**as_members(query)))


def as_members(query: Query) -> dict[str, Any]:
    """Return the query's fields."""
    return {name: getattr(query, name) for name in query.__struct_fields__}


def test_an_empty_list_of_users_is_one_empty_page(storage: Storage) -> None:
    """Without users, the first page is empty and the last."""
    assert storage.list(USERS, (), Query(limit=20)) == Page([], None)


@pytest.mark.parametrize("ascending", [False, True])
def test_bounds_limit_a_list(
    storage: Storage,
    ascending: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """The lower bound is inclusive, the upper one exclusive; neither must exist."""
    users = some_users(storage, 6)
    ids = [user.user_id for user in users]
    cases = [
        (ids[2], None, users[2:]),
        (None, ids[4], users[:4]),
        (ids[1], ids[5], users[1:5]),
        (ids[3], ids[3], []),
        (ids[4], ids[2], []),
        (ids[0][:-20] + "0" * 20, user_id(), users),
        (user_id(), None, []),
        ("usr_" + "0" * 32, "usr_" + "f" * 32, users),
        (None, "usr_" + "0" * 32, []),
    ]
    for from_id, to_id, expected in cases:
        query = Query(limit=2, ascending=ascending, from_id=from_id, to_id=to_id)
        found = all_of(users_of(storage), query)
        assert found == (expected if ascending else expected[::-1])


@pytest.mark.parametrize("ascending", [False, True])
def test_bounds_limit_a_list_of_orders(
    storage: Storage,
    ascending: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """Bounds apply to orders; an empty range does not mean a missing user."""
    (user,) = some_users(storage, 1)
    orders = some_orders(storage, user, 5)
    ids = [order.order_id for order in orders]
    cases = [
        (ids[2], None, orders[2:]),
        (None, ids[3], orders[:3]),
        (ids[1], ids[4], orders[1:4]),
        (ids[3], ids[1], []),
        (order_id(), None, []),
        (None, "ord_" + "0" * 32, []),
    ]
    for from_id, to_id, expected in cases:
        query = Query(limit=2, ascending=ascending, from_id=from_id, to_id=to_id)
        found = all_of(orders_of(storage, user), query)
        assert found == (expected if ascending else expected[::-1])


def test_a_position_need_not_exist(storage: Storage) -> None:
    """A page continues after a position whose user was deleted, or that is out of bounds."""
    users = some_users(storage, 4)
    storage.delete(USERS, (users[2].user_id,), None, NOW)
    gone = users[2].user_id
    assert storage.list(USERS, (), Query(limit=5, after=gone)).items == users[1::-1]
    newer = Query(limit=5, after=gone, ascending=True)
    assert storage.list(USERS, (), newer).items == users[3:]
    outside = Query(limit=5, after=user_id(), to_id=users[1].user_id)
    assert storage.list(USERS, (), outside).items == users[:1]
    outside = Query(limit=5, after=users[0].user_id, from_id=gone, ascending=True)
    assert storage.list(USERS, (), outside).items == users[3:]


@pytest.mark.parametrize("ascending", [False, True])
def test_a_filter_by_status_fills_its_pages(
    storage: Storage,
    ascending: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """Filtered rows leave no gaps: each page but the last is full."""
    users = some_users(storage, 24)
    suspended = [
        storage.change(USERS, (user.user_id,), user_change(status="suspended"))
        for user in users[::5]
    ]
    query = Query(limit=2, ascending=ascending, filters={"status": "suspended"})
    pages = pages_of(users_of(storage), query)
    assert [user for page in pages for user in page] == (
        suspended if ascending else suspended[::-1]
    )
    assert [len(page) for page in pages] == [2, 2, 1]


def test_orders_can_be_filtered_by_status(storage: Storage) -> None:
    """Only orders with the status are listed; an empty page does not mean a missing user."""
    (user,) = some_users(storage, 1)
    orders = some_orders(storage, user, 9)
    paid = [
        storage.change(ORDERS, (user.user_id, order.order_id), step("paid", "pending"))
        for order in orders[::4]
    ]
    assert (
        all_of(orders_of(storage, user), Query(limit=2, filters={"status": "paid"})) == paid[::-1]
    )
    shipped = storage.list(ORDERS, (user.user_id,), Query(limit=2, filters={"status": "shipped"}))
    assert shipped == Page([], None)


def test_a_user_is_found_by_its_email(storage: Storage) -> None:
    """The filter finds one user by e-mail in any case, combined with other filters."""
    user, other = some_users(storage, 2)
    for email in (user.email, user.email.upper()):
        assert storage.list(USERS, (), Query(limit=1, filters={"email": email})) == Page(
            [user], None
        )
    assert storage.list(USERS, (), Query(limit=1, filters={"email": "nobody@example.com"})) == Page(
        [], None
    )
    empty = [
        Query(limit=1, filters={"email": user.email, "status": "suspended"}),
        Query(limit=1, from_id=other.user_id, filters={"email": user.email}),
        Query(limit=1, to_id=user.user_id, filters={"email": user.email}),
        Query(limit=1, after=user.user_id, filters={"email": user.email}),
    ]
    for query in empty:
        assert storage.list(USERS, (), query) == Page([], None)
    storage.change(USERS, (user.user_id,), user_change(email="new@example.com"))
    assert storage.list(USERS, (), Query(limit=1, filters={"email": user.email})) == Page([], None)


def test_orders_of_a_missing_user_are_not_found(storage: Storage) -> None:
    """A list of orders needs a user or remaining orders, whatever the query."""
    for query in (
        Query(limit=5),
        Query(limit=5, ascending=True),
        Query(limit=5, filters={"status": "paid"}),
        Query(limit=5, from_id=order_id()),
        Query(limit=5, to_id=order_id()),
        Query(limit=5, after=order_id(), ascending=True),
        Query(limit=5, from_id=order_id(), to_id="ord_0"),
    ):
        with pytest.raises(UserNotFound):
            storage.list(ORDERS, (user_id(),), query)


def test_a_user_without_orders_has_an_empty_list(storage: Storage) -> None:
    """A user without orders has one empty page, whatever the query."""
    (user,) = some_users(storage, 1)
    for query in (
        Query(limit=1),
        Query(limit=1, ascending=True),
        Query(limit=1, filters={"status": "paid"}),
        Query(limit=1, from_id=order_id()),
        Query(limit=1, to_id=order_id()),
        Query(limit=1, from_id=order_id(), to_id="ord_0"),
    ):
        assert storage.list(ORDERS, (user.user_id,), query) == Page([], None)


def test_orders_of_a_deleted_user_are_listed(storage: Storage) -> None:
    """Orders of a deleted user are listed; an empty range does not mean a missing user."""
    (user,) = some_users(storage, 1)
    orders = some_orders(storage, user, 3)
    closed = [
        storage.change(ORDERS, (user.user_id, order.order_id), step("cancelled", "pending"))
        for order in orders
    ]
    storage.delete(USERS, (user.user_id,), None, NOW)
    for ascending in (False, True):
        query = Query(limit=2, ascending=ascending)
        found = all_of(orders_of(storage, user), query)
        assert found == (closed if ascending else closed[::-1])
    for query in (
        Query(limit=2, filters={"status": "paid"}),
        Query(limit=2, from_id=order_id()),
        Query(limit=2, to_id="ord_0"),
    ):
        assert storage.list(ORDERS, (user.user_id,), query) == Page([], None)


@pytest.mark.parametrize("ascending", [False, True])
def test_no_row_is_skipped_or_shown_twice(
    storage: Storage,
    ascending: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """Users that stay are listed once each, while others are created and deleted."""
    users = some_users(storage, 12)
    stay = users[::2]
    query = Query(limit=2, ascending=ascending)
    seen: list[User] = []
    for leaver in [*users[1::2], None, None, None, None, None]:
        page = storage.list(USERS, (), query)
        seen += page.items
        if page.position is None:
            break
        if leaver is not None:
            storage.delete(USERS, (leaver.user_id,), None, NOW)
        some_users(storage, 1)
        query = replace(query, after=page.position)
    listed = [user for user in seen if user in stay]
    assert listed == (stay if ascending else stay[::-1])
    assert len({user.user_id for user in seen}) == len(seen)
