"""The services by themselves: in memory, with a clock and ids of the test's making."""

from itertools import count

import pytest

from chalicelib.domain.errors import Forbidden, IllegalTransition, InvalidCursor, KeyReused
from chalicelib.domain.idempotency import LIFETIME, IdempotencyKey
from chalicelib.domain.model import Item
from chalicelib.domain.orders import NewOrder, OrderPatch, OrderService
from chalicelib.domain.pagination import UserListQuery
from chalicelib.domain.users import NewUser, UserPatch, UserService
from chalicelib.security.permissions import Caller
from chalicelib.storage.memory import MemoryStorage

ADMIN = Caller("boss", is_admin=True)
ANN = NewUser("Ann", "ann@example.com")
KEY = IdempotencyKey("boss", "key")


class Clock:
    """A clock that goes when it is told to; milliseconds since the Unix epoch."""

    def __init__(self) -> None:
        self.now = 1_795_219_200_000

    def __call__(self) -> int:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock at midnight."""
    return Clock()


@pytest.fixture
def users(clock: Clock) -> UserService:
    """Return a service with nobody in it, whose ids are numbered."""
    numbers = count(1)
    return UserService(
        MemoryStorage(), lambda: b"secret", clock, lambda prefix, _: f"{prefix}{next(numbers):032x}"
    )


def test_a_service_takes_its_clock_and_ids(users: UserService) -> None:
    """A user is made at the clock's time under the maker's id."""
    created = users.create(ANN, None)
    user = users.get("usr_" + "0" * 31 + "1")
    assert created.location == f"/users/{user.user_id}"
    assert user.created_at == user.updated_at == "2026-11-21T00:00:00.000Z"


def test_a_change_is_dated(users: UserService, clock: Clock) -> None:
    """A change moves updated_at and leaves created_at."""
    users.create(ANN, None)
    clock.now += 1
    user = users.patch(ADMIN, "usr_" + "0" * 31 + "1", UserPatch(name="B"), None)
    assert (user.created_at[-5:], user.updated_at[-5:]) == (".000Z", ".001Z")


def test_an_answer_is_kept_for_a_day(users: UserService, clock: Clock) -> None:
    """A key replays until 24 hours are over, and then stands for a new request."""
    first = users.create(ANN, KEY)
    clock.now += LIFETIME * 1000 - 1
    assert users.create(ANN, KEY).body == first.body
    with pytest.raises(KeyReused):
        users.create(NewUser("Bob", "bob@example.com"), KEY)
    clock.now += 1
    assert not users.create(NewUser("Bob", "bob@example.com"), KEY).replayed


def test_a_cursor_needs_its_secret(clock: Clock) -> None:
    """A cursor signed with one secret is none under another."""
    storage = MemoryStorage()
    one, other = (UserService(storage, lambda s=s: s, clock) for s in (b"one", b"other"))  # type: ignore[misc]
    one.create(ANN, None)
    one.create(NewUser("Bob", "bob@example.com"), None)
    cursor = one.list(UserListQuery(limit=1)).next_cursor
    assert len(one.list(UserListQuery(cursor=cursor)).users) == 1
    with pytest.raises(InvalidCursor):
        other.list(UserListQuery(cursor=cursor))


def test_a_user_sets_no_status(users: UserService) -> None:
    """Only administrators set a user's status, even to what it is."""
    users.create(ANN, None)
    user_id = "usr_" + "0" * 31 + "1"
    with pytest.raises(Forbidden):
        users.patch(Caller(user_id, is_admin=False), user_id, UserPatch(status="active"), None)


def test_a_refused_step_names_the_legal_ones(clock: Clock) -> None:
    """The refusal of a step says which steps are open."""
    storage = MemoryStorage()
    UserService(storage, lambda: b"s", clock, lambda prefix, _: prefix + "1").create(ANN, None)
    orders = OrderService(storage, lambda: b"s", clock, lambda prefix, _: prefix + "1")
    orders.create("usr_1", NewOrder("EUR", [Item("tea", 1, 1)]), None)
    with pytest.raises(IllegalTransition, match="it can become 'paid' or 'cancelled'"):
        orders.patch(ADMIN, "usr_1", "ord_1", OrderPatch(status="pending"), None)
    orders.patch(ADMIN, "usr_1", "ord_1", OrderPatch(status="cancelled"), None)
    with pytest.raises(IllegalTransition, match="no step leads on"):
        orders.patch(ADMIN, "usr_1", "ord_1", OrderPatch(status="paid"), None)
