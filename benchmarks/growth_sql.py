"""Growth on SQL: the same acts on few users and on very many, by the clock and by the plan."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from sqlalchemy import Engine, create_engine, text

from benchmarks.bench import Bench
from benchmarks.report import Goal, Section, Table
from chalicelib.model import User
from chalicelib.storage import open_storage
from chalicelib.storage.base import Query, Storage, UserQuery
from chalicelib.storage.sql_schema import METADATA
from localdev.engines import Engines, Missing

_TEXT = """\
The same acts on {few:,} and on up to {many:,} users, one of whom has up to {orders:,} orders:
milliseconds of an act by the clock, medians of interleaved rounds.
`tests/storage/test_query_plans.py` reads the plans: every query goes by an index."""
_PAGE = 20
_REPEATED = 20
_NUMBERS = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :many)"
    " SELECT {columns} FROM s",
    "postgresql": "SELECT {columns} FROM generate_series(1, :many) s(n)",
}
_ID = {
    "sqlite": "'{prefix}' || printf('%032x', n)",
    "postgresql": "'{prefix}' || lpad(to_hex(n), 32, '0')",
}
_TIME = "'2026-11-21T09:30:00.000Z'"
_new = count(1)

Act = Callable[[Storage], object]


def run(bench: Bench) -> Section:
    """Measure both engines."""
    few, *_, many = bench.size.users
    parts: list[str | Table | list[Goal]] = [
        _TEXT.format(few=few, many=many, orders=bench.size.orders)
    ]
    with TemporaryDirectory() as folder, Engines() as engines:
        for name, url in _urls(Path(folder), engines):
            urls = {users: url(users) for users in bench.size.users}
            spent = _measured(urls, bench.size.orders, bench.size.rounds)
            rows = [[act, *(f"{spent[users][act]:.2f}" for users in spent)] for act in spent[few]]
            header = [f"{name}, ms", *(f"{users:,} users" for users in spent)]
            worst = max(spent[many][act] / spent[few][act] for act in spent[few])
            goal = Goal(f"{name}: the act that grew most, from {few:,} to {many:,}", 2, worst)
            parts += [Table(header, rows), [goal]]
    return Section("Growth: SQLite and PostgreSQL", parts)


def _urls(folder: Path, engines: Engines) -> Iterator[tuple[str, Callable[[int], str]]]:
    yield "SQLite", lambda users: f"sqlite:///{folder}/{users}.db"
    try:
        base = engines.url("postgresql")
    except Missing:
        return

    def database(users: int) -> str:
        engine = create_engine(base, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE users{users}"))
        engine.dispose()
        return base.rpartition("/")[0] + f"/users{users}"

    yield "PostgreSQL", database


def _measured(urls: dict[int, str], orders: int, rounds: int) -> dict[int, dict[str, float]]:
    """Return the milliseconds of each act, by the number of users."""
    with ExitStack() as stack:
        storages = {
            users: stack.enter_context(_filled(url, users, min(orders, users)))
            for users, url in urls.items()
        }
        acts = {users: _acts(users) for users in urls}
        spent: dict[int, dict[str, list[float]]] = {
            users: {name: [] for name in made} for users, made in acts.items()
        }
        for _ in range(rounds):
            for name in acts[min(acts)]:
                for users, storage in storages.items():
                    spent[users][name].append(_milliseconds(acts[users][name], storage))
    return {
        users: {name: median(times) for name, times in by_act.items()}
        for users, by_act in spent.items()
    }


def _milliseconds(act: Act, storage: Storage) -> float:
    started = perf_counter()
    for _ in range(_REPEATED):
        act(storage)
    return (perf_counter() - started) / _REPEATED * 1000


def _acts(users: int) -> dict[str, Act]:
    """Return the acts; the late pages begin where 499 pages lie before, or in the middle."""
    middle = _user_id(users // 2)
    late = _user_id(max(users - 499 * _PAGE, users // 2))
    late_order = f"ord_{_PAGE:032x}"
    owner = _user_id(1)
    return {
        "get": lambda it: it.get_user(middle),
        "create": lambda it: it.create_user(_user(), None, 0),
        "first page": lambda it: it.list_users(UserQuery(limit=_PAGE)),
        "500th page": lambda it: it.list_users(UserQuery(limit=_PAGE, after=late)),
        "by status": lambda it: it.list_users(UserQuery(limit=_PAGE, status="suspended")),
        "by e-mail": lambda it: it.list_users(UserQuery(limit=_PAGE, email="u7@example.com")),
        "first orders": lambda it: it.list_orders(owner, Query(limit=_PAGE)),
        "last orders": lambda it: it.list_orders(owner, Query(limit=_PAGE, after=late_order)),
        "orders by status": lambda it: it.list_orders(owner, Query(limit=_PAGE, status="paid")),
    }


def _user_id(number: int) -> str:
    return f"usr_{number:032x}"


def _user() -> User:
    number = next(_new)
    time = "2026-11-21T09:30:00.000Z"
    email = f"new{number}@example.com"
    return User(f"usr_f{number:031x}", "Ann", email, "active", {}, time, time, 1)


@contextmanager
def _filled(url: str, users: int, orders: int) -> Iterator[Storage]:
    """Yield storage at `url` with so many users, the first of whom has so many orders."""
    engine = create_engine(url)
    METADATA.create_all(engine)
    _fill(engine, "users", "usr_", users, _USER)
    _fill(engine, "orders", "ord_", orders, _ORDER)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()
    storage = open_storage(url)
    try:
        yield storage
    finally:
        storage.close()


# A quarter of the users is suspended, a quarter of the orders paid: more than a page of the fewest.
_USER = {
    "user_id": "{id}",
    "name": "'Ann Example'",
    "email": "'u' || n || '@example.com'",
    "email_key": "'u' || n || '@example.com'",
    "status": "CASE n % 4 WHEN 0 THEN 'suspended' ELSE 'active' END",
    "metadata": """'{{"team":"blue"}}'""",
    "created_at": _TIME,
    "updated_at": _TIME,
    "version": "1",
}
_ORDER = {
    "user_id": f"'{_user_id(1)}'",
    "order_id": "{id}",
    "status": "CASE n % 4 WHEN 0 THEN 'paid' ELSE 'delivered' END",
    "currency": "'EUR'",
    "items": """'[{{"sku":"book","quantity":2,"unit_price":1250}}]'""",
    "total": "2500",
    "metadata": "'{{}}'",
    "created_at": _TIME,
    "updated_at": _TIME,
    "version": "1",
}


def _fill(engine: Engine, table: str, prefix: str, many: int, columns: dict[str, str]) -> None:
    dialect = engine.dialect.name
    made_id = _ID[dialect].format(prefix=prefix)
    values = ", ".join(value.format(id=made_id) for value in columns.values())
    rows = _NUMBERS[dialect].format(columns=values.replace(":", "\\:"))
    with engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO {table} ({', '.join(columns)}) {rows}"),
            {"many": many},
        )
