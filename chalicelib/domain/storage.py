"""What the services need of storage, in their words.

Each method is one atomic act: it happens whole or not at all, and its conditions are checked in
the same act. Every engine raises `chalicelib.problems.Unavailable` when it cannot answer in time.
"""

from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from chalicelib.domain.model import Order, OrderChange, User, UserChange, Versions

Thing = TypeVar("Thing")


class IdempotencyRecord(Struct, frozen=True):
    """The first answer to a keyed request, kept for replays.

    `key` is unique to its caller, `digest` stands for the request, `expires_at` is in seconds
    since the Unix epoch: from then on the record counts as absent. Once what was created has been
    deleted, the record is a tombstone: only the key and its end are left, so that the key stays
    spent without keeping anything of what was deleted.
    """

    key: str
    digest: str
    location: str
    body: str
    expires_at: int

    @property
    def is_undone(self) -> bool:
        """Whether what was created has been deleted since."""
        return not self.digest

    def undone(self) -> "IdempotencyRecord":
        """Return the tombstone of this record."""
        return IdempotencyRecord(self.key, "", "", "", self.expires_at)


class Query(Struct, frozen=True, kw_only=True):
    """Which part of a list to read: at most `limit` things that lie beyond `after`.

    Ids sort by creation time; `from_id` (inclusive) and `to_id` (exclusive) bound them.
    """

    limit: int
    ascending: bool = False
    after: str | None = None
    from_id: str | None = None
    to_id: str | None = None
    status: str | None = None


class UserQuery(Query, frozen=True, kw_only=True):
    """A query of users; `email` is compared without regard to case."""

    email: str | None = None


class Page(Struct, Generic[Thing], frozen=True):
    """A part of a list; `position` is where the next one starts, None at the end."""

    things: list[Thing]
    position: str | None


class Storage(Protocol):
    """A place that keeps users, orders and idempotency records."""

    def create_user(
        self, user: User, record: IdempotencyRecord | None, now: int
    ) -> IdempotencyRecord | None:
        """Keep a new user and, in the same act, `record`.

        `now` is in seconds since the Unix epoch. Where a live record (one that expires after
        `now`) already has the key, nothing is written and that record is returned, whatever else
        stands against the act. Raises EmailTaken.
        """

    def get_user(self, user_id: str) -> User | None:
        """Return the user as last written, None where there is none."""

    def change_user(self, user_id: str, change: UserChange) -> User:
        """Change a user and return it. A changed e-mail frees the old one at once.

        Raises UserNotFound, VersionMismatch, TooManyPairs, EmailTaken, in this order.
        """

    def delete_user(self, user_id: str, versions: Versions, now: int) -> None:
        """Erase a user and its e-mail's claim; its orders stay.

        The record of its creation becomes a tombstone in the same act. `now` is in seconds since
        the Unix epoch.
        Raises UserNotFound, VersionMismatch, UserHasOpenOrders, in this order.
        """

    def list_users(self, query: UserQuery) -> Page[User]:
        """Return a page of users."""

    def create_order(
        self, order: Order, record: IdempotencyRecord | None, now: int
    ) -> IdempotencyRecord | None:
        """Keep a new order of an active user, with `record` as in create_user.

        Raises UserNotFound, UserSuspended.
        """

    def get_order(self, user_id: str, order_id: str) -> Order | None:
        """Return the user's order as last written, None where there is none."""

    def change_order(self, user_id: str, order_id: str, change: OrderChange) -> Order:
        """Change an order and return it.

        Raises OrderNotFound, VersionMismatch, TooManyPairs, IllegalTransition, in this order.
        """

    def list_orders(self, user_id: str, query: Query) -> Page[Order]:
        """Return a page of a user's orders, of a deleted user's too.

        Raises UserNotFound where there is neither the user nor an order of its.
        """

    def prepare(self) -> None:
        """Do what the first act would otherwise wait for, as far as nothing has to be sent."""

    def check(self) -> None:
        """Return when storage can be reached. Raises Unavailable."""

    def close(self) -> None:
        """Let go of connections; the next act opens them again."""
