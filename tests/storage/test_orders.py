"""Orders: the acts of storage on one order, and the order of their errors."""

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import (
    IllegalTransition,
    OrderNotFound,
    TooManyPairs,
    UserNotFound,
    UserSuspended,
    VersionMismatch,
)
from chalicelib.domain.model import MAX_SAFE_INTEGER, Item, Order, User
from chalicelib.domain.storage import Storage
from tests.storage.things import (
    LATER,
    NOW,
    a_user,
    an_order,
    order_change,
    order_id,
    patch,
    step,
    user_change,
    whole,
)

WRONG = frozenset({7})


@pytest.fixture
def user(storage: Storage) -> User:
    """Keep a user that may order."""
    user = a_user()
    storage.create_user(user, None, NOW)
    return user


@pytest.fixture
def order(storage: Storage, user: User) -> Order:
    """Keep a new order of the user."""
    order = an_order(user)
    assert storage.create_order(order, None, NOW) is None
    return order


def test_a_new_order_is_read_as_it_was_given(storage: Storage, order: Order) -> None:
    """What was created is what is read, lines with and without a name included."""
    assert storage.get_order(order.user_id, order.order_id) == order


def test_an_order_is_reached_only_under_its_user(storage: Storage, order: Order) -> None:
    """Another user's path leads to no order, neither to read nor to change."""
    other = a_user()
    storage.create_user(other, None, NOW)
    assert storage.get_order(other.user_id, order.order_id) is None
    with pytest.raises(OrderNotFound):
        storage.change_order(other.user_id, order.order_id, step("paid", "pending"))
    assert storage.get_order(order.user_id, order_id()) is None


def test_an_order_may_be_as_large_as_the_rules_allow(storage: Storage, user: User) -> None:
    """A hundred lines of the longest texts, the largest total and full metadata are kept."""
    lines = [
        Item(sku="🦄" * 100, quantity=10_000, unit_price=10**12, name="ü" * 200) for _ in range(100)
    ]
    metadata = {f"{place:02}" + "k" * 38: "v" * 500 for place in range(50)}
    order = an_order(user, items=lines, total=MAX_SAFE_INTEGER, metadata=metadata)
    storage.create_order(order, None, NOW)
    assert storage.get_order(user.user_id, order.order_id) == order


def test_an_order_needs_its_user(storage: Storage) -> None:
    """There is no order for a user that does not exist."""
    order = an_order(a_user())
    with pytest.raises(UserNotFound):
        storage.create_order(order, None, NOW)
    assert storage.get_order(order.user_id, order.order_id) is None


def test_an_order_needs_an_active_user(storage: Storage, user: User) -> None:
    """A suspended user cannot order until it is active again."""
    storage.change_user(user.user_id, user_change(status="suspended"))
    order = an_order(user)
    with pytest.raises(UserSuspended):
        storage.create_order(order, None, NOW)
    assert storage.get_order(user.user_id, order.order_id) is None
    storage.change_user(user.user_id, user_change(status="active"))
    storage.create_order(order, None, NOW)


def test_a_deleted_user_cannot_order(storage: Storage, user: User) -> None:
    """An order comes too late for a user that was deleted."""
    storage.delete_user(user.user_id, None, NOW)
    with pytest.raises(UserNotFound):
        storage.create_order(an_order(user), None, NOW)


def test_an_order_goes_through_its_life(storage: Storage, order: Order) -> None:
    """Each step gives the order as it is then, one version further."""
    steps = [("paid", "pending"), ("shipped", "paid"), ("delivered", "shipped")]
    for version, (status, left) in enumerate(steps, 2):
        changed = storage.change_order(order.user_id, order.order_id, step(status, left))
        assert changed == replace(order, status=status, version=version, updated_at=LATER)
        assert storage.get_order(order.user_id, order.order_id) == changed


def test_a_step_may_leave_one_of_several_states(storage: Storage, order: Order) -> None:
    """A paid order is cancelled by a step that leaves pending or paid."""
    storage.change_order(order.user_id, order.order_id, step("paid", "pending"))
    cancel = step("cancelled", "pending", "paid")
    changed = storage.change_order(order.user_id, order.order_id, cancel)
    assert changed.status == "cancelled"


