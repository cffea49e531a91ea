"""The services alone: in memory, with a clock and ids that the test controls."""

from itertools import count

import pytest

from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import Forbidden, InvalidCursor, KeyReused
from chalicelib.domain.idempotency import LIFETIME, IdempotencyKey
from chalicelib.domain.orders import (
    IllegalTransition,
    NewOrder,
    OrderLine,
    OrderPatch,
    OrderService,
)
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.users import NewUser, UserListQuery, UserPatch, UserService
from chalicelib.storage.memory import MemoryStorage
from chalicelib.web.cursors import CursorSigner

ADMIN = Caller("boss", is_admin=True)
ANN = NewUser("Ann", "ann@example.com")
KEY = IdempotencyKey("boss", "key", "/users")


class Clock:
    """A clock that the test advances, in milliseconds since the Unix epoch."""

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
    """Return an empty service with numbered ids."""
    numbers = count(1)
    return UserService(
        MemoryStorage(RESOURCES),
        clock,
        lambda prefix, _: f"{prefix}{next(numbers):032x}",
        history=True,
    )


def test_a_service_uses_its_clock_and_ids(users: UserService) -> None:
    """A user is created with the clock's time and a generated id."""
    created = users.create(ADMIN, ANN, None)
    user = users.get("usr_" + "0" * 31 + "1")
    assert created.entity.user_id == user.user_id
    assert user.created_at == user.updated_at == "2026-11-21T00:00:00.000Z"


def test_a_change_has_a_date(users: UserService, clock: Clock) -> None:
    """A change updates updated_at and keeps created_at."""
    users.create(ADMIN, ANN, None)
    clock.now += 1
    user = users.patch(ADMIN, "usr_" + "0" * 31 + "1", UserPatch(name="B"), None)
    assert (user.created_at[-5:], user.updated_at[-5:]) == (".000Z", ".001Z")


def test_a_response_is_kept_for_a_day(users: UserService, clock: Clock) -> None:
    """A key replays for 24 hours, and then works for a new request."""
    first = users.create(ADMIN, ANN, KEY)
    clock.now += LIFETIME * 1000 - 1
    assert users.create(ADMIN, ANN, KEY).entity == first.entity
    with pytest.raises(KeyReused):
        users.create(ADMIN, NewUser("Bob", "bob@example.com"), KEY)
    clock.now += 1
    assert not users.create(ADMIN, NewUser("Bob", "bob@example.com"), KEY).replayed


def test_a_cursor_needs_its_secret() -> None:
    """A cursor signed with another secret is refused."""
    one, other = CursorSigner(lambda: b"one"), CursorSigner(lambda: b"other")
    position, query = "usr_" + "1" * 32, UserListQuery(limit=1)
    cursor = one.sign("/users", query, position)
    assert one.verify("/users", query, cursor, "usr_") == position
    with pytest.raises(InvalidCursor):
        other.verify("/users", query, cursor, "usr_")


def test_a_user_sets_no_status(users: UserService) -> None:
    """Only administrators set a user's status, even to its current value."""
    users.create(ADMIN, ANN, None)
    user_id = "usr_" + "0" * 31 + "1"
    with pytest.raises(Forbidden):
        users.patch(Caller(user_id, is_admin=False), user_id, UserPatch(status="active"), None)


def test_an_illegal_transition_lists_the_legal_ones(clock: Clock) -> None:
    """The error of a transition says which ones are legal."""
    storage = MemoryStorage(RESOURCES)
    users = UserService(storage, clock, lambda prefix, _: prefix + "1", history=False)
    users.create(ADMIN, ANN, None)
    orders = OrderService(storage, clock, lambda prefix, _: prefix + "1", history=False)
    orders.create(ADMIN, "usr_1", NewOrder("EUR", [OrderLine("tea", 1, 1)]), None)
    with pytest.raises(IllegalTransition, match="it can become 'paid' or 'cancelled'"):
        orders.patch(ADMIN, "usr_1", "ord_1", OrderPatch(status="pending"), None)
    orders.patch(ADMIN, "usr_1", "ord_1", OrderPatch(status="cancelled"), None)
    with pytest.raises(IllegalTransition, match="no step leads on"):
        orders.patch(ADMIN, "usr_1", "ord_1", OrderPatch(status="paid"), None)
