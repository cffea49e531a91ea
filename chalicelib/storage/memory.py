"""Storage in the memory of one process: for tests, measurements and as the model of the others."""

import threading
from collections.abc import Callable
from typing import TypeVar

from chalicelib.domain.errors import (
    EmailTaken,
    OrderNotFound,
    UserHasOpenOrders,
    UserNotFound,
    UserSuspended,
    VersionMismatch,
)
from chalicelib.domain.model import OPEN_STATUSES, Order, OrderChange, User, UserChange, Versions
from chalicelib.domain.storage import IdempotencyRecord, Page, Query, UserQuery

Thing = TypeVar("Thing", User, Order)


class MemoryStorage:
    """Everything in dictionaries under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[str, User] = {}
        self._user_ids: dict[str, str] = {}
        self._orders: dict[str, dict[str, Order]] = {}
        self._records: dict[str, IdempotencyRecord] = {}
        self._record_owners: dict[str, str] = {}

    def create_user(
        self, user: User, record: IdempotencyRecord | None, now: int
    ) -> IdempotencyRecord | None:
        """See Storage."""
        with self._lock:
            earlier = self._live_record(record, now)
            if earlier is not None:
                return earlier
            if user.email.casefold() in self._user_ids:
                raise EmailTaken
            self._users[user.user_id] = user
            self._user_ids[user.email.casefold()] = user.user_id
            if record is not None:
                self._records[record.key] = record
                self._record_owners[record.key] = user.user_id
            return None

    def get_user(self, user_id: str) -> User | None:
        """See Storage."""
        return self._users.get(user_id)

    def change_user(self, user_id: str, change: UserChange) -> User:
        """See Storage."""
        with self._lock:
            old = self._user(user_id)
            new = change.applied_to(old)
            if self._user_ids.get(new.email.casefold(), user_id) != user_id:
                raise EmailTaken
            del self._user_ids[old.email.casefold()]
            self._user_ids[new.email.casefold()] = user_id
            self._users[user_id] = new
            return new

    def delete_user(self, user_id: str, versions: Versions, now: int) -> None:  # noqa: ARG002
        """See Storage."""
        with self._lock:
            user = self._user(user_id)
            if versions is not None and user.version not in versions:
                raise VersionMismatch
            orders = self._orders.get(user_id, {}).values()
            if any(order.status in OPEN_STATUSES for order in orders):
                raise UserHasOpenOrders
            del self._users[user_id]
            del self._user_ids[user.email.casefold()]
            for key in [key for key, owner in self._record_owners.items() if owner == user_id]:
                self._records[key] = self._records[key].undone()
                del self._record_owners[key]

    def list_users(self, query: UserQuery) -> Page[User]:
        """See Storage."""
        with self._lock:
            users = dict(self._users)
        email = query.email and query.email.casefold()
        return _page(users, query, lambda user: email is None or user.email.casefold() == email)

    def create_order(
        self, order: Order, record: IdempotencyRecord | None, now: int
    ) -> IdempotencyRecord | None:
        """See Storage."""
        with self._lock:
            earlier = self._live_record(record, now)
            if earlier is not None:
                return earlier
            if self._user(order.user_id).status != "active":
                raise UserSuspended
            self._orders.setdefault(order.user_id, {})[order.order_id] = order
            if record is not None:
                self._records[record.key] = record
                self._record_owners.pop(record.key, None)
            return None

    def get_order(self, user_id: str, order_id: str) -> Order | None:
        """See Storage."""
        return self._orders.get(user_id, {}).get(order_id)

    def change_order(self, user_id: str, order_id: str, change: OrderChange) -> Order:
        """See Storage."""
        with self._lock:
            old = self.get_order(user_id, order_id)
            if old is None:
                raise OrderNotFound
            new = change.applied_to(old)
            self._orders[user_id][order_id] = new
            return new

    def list_orders(self, user_id: str, query: Query) -> Page[Order]:
        """See Storage."""
        with self._lock:
            orders = dict(self._orders.get(user_id, {}))
            if not orders:
                self._user(user_id)
        return _page(orders, query, lambda _: True)

    def prepare(self) -> None:
        """See Storage."""

    def check(self) -> None:
        """See Storage."""

    def close(self) -> None:
        """See Storage."""

    def _user(self, user_id: str) -> User:
        user = self._users.get(user_id)
        if user is None:
            raise UserNotFound
        return user

    def _live_record(self, record: IdempotencyRecord | None, now: int) -> IdempotencyRecord | None:
        earlier = self._records.get(record.key) if record else None
        return earlier if earlier is not None and earlier.expires_at > now else None


def _page(things: dict[str, Thing], query: Query, admits: Callable[[Thing], bool]) -> Page[Thing]:
    first, beyond = query.from_id or "", query.to_id or "~"
    if query.after is not None and query.ascending:
        first = max(first, query.after + "~")
    elif query.after is not None:
        beyond = min(beyond, query.after)
    found = [
        key
        for key in sorted(things, reverse=not query.ascending)
        if first <= key < beyond
        and admits(things[key])
        and query.status in {None, things[key].status}
    ]
    chosen = found[: query.limit]
    return Page([things[key] for key in chosen], chosen[-1] if len(found) > query.limit else None)