@pytest.mark.parametrize("status", ["paid", "shipped", "cancelled", "delivered"])
def test_a_step_from_another_state_is_illegal(storage: Storage, order: Order, status: str) -> None:
    """A step that may not leave the present state names it and changes nothing."""
    for leaves in (("shipped",), ()):
        with pytest.raises(IllegalTransition) as raised:
            storage.change_order(order.user_id, order.order_id, step(status, *leaves))
        assert raised.value.current == "pending"
    assert storage.get_order(order.user_id, order.order_id) == order


def test_a_closed_order_stays_closed(storage: Storage, order: Order) -> None:
    """A second cancellation is illegal, and counts the open orders down only once."""
    cancel = step("cancelled", "pending", "paid")
    storage.change_order(order.user_id, order.order_id, cancel)
    with pytest.raises(IllegalTransition):
        storage.change_order(order.user_id, order.order_id, cancel)
    storage.delete_user(order.user_id, None, NOW)


def test_metadata_of_an_order_can_change_at_any_time(storage: Storage, order: Order) -> None:
    """Pairs are patched or replaced in an open and in a closed order."""
    change = order_change(metadata=patch(gift=None, note="ring"))
    changed = storage.change_order(order.user_id, order.order_id, change)
    assert changed == replace(order, metadata={"note": "ring"}, version=2, updated_at=LATER)
    storage.change_order(order.user_id, order.order_id, step("cancelled", "pending"))
    change = order_change(metadata=whole(a="1"))
    changed = storage.change_order(order.user_id, order.order_id, change)
    assert (changed.status, changed.metadata) == ("cancelled", {"a": "1"})


@pytest.mark.parametrize("status", ["paid", "cancelled"])
def test_a_step_and_metadata_are_one_change(storage: Storage, order: Order, status: str) -> None:
    """A change may take a step and patch pairs; both or neither happen."""
    change = step(status, "pending", metadata=patch(note="ring"))
    changed = storage.change_order(order.user_id, order.order_id, change)
    assert changed.status == status
    assert changed.metadata == {"gift": "yes", "note": "ring"}
    with pytest.raises(IllegalTransition):
        storage.change_order(
            order.user_id, order.order_id, step(status, "pending", metadata=patch(note=None))
        )
    assert storage.get_order(order.user_id, order.order_id) == changed


@pytest.mark.parametrize("status", ["paid", "cancelled"])
def test_a_step_at_an_expected_version(storage: Storage, order: Order, status: str) -> None:
    """Another version refuses a step, the expected one takes it."""
    with pytest.raises(VersionMismatch):
        storage.change_order(order.user_id, order.order_id, step(status, "pending", versions=WRONG))
    change = step(status, "pending", versions=frozenset({1}))
    assert storage.change_order(order.user_id, order.order_id, change).version == 2


@pytest.mark.parametrize("status", ["paid", "cancelled"])
def test_the_errors_of_a_step_have_an_order(storage: Storage, order: Order, status: str) -> None:
    """Not found comes first, then the version, too many pairs, and the state."""
    too_many = patch(**{f"k{place}": "v" for place in range(51)})
    wrong = step(status, "shipped", metadata=too_many, versions=WRONG)
    with pytest.raises(OrderNotFound):
        storage.change_order(order.user_id, order_id(), wrong)
    with pytest.raises(VersionMismatch):
        storage.change_order(order.user_id, order.order_id, wrong)
    with pytest.raises(TooManyPairs):
        storage.change_order(order.user_id, order.order_id, replace(wrong, versions=None))
    with pytest.raises(IllegalTransition):
        storage.change_order(order.user_id, order.order_id, step(status, "shipped"))
    assert storage.get_order(order.user_id, order.order_id) == order


def test_an_order_of_a_deleted_user_can_be_read(storage: Storage, order: Order) -> None:
    """A closed order outlives its user, and its metadata can still be changed."""
    storage.change_order(order.user_id, order.order_id, step("cancelled", "pending"))
    storage.delete_user(order.user_id, None, NOW)
    change = order_change(metadata=whole(note="archived"))
    changed = storage.change_order(order.user_id, order.order_id, change)
    assert storage.get_order(order.user_id, order.order_id) == changed
