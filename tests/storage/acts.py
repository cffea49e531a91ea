"""Random acts: operations of storage that two storages can carry out alike."""

import random
from collections.abc import Callable
from typing import Any

from chalicelib.domain.metadata import MetadataChange
from chalicelib.domain.orders import LIFECYCLE, ORDERS, IllegalTransition
from chalicelib.domain.resource import Change, Guard
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS
from tests.support.factories import LATER, NOW, a_record, a_user, an_order

Act = Callable[[Storage], Any]

_NAMES = ["Ann", "Łucja 🦄", "B", "Zoë\u0301", "\u202eright to left", "\U0010ffff", "'\"\\/<&>"]
_TEXTS = [*_NAMES, "\x7f\u0085\u2028", "\ufeff", "e\u0301é", "日本語", "ﬀ", "v" * 500]
_PAIRS = [f"k{place}" for place in range(12)] + ["a.b", "ü", "#k0", ":k0", "size", "🦄", "a b", "Ü"]
_EMAILS = [f"{name}@example.com" for name in ("ann", "ANN", "bea", "c", "d", "e", "f", "Ff", "gg")]
_VERSIONS = [None, None, None, {1}, {1, 2}, {2, 3, 4}, set(range(9)), {99}, set(), {0}, {2**53}]
_STATES = sorted(LIFECYCLE)


class Acts:
    """A sequence of random acts, the same for each `seed` apart from new ids and keys.

    Each act may be carried out on several storages. It prefers what earlier acts have made.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._users: list[str] = []
        self._orders: list[tuple[str, str]] = []
        self._records = [a_record() for _ in range(6)]
        self._kinds: list[tuple[int, Callable[[], Act]]] = [
            (5, self._create_user),
            (6, self._change_user),
            (1, self._delete_user),
            (5, self._create_order),
            (6, self._change_order),
            (2, self._get),
            (4, self._list),
        ]

    def next(self) -> tuple[str, Act]:
        """Return the name of an act, for failing tests, and the act."""
        weights = [weight for weight, _ in self._kinds]
        ((_, make),) = self._random.choices(self._kinds, weights)
        return make.__name__, make()

    def _create_user(self) -> Act:
        # Mostly an e-mail address of its own, since all of the others are soon taken.
        taken = {"email": self._one_of(_EMAILS)} if self._random.random() < 0.3 else {}
        user = a_user(
            **taken,
            name=self._one_of(_NAMES),
            status=self._one_of(["active"] * 5 + ["suspended"]),
            metadata=self._pairs(),
        )
        self._users.append(user.user_id)
        record = self._record()
        now = self._now()
        return lambda it: it.create(USERS, user, record, now)

    def _change_user(self) -> Act:
        change = self._change(
            name=self._one_of(_NAMES),
            email=self._one_of(_EMAILS),
            status=self._one_of(["active", "suspended"]),
        )
        ids = (self._user(),)
        return lambda it: it.change(USERS, ids, change)

    def _delete_user(self) -> Act:
        ids = (self._order()[0] if self._random.random() < 0.3 else self._user(),)
        versions = self._versions() if self._random.random() < 0.3 else None
        now = self._now()
        return lambda it: it.delete(USERS, ids, versions, now)

    def _create_order(self) -> Act:
        order = an_order(a_user(user_id=self._user()), metadata=self._pairs())
        self._orders.append((order.user_id, order.order_id))
        record = self._record()
        now = self._now()
        return lambda it: it.create(ORDERS, order, record, now)

    def _change_order(self) -> Act:
        change = self._change()
        if self._random.random() < 0.8:
            status = self._one_of(_STATES)
            before = [state for state in _STATES if status in LIFECYCLE[state]]
            allowed = frozenset(before if self._random.random() < 0.9 else _STATES)
            change = Change(
                values={**change.values, "status": status},
                updated_at=LATER,
                versions=change.versions,
                guard=Guard("status", allowed, IllegalTransition),
            )
        ids = self._order()
        return lambda it: it.change(ORDERS, ids, change)

    def _get(self) -> Act:
        if self._random.random() < 0.5:
            ids = (self._user(),)
            return lambda it: it.get(USERS, ids)
        order = self._order()
        return lambda it: it.get(ORDERS, order)

    def _list(self) -> Act:
        of_orders = self._random.random() < 0.4
        choices = {"status": self._one_of(_STATES if of_orders else ["active", "suspended"])}
        if not of_orders and self._random.random() < 0.4:
            choices["email"] = self._one_of(_EMAILS)
        known = [ids[-1] for ids in self._orders] if of_orders else self._users
        query = Query(
            limit=self._one_of([1, 2, 5, 100]),
            ascending=self._random.random() < 0.5,
            after=self._one_of([None, None, *known[-4:]]),
            from_id=self._one_of([None, None, None, *known[:1]]),
            to_id=self._one_of([None, None, None, *known[-1:]]),
            filters=choices if self._random.random() < 0.5 else {},
        )
        if of_orders:
            parent = (self._user(),)
            return lambda it: it.list(ORDERS, parent, query)
        return lambda it: it.list(USERS, (), query)

    def _one_of(self, values: list[Any]) -> Any:
        return self._random.choice(values)

    def _user(self) -> str:
        # Mostly one of the latest, since earlier ones are often deleted.
        latest = self._users[-6:]
        return self._one_of(latest) if latest and self._random.random() < 0.95 else "usr_0"

    def _order(self) -> tuple[str, str]:
        latest = self._orders[-6:]
        if latest and self._random.random() < 0.95:
            ids: tuple[str, str] = self._one_of(latest)
            return ids
        return self._user(), "ord_0"

    def _record(self) -> Any:
        choice = self._random.random()
        if choice < 0.6:
            return None
        return self._one_of(self._records) if choice < 0.75 else a_record()

    def _now(self) -> int:
        # The records expire after a day.
        later: int = self._one_of([0, 0, 0, 0, 86_400])
        return NOW + later

    def _versions(self) -> frozenset[int] | None:
        versions = self._one_of(_VERSIONS)
        return None if versions is None else frozenset(versions)

    def _pairs(self) -> dict[str, str]:
        names = self._random.sample(_PAIRS, self._random.randint(0, 4))
        return {name: self._one_of(_TEXTS) for name in names}

    def _change(self, **values: Any) -> Change:
        some: dict[str, Any] = {
            name: value for name, value in values.items() if self._random.random() < 0.4
        }
        chance = self._random.random()
        if chance < 0.4:
            removed = dict.fromkeys(self._random.sample(_PAIRS, self._random.randint(0, 3)))
            some["metadata"] = MetadataChange({**removed, **self._pairs()}, merge=True)
        elif chance < 0.6:
            full = {f"f{place}": "v" for place in range(self._one_of([0, 48, 50]))}
            some["metadata"] = MetadataChange({**self._pairs(), **full}, merge=False)
        return Change(values=some, updated_at=LATER, versions=self._versions())
