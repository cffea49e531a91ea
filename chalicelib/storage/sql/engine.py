"""Storage in SQLite (the embedded default) and PostgreSQL (RDS, Aurora), on SQLAlchemy Core.

Each act is one transaction. It reads and locks the row that it depends on, decides, and writes:
on SQLite a writing transaction begins with the write lock, on PostgreSQL the row is locked.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Table,
    delete,
    exists,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chalicelib.domain.errors import (
    EmailTaken,
    OrderNotFound,
    Unavailable,
    UserHasOpenOrders,
    UserNotFound,
    UserSuspended,
    VersionMismatch,
)
from chalicelib.domain.model import (
    OPEN_STATUSES,
    Item,
    Order,
    OrderChange,
    User,
    UserChange,
    Versions,
)
from chalicelib.domain.storage import IdempotencyRecord, Page, Query, UserQuery
from chalicelib.storage.sql.connections import open_engine
from chalicelib.storage.sql.schema import ORDERS, RECORDS, USERS

Result = TypeVar("Result")

# https://www.postgresql.org/docs/current/errcodes-appendix.html: serialization_failure and
# deadlock_detected leave nothing behind and are meant to be tried again.
_RETRIED_STATES = frozenset({"40001", "40P01"})
_ATTEMPTS = 8
_PURGED_RECORDS = 20

_USER_COLUMNS = [USERS.c[name] for name in User.__struct_fields__]
_ORDER_COLUMNS = [ORDERS.c[name] for name in Order.__struct_fields__]
_RECORD_COLUMNS = [RECORDS.c[name] for name in IdempotencyRecord.__struct_fields__]


class SQLStorage:
    """See Storage. `url` is SQLAlchemy's; nothing is opened before the first act.

    `password` is asked for the password of each connection; None leaves it to the URL.
    """

    def __init__(self, url: str, password: Callable[[], str | None] = lambda: None) -> None:
        self._url = url
        self._password = password
        self._opening = threading.Lock()
        self._opened: Engine | None = None

    def create_user(
        self, user: User, record: IdempotencyRecord | None, now: int
    ) -> IdempotencyRecord | None:
        """See Storage."""

        def act(connection: Connection) -> IdempotencyRecord | None:
            earlier = _claim(connection, record, now, user.user_id)
            if earlier is None:
                connection.execute(insert(USERS).values(_user_values(user)))
            return earlier

        try:
            return self._write(act)
        except IntegrityError:
            raise EmailTaken from None

    def get_user(self, user_id: str) -> User | None:
        """See Storage."""
        found = select(*_USER_COLUMNS).where(USERS.c.user_id == user_id)
        row = self._read(lambda connection: connection.execute(found).one_or_none())
        return None if row is None else _user(row)

    def change_user(self, user_id: str, change: UserChange) -> User:
        """See Storage."""

        def act(connection: Connection) -> User:
            user = change.applied_to(_locked_user(connection, user_id))
            connection.execute(
                update(USERS).where(USERS.c.user_id == user_id).values(_user_values(user))
            )
            return user

        try:
            return self._write(act)
        except IntegrityError:
            raise EmailTaken from None

    def delete_user(self, user_id: str, versions: Versions, now: int) -> None:  # noqa: ARG002
        """See Storage."""

        def act(connection: Connection) -> None:
            user = _locked_user(connection, user_id)
            if versions is not None and user.version not in versions:
                raise VersionMismatch
            has_open_orders = exists().where(
                ORDERS.c.user_id == user_id, ORDERS.c.status.in_(OPEN_STATUSES)
            )
            if connection.execute(select(has_open_orders)).scalar_one():
                raise UserHasOpenOrders
            tombstone = {"digest": "", "location": "", "body": "", "user_id": None}
            connection.execute(
                update(RECORDS).where(RECORDS.c.user_id == user_id).values(tombstone)
            )
            connection.execute(delete(USERS).where(USERS.c.user_id == user_id))

        self._write(act)

    def list_users(self, query: UserQuery) -> Page[User]:
        """See Storage."""
        listed = _part(select(*_USER_COLUMNS), USERS, USERS.c.user_id, query)
        if query.email is not None:
            listed = listed.where(USERS.c.email_key == query.email.casefold())
        rows = self._read(lambda connection: connection.execute(listed).all())
        return _page([_user(row) for row in rows], query, lambda user: user.user_id)

    def create_order(
        self, order: Order, record: IdempotencyRecord | None, now: int
    ) -> IdempotencyRecord | None:
        """See Storage."""
        status_of_user = (
            select(USERS.c.status)
            .where(USERS.c.user_id == order.user_id)
            .with_for_update(read=True)
        )

        def act(connection: Connection) -> IdempotencyRecord | None:
            earlier = _claim(connection, record, now)
            if earlier is not None:
                return earlier
            status = connection.execute(status_of_user).scalar_one_or_none()
            if status is None:
                raise UserNotFound
            if status != "active":
                raise UserSuspended
            connection.execute(insert(ORDERS).values(_order_values(order)))
            return None

        return self._write(act)

    def get_order(self, user_id: str, order_id: str) -> Order | None:
        """See Storage."""
        found = select(*_ORDER_COLUMNS).where(_is_order(user_id, order_id))
        row = self._read(lambda connection: connection.execute(found).one_or_none())
        return None if row is None else _order(row)

    def change_order(self, user_id: str, order_id: str, change: OrderChange) -> Order:
        """See Storage."""
        mine = _is_order(user_id, order_id)
        locked = select(*_ORDER_COLUMNS).where(mine).with_for_update()

        def act(connection: Connection) -> Order:
            row = connection.execute(locked).one_or_none()
            if row is None:
                raise OrderNotFound
            order = change.applied_to(_order(row))
            connection.execute(update(ORDERS).where(mine).values(_order_values(order)))
            return order

        return self._write(act)

    def list_orders(self, user_id: str, query: Query) -> Page[Order]:
        """See Storage."""
        mine = ORDERS.c.user_id == user_id
        listed = _part(select(*_ORDER_COLUMNS), ORDERS, ORDERS.c.order_id, query).where(mine)
        known = select(exists().where(USERS.c.user_id == user_id) | exists().where(mine))

        def act(connection: Connection) -> list[Order]:
            orders = [_order(row) for row in connection.execute(listed)]
            if not orders and not connection.execute(known).scalar_one():
                raise UserNotFound
            return orders

        return _page(self._read(act), query, lambda order: order.order_id)

    def prepare(self) -> None:
        """See Storage."""
        self._engine()

    def check(self) -> None:
        """See Storage."""
        self._read(lambda connection: connection.execute(select(1)).scalar_one())

    def close(self) -> None:
        """See Storage."""
        with self._opening:
            if self._opened is not None:
                self._opened.dispose()
                self._opened = None

    def _engine(self) -> Engine:
        with self._opening:
            if self._opened is None:
                self._opened = open_engine(self._url, self._password)
            return self._opened

    def _read(self, act: Callable[[Connection], Result]) -> Result:
        return self._transact(act, writes=False)

    def _write(self, act: Callable[[Connection], Result]) -> Result:
        return self._transact(act, writes=True)

    def _transact(self, act: Callable[[Connection], Result], *, writes: bool) -> Result:
        for attempt in range(_ATTEMPTS):
            try:
                engine = self._engine().execution_options(writes=writes)
                with engine.begin() as connection:
                    return act(connection)
            except IntegrityError:
                raise
            except PoolTimeoutError as error:
                raise Unavailable from error
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _RETRIED_STATES:
                    raise _unavailable_or(error) from error
                time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter
        raise Unavailable


def _unavailable_or(error: DBAPIError) -> Exception:
    """Tell a database that cannot be reached, or not in time, from a fault of ours."""
    is_operational = type(error.orig).__name__ in {"OperationalError", "QueryCanceled"}
    return Unavailable() if is_operational or error.connection_invalidated else error


def _claim(
    connection: Connection,
    record: IdempotencyRecord | None,
    now: int,
    user_id: str | None = None,
) -> IdempotencyRecord | None:
    """Keep `record` unless a live one has its key; return that one."""
    if record is None:
        return None
    expired = (
        select(RECORDS.c.key)
        .where(RECORDS.c.expires_at <= now)
        .limit(_PURGED_RECORDS)
        .with_for_update(skip_locked=True)
    )
    connection.execute(delete(RECORDS).where(RECORDS.c.key.in_(expired)))
    insert_or = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    values = msgspec.structs.asdict(record) | {"user_id": user_id}
    claimed = connection.execute(
        insert_or(RECORDS)
        .values(values)
        .on_conflict_do_update(
            index_elements=[RECORDS.c.key], set_=values, where=RECORDS.c.expires_at <= now
        )
        .returning(RECORDS.c.key)
    )
    if claimed.first() is not None:
        return None
    row = connection.execute(select(*_RECORD_COLUMNS).where(RECORDS.c.key == record.key)).one()
    return IdempotencyRecord(*row)


def _locked_user(connection: Connection, user_id: str) -> User:
    found = select(*_USER_COLUMNS).where(USERS.c.user_id == user_id).with_for_update()
    row = connection.execute(found).one_or_none()
    if row is None:
        raise UserNotFound
    return _user(row)


def _is_order(user_id: str, order_id: str) -> ColumnElement[bool]:
    return (ORDERS.c.user_id == user_id) & (ORDERS.c.order_id == order_id)


def _part(listed: Select[Any], table: Table, key: ColumnElement[str], query: Query) -> Select[Any]:
    """Narrow a list to one more than the part that `query` asks for."""
    # A status is asked for as a range of the index by status. With an equality PostgreSQL could
    # also go by the primary key, and would, past any number of rows with other statuses, which it
    # takes for evenly spread.
    order = [key] if query.status is None else [table.c.status, key]
    fixed = () if query.status is None else (query.status,)
    # One bound on each side, the closer one: SQLite seeks by no more.
    after = (query.after or "", True) if query.ascending else ("", True)
    first, is_beyond = max((query.from_id or "", False), after)
    ends = (query.to_id, None if query.ascending else query.after)
    last = min((end for end in ends if end is not None), default=None)
    row, place = tuple_(*order), tuple_(*fixed, first)
    listed = listed.where(row > place if is_beyond else row >= place)
    if last is not None:
        listed = listed.where(row < tuple_(*fixed, last))
    elif query.status is not None:
        listed = listed.where(table.c.status <= query.status)
    ordered = order if query.ascending else [column.desc() for column in order]
    return listed.order_by(*ordered).limit(query.limit + 1)


def _page(things: list[Result], query: Query, key: Callable[[Result], str]) -> Page[Result]:
    chosen = things[: query.limit]
    return Page(chosen, key(chosen[-1]) if len(things) > query.limit else None)


def _user(row: Row[Any]) -> User:
    return User(**row._asdict() | {"metadata": msgspec.json.decode(row.metadata)})


def _user_values(user: User) -> dict[str, Any]:
    return msgspec.structs.asdict(user) | {
        "email_key": user.email.casefold(),
        "metadata": msgspec.json.encode(user.metadata).decode(),
    }


def _order(row: Row[Any]) -> Order:
    return Order(
        **row._asdict()
        | {
            "items": msgspec.json.decode(row.items, type=list[Item]),
            "metadata": msgspec.json.decode(row.metadata),
        }
    )


def _order_values(order: Order) -> dict[str, Any]:
    return msgspec.structs.asdict(order) | {
        "items": msgspec.json.encode(order.items).decode(),
        "metadata": msgspec.json.encode(order.metadata).decode(),
    }
