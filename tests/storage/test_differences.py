"""Differential tests: random operations have the same outcome on every engine and in memory."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from chalicelib.domain.errors import Problem
from chalicelib.domain.history import Act, Action
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.metadata import MetadataChange
from chalicelib.domain.orders import ORDERS, IllegalTransition, Order
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Change, Guard
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, User
from chalicelib.storage.memory import MemoryStorage
from tests.storage.conftest import MakeStorage
from tests.support.factories import NOW, a_record, a_user, an_act, an_order

EMAILS = st.sampled_from(
    [f"{name}@example.com" for name in ("ann", "ANN", "bea", "c", "d", "e", "f", "g")]
)
KEYS = st.sampled_from([None, None, None, "k1", "k2"])
NAMES = st.sampled_from(["Ann", "Łucja 🦄", "B"])
STATUSES = st.sampled_from(["active", "suspended"])
STATES = st.sampled_from(["pending", "paid", "shipped", "delivered", "cancelled"])
SECONDS = st.integers(0, 2)
VERSIONS = st.sampled_from([None, None, {1}, {1, 2, 3, 4, 5}, {9}, set()]).map(
    lambda versions: versions if versions is None else frozenset(versions)
)
PAIR_NAMES = st.sampled_from([f"k{place}" for place in range(60)] + ["a.b", "ü", " "])
NEARLY_FULL = {f"k{place}": "v" for place in range(49)}
WHOLE = st.dictionaries(PAIR_NAMES, st.just("v"), max_size=5) | st.just(NEARLY_FULL)
PATCH = st.dictionaries(PAIR_NAMES, st.sampled_from([None, "v", "w"]), max_size=8)
CHANGES = WHOLE.map(lambda pairs: MetadataChange(pairs, merge=False)) | PATCH.map(
    lambda pairs: MetadataChange(pairs, merge=True)
)
LIFE = {
    "paid": frozenset({"pending"}),
    "shipped": frozenset({"paid"}),
    "delivered": frozenset({"shipped"}),
    "cancelled": frozenset({"pending", "paid"}),
}


def members(**some: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for any subset of the members."""
    return st.fixed_dictionaries({}, optional=some)


