"""Growth on SQL: the same acts on few users and on very many, by the clock and by what is read."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.bench import Bench
from benchmarks.databases import filled, order_id, urls, user_id
from benchmarks.report import Goal, Section, Table
from benchmarks.sql_reads import Reads, reads
from chalicelib.domain.model import User
from chalicelib.domain.storage import Query, Storage, UserQuery
from localdev.engines import Engines

_TEXT = """\
The same acts on {few:,} and on up to {many:,} users, one of whom has up to {orders:,} orders:
milliseconds of an act by the clock, medians of interleaved rounds; then what it reads, as the
database itself counts it, and the plan at {many:,}. The oldest quarter of users and orders has the
status that is asked for, behind all the others. PostgreSQL counts rows, and reads a table whole
that is small enough; SQLite counts the steps of its virtual machine, 15 to 25 for each row of a
page. `tests/storage/test_query_plans.py` reads the plans: every query goes by an index."""
_UNITS = {"SQLite": "steps", "PostgreSQL": "rows"}
_PAGE = 20
_REPEATED = 20
_new = count(1)

Act = Callable[[Storage], object]


def run(bench: Bench) -> Section:
    """Measure both engines."""
    few, *_, many = bench.size.users
    parts: list[str | Table | list[Goal]] = [
        _TEXT.format(few=few, many=many, orders=bench.size.orders)
    ]
    with TemporaryDirectory() as folder, Engines() as engines:
        for name, url in urls(Path(folder), engines):
            made = {users: url(users) for users in bench.size.users}
            spent, read = _measured(made, bench.size.orders, bench.size.rounds)
            sizes = [f"{users:,} users" for users in made]
            times = [[act, *(f"{spent[users][act]:.2f}" for users in made)] for act in spent[few]]
            amounts = [
                [
                    act,
                    *(f"{read[users][act].amount:,}" for users in made),
                    "; ".join(read[many][act].plans),
                ]
                for act in read[few]
            ]
            what = f"{name}: %s of the act that grew most, from {few:,} to {many:,}"
            slowest = max(spent[many][act] / spent[few][act] for act in spent[few])
            most = max(_grown(read[few][act], read[many][act]) for act in read[few])
            parts += [
                Table([f"{name}, ms", *sizes], times),
                Table([f"{name}, {_UNITS[name]}", *sizes, "plan"], amounts),
                [Goal(what % "time", 2, slowest), Goal(what % _UNITS[name], 1, most)],
            ]
    return Section("Growth: SQLite and PostgreSQL", parts)


def _measured(
    urls: Mapping[int, str], orders: int, rounds: int
) -> tuple[dict[int, dict[str, float]], dict[int, dict[str, Reads]]]:
    """Return the milliseconds of each act, and what it reads, by the number of users."""
    with ExitStack() as stack:
        storages = {
            users: stack.enter_context(filled(url, users, min(orders, users)))
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
        read = {
            users: {name: reads(partial(act, storages[users])) for name, act in made.items()}
            for users, made in acts.items()
        }
    medians = {
        users: {name: median(times) for name, times in by_act.items()}
        for users, by_act in spent.items()
    }
    return medians, read


def _milliseconds(act: Act, storage: Storage) -> float:
    started = perf_counter()
    for _ in range(_REPEATED):
        act(storage)
    return (perf_counter() - started) / _REPEATED * 1000


def _grown(few: Reads, many: Reads) -> float:
    return max(many.amount, 1) / max(few.amount, 1)


def _acts(users: int) -> dict[str, Act]:
    """Return the acts; the late pages begin where 499 pages lie before, or in the middle."""
    middle = user_id(users // 2)
    late = user_id(max(users - 499 * _PAGE, users // 2))
    late_order = order_id(_PAGE)
    owner = user_id(1)
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


def _user() -> User:
    number = next(_new)
    time = "2026-11-21T09:30:00.000Z"
    email = f"new{number}@example.com"
    return User(f"usr_f{number:031x}", "Ann", email, "active", {}, time, time, 1)
