"""Orders: operations of storage on one order, and the precedence of their errors."""

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import TooManyPairs, VersionMismatch
from chalicelib.domain.fields import MAX_SAFE_INTEGER
from chalicelib.domain.orders import (
    ORDERS,
    IllegalTransition,
    Order,
    OrderLine,
    OrderNotFound,
    UserSuspended,
)
from chalicelib.domain.storage import Storage
from chalicelib.domain.users import USERS, User
from tests.support.factories import (
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
    """Return a stored user that may order."""
    user = a_user()
    storage.create(USERS, user, None, NOW)
    return user


@pytest.fixture
def order(storage: Storage, user: User) -> Order:
    """Return a stored new order of the user."""
    order = an_order(user)
    assert storage.create(ORDERS, order, None, NOW) is None
    return order


def test_an_order_may_have_the_largest_allowed_size(storage: Storage, user: User) -> None:
    """A hundred lines of the longest texts, the largest total and full metadata are stored."""
    lines = [
        OrderLine(sku="🦄" * 100, quantity=10_000, unit_price=10**12, name="ü" * 200)
        for _ in range(100)
    ]
    metadata = {f"{place:02}" + "k" * 38: "v" * 500 for place in range(50)}
    order = an_order(user, items=lines, total=MAX_SAFE_INTEGER, metadata=metadata)
    storage.create(ORDERS, order, None, NOW)
    assert storage.get(ORDERS, (user.user_id, order.order_id)) == order


def test_an_order_needs_an_active_user(storage: Storage, user: User) -> None:
    """A suspended user cannot order until it is active again."""
    storage.change(USERS, (user.user_id,), user_change(status="suspended"))
    order = an_order(user)
    with pytest.raises(UserSuspended):
        storage.create(ORDERS, order, None, NOW)
    assert storage.get(ORDERS, (user.user_id, order.order_id)) is None
    storage.change(USERS, (user.user_id,), user_change(status="active"))
    storage.create(ORDERS, order, None, NOW)


def test_an_order_goes_through_its_lifecycle(storage: Storage, order: Order) -> None:
    """Each transition returns the updated order with the next version."""
    steps = [("paid", "pending"), ("shipped", "paid"), ("delivered", "shipped")]
    for version, (status, left) in enumerate(steps, 2):
        changed = storage.change(ORDERS, (order.user_id, order.order_id), step(status, left))
        assert changed == replace(order, status=status, version=version, updated_at=LATER)
        assert storage.get(ORDERS, (order.user_id, order.order_id)) == changed


def test_a_transition_may_start_from_several_statuses(storage: Storage, order: Order) -> None:
    """A paid order is cancelled by a transition from pending or paid."""
    storage.change(ORDERS, (order.user_id, order.order_id), step("paid", "pending"))
    cancel = step("cancelled", "pending", "paid")
    changed = storage.change(ORDERS, (order.user_id, order.order_id), cancel)
    assert changed.status == "cancelled"


@pytest.mark.parametrize("status", ["paid", "shipped", "cancelled", "delivered"])
def test_a_transition_from_another_status_is_illegal(
    storage: Storage, order: Order, status: str
) -> None:
    """An illegal transition names the current status and changes nothing."""
    for leaves in (("shipped",), ()):
        with pytest.raises(IllegalTransition) as raised:
            storage.change(ORDERS, (order.user_id, order.order_id), step(status, *leaves))
        assert raised.value.current == "pending"
    assert storage.get(ORDERS, (order.user_id, order.order_id)) == order


def test_a_closed_order_stays_closed(storage: Storage, order: Order) -> None:
    """A second cancellation is illegal, and decrements the open orders only once."""
    cancel = step("cancelled", "pending", "paid")
    storage.change(ORDERS, (order.user_id, order.order_id), cancel)
    with pytest.raises(IllegalTransition):
        storage.change(ORDERS, (order.user_id, order.order_id), cancel)
    storage.delete(USERS, (order.user_id,), None, NOW)


def test_metadata_of_an_order_can_change_at_any_time(storage: Storage, order: Order) -> None:
    """Metadata is patched or replaced in open and closed orders."""
    change = order_change(metadata=patch(gift=None, note="ring"))
    changed = storage.change(ORDERS, (order.user_id, order.order_id), change)
    assert changed == replace(order, metadata={"note": "ring"}, version=2, updated_at=LATER)
    storage.change(ORDERS, (order.user_id, order.order_id), step("cancelled", "pending"))
    change = order_change(metadata=whole(a="1"))
    changed = storage.change(ORDERS, (order.user_id, order.order_id), change)
    assert (changed.status, changed.metadata) == ("cancelled", {"a": "1"})


@pytest.mark.parametrize("status", ["paid", "cancelled"])
def test_a_transition_and_metadata_are_one_change(
    storage: Storage, order: Order, status: str
) -> None:
    """A change may include a transition and metadata; both happen or neither."""
    change = step(status, "pending", metadata=patch(note="ring"))
    changed = storage.change(ORDERS, (order.user_id, order.order_id), change)
    assert changed.status == status
    assert changed.metadata == {"gift": "yes", "note": "ring"}
    with pytest.raises(IllegalTransition):
        storage.change(
            ORDERS,
            (order.user_id, order.order_id),
            step(status, "pending", metadata=patch(note=None)),
        )
    assert storage.get(ORDERS, (order.user_id, order.order_id)) == changed


@pytest.mark.parametrize("status", ["paid", "cancelled"])
def test_a_transition_at_an_expected_version(storage: Storage, order: Order, status: str) -> None:
    """A transition succeeds at the expected version only."""
    with pytest.raises(VersionMismatch):
        storage.change(
            ORDERS, (order.user_id, order.order_id), step(status, "pending", versions=WRONG)
        )
    change = step(status, "pending", versions=frozenset({1}))
    assert storage.change(ORDERS, (order.user_id, order.order_id), change).version == 2


@pytest.mark.parametrize("status", ["paid", "cancelled"])
def test_the_errors_of_a_transition_have_a_precedence(
    storage: Storage, order: Order, status: str
) -> None:
    """Not found comes first, then the version, too many pairs, and the status."""
    too_many = patch(**{f"k{place}": "v" for place in range(51)})
    wrong = step(status, "shipped", metadata=too_many, versions=WRONG)
    with pytest.raises(OrderNotFound):
        storage.change(ORDERS, (order.user_id, order_id()), wrong)
    with pytest.raises(VersionMismatch):
        storage.change(ORDERS, (order.user_id, order.order_id), wrong)
    with pytest.raises(TooManyPairs):
        storage.change(ORDERS, (order.user_id, order.order_id), replace(wrong, versions=None))
    with pytest.raises(IllegalTransition):
        storage.change(ORDERS, (order.user_id, order.order_id), step(status, "shipped"))
    assert storage.get(ORDERS, (order.user_id, order.order_id)) == order


def test_an_order_of_a_deleted_user_can_be_read(storage: Storage, order: Order) -> None:
    """A closed order outlives its user, and its metadata can still be changed."""
    storage.change(ORDERS, (order.user_id, order.order_id), step("cancelled", "pending"))
    storage.delete(USERS, (order.user_id,), None, NOW)
    change = order_change(metadata=whole(note="archived"))
    changed = storage.change(ORDERS, (order.user_id, order.order_id), change)
    assert storage.get(ORDERS, (order.user_id, order.order_id)) == changed