class Machine(RuleBasedStateMachine):
    """Runs operations on an engine and on the model; raises AssertionError if they differ."""

    users = Bundle("users")
    orders = Bundle("orders")

    def __init__(self, make_storage: Callable[[], Storage]) -> None:
        super().__init__()
        self._engine = make_storage()
        self._model = MemoryStorage(RESOURCES)
        self._now = NOW
        self._ids: list[tuple[str, str]] = []
        self._is_kept = True
        self._requests = 0

    def teardown(self) -> None:
        """Close the engine's connections."""
        self._engine.close()

    def both(self, operation: Callable[..., Any]) -> Any:
        """Run the operation on both; return the result, or None for a problem."""
        expected, outcome = _outcome(operation, self._model), _outcome(operation, self._engine)
        assert outcome == expected
        return outcome[1]

    @rule(
        target=users,
        email=EMAILS,
        name=NAMES,
        metadata=WHOLE,
        status=STATUSES,
        key=KEYS,
        seconds=SECONDS,
    )
    def create_user(
        self, key: str | None, seconds: int, metadata: dict[str, str], **some: str
    ) -> User | MultipleResults[User]:
        """Create a user, with or without a record."""
        user = a_user(metadata=dict(list(metadata.items())[:50]), **some)
        record = self._record(key, seconds)
        act = self._act("created")
        self.both(lambda storage: storage.create(USERS, user, record, self._now, act))
        return user if self._model.get(USERS, (user.user_id,)) else multiple()

    @rule(
        user=users,
        change=members(name=NAMES, email=EMAILS, status=STATUSES, metadata=CHANGES),
        versions=VERSIONS,
    )
    def change_user(
        self, user: User, change: dict[str, Any], versions: frozenset[int] | None
    ) -> None:
        """Change some fields of a user."""
        made = Change(
            values=change,
            versions=versions,
            updated_at="2026-11-22T10:00:00.000Z",
            act=self._act("changed", *change),
        )
        self.both(lambda storage: storage.change(USERS, (user.user_id,), made))

    @rule(user=users, versions=VERSIONS)
    def delete_user(self, user: User, versions: frozenset[int] | None) -> None:
        """Delete a user."""
        act = self._act("deleted")
        self.both(lambda storage: storage.delete(USERS, (user.user_id,), versions, self._now, act))

    @rule(target=orders, user=users, metadata=WHOLE, key=KEYS, seconds=SECONDS)
    def create_order(
        self, user: User, metadata: dict[str, str], key: str | None, seconds: int
    ) -> Order | MultipleResults[Order]:
        """Create an order, with or without a record."""
        order = an_order(user, metadata=dict(list(metadata.items())[:50]))
        record = self._record(key, seconds)
        act = self._act("created")
        self.both(lambda storage: storage.create(ORDERS, order, record, self._now, act))
        if self._model.get(ORDERS, (order.user_id, order.order_id)) is None:
            return multiple()
        self._ids.append((order.user_id, order.order_id))
        return order

    @rule(
        order=orders,
        status=st.sampled_from(sorted(LIFE)),
        change=members(metadata=CHANGES),
        versions=VERSIONS,
    )
    def step_order(
        self,
        order: Order,
        status: str,
        change: dict[str, Any],
        versions: frozenset[int] | None,
    ) -> None:
        """Change an order's status, and possibly its metadata."""
        made = Change(
            values={**change, "status": status},
            guard=Guard("status", LIFE[status], IllegalTransition),
            versions=versions,
            updated_at="2026-11-22T10:00:00.000Z",
            act=self._act("changed", "status", *change),
        )
        self.both(lambda storage: storage.change(ORDERS, (order.user_id, order.order_id), made))

    @rule(order=orders, metadata=CHANGES, versions=VERSIONS)
    def change_order(
        self, order: Order, metadata: MetadataChange, versions: frozenset[int] | None
    ) -> None:
        """Change an order's metadata."""
        made = Change(
            values={"metadata": metadata},
            versions=versions,
            updated_at="2026-11-22T10:00:00.000Z",
            act=self._act("changed", "metadata"),
        )
        self.both(lambda storage: storage.change(ORDERS, (order.user_id, order.order_id), made))

    @rule(
        limit=st.integers(1, 4),
        ascending=st.booleans(),
        bounds=st.just({})
        | members(after=users)
        | members(after=users, from_id=users, to_id=users),
        filters=st.just({}) | members(status=STATUSES) | members(email=EMAILS),
    )
    def list_users(
        self,
        limit: int,
        ascending: bool,  # noqa: FBT001 - drawn by the rule
        bounds: dict[str, User],
        filters: dict[str, str],
    ) -> None:
        """Read a page of users."""
        ids = {name: user.user_id for name, user in bounds.items()}
        query = Query(limit=limit, ascending=ascending, **ids, filters=filters)
        self.both(lambda storage: storage.list(USERS, (), query))

    @rule(
        user=users,
        limit=st.integers(1, 4),
        ascending=st.booleans(),
        bounds=st.just({})
        | members(after=orders)
        | members(after=orders, from_id=orders, to_id=orders),
        filters=members(status=STATES),
    )
    def list_orders(
        self,
        user: User,
        limit: int,
        ascending: bool,  # noqa: FBT001 - drawn by the rule
        bounds: dict[str, Order],
        filters: dict[str, str],
    ) -> None:
        """Read a page of a user's orders."""
        ids = {name: order.order_id for name, order in bounds.items()}
        query = Query(limit=limit, ascending=ascending, **ids, filters=filters)
        self.both(lambda storage: storage.list(ORDERS, (user.user_id,), query))

    @rule(
        user=users,
        order=st.none() | orders,
        limit=st.integers(1, 9),
        ascending=st.booleans(),
        after=st.none() | st.integers(0, 12),
    )
    def read_history(
        self,
        user: User,
        order: Order | None,
        limit: int,
        ascending: bool,  # noqa: FBT001 - drawn by the rule
        after: int | None,
    ) -> None:
        """Read a page of a user's history, or of an order's."""
        position = None if after is None else f"{after:032x}"
        query = Query(limit=limit, ascending=ascending, after=position)
        if order is None:
            self.both(lambda storage: storage.history(USERS, (user.user_id,), query))
        else:
            ids = (order.user_id, order.order_id)
            self.both(lambda storage: storage.history(ORDERS, ids, query))

    @rule()
    def turn_history_on_or_off(self) -> None:
        """Keep what is done from now on, or stop."""
        self._is_kept = not self._is_kept

    @rule(user=consumes(users))
    def forget(self, user: User) -> None:
        """Read a user for the last time."""
        self.both(lambda storage: storage.get(USERS, (user.user_id,)))

    @invariant()
    def same_orders(self) -> None:
        """Read the latest order and its whole history from both."""
        for ids in self._ids[-1:]:
            self.both(lambda storage, ids=ids: storage.get(ORDERS, ids))
            self.both(lambda storage, ids=ids: storage.history(ORDERS, ids, Query(limit=100)))

    def _act(self, action: Action, *fields: str) -> Act | None:
        self._requests += 1
        request_id = f"request {self._requests}"
        return an_act(action, *fields, request_id=request_id) if self._is_kept else None

    def _record(self, key: str | None, seconds: int) -> IdempotencyRecord | None:
        """Let `seconds` pass, and return a record that lives for two more."""
        self._now += seconds
        return None if key is None else a_record(key=key, expires_at=self._now + 2)


def _outcome(operation: Callable[[Storage], Any], storage: Storage) -> tuple[type | None, Any]:
    try:
        return None, operation(storage)
    except Problem as problem:
        return type(problem), None


def test_no_engine_differs_from_the_model(new_storage: MakeStorage) -> None:
    """After any sequence of operations, the engine returns what the model returns."""

    class Run(Machine):
        """A run on an empty storage."""

        def __init__(self) -> None:
            super().__init__(new_storage)

    run_state_machine_as_test(
        Run,
        settings=settings(
            max_examples=settings().max_examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
