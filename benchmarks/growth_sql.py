"""Growth on SQL: the same operations with few users and with very many, in time and rows read."""

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
from chalicelib.domain.orders import ORDERS
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, User
from localdev.emulators import Emulators

_TEXT = """\
The same operations with {few:,} and with up to {many:,} users, one of whom has up to {orders:,}
orders: elapsed milliseconds, as medians of interleaved rounds; then what each operation reads, as
the database counts it, and the plan at {many:,}. The oldest quarter of users and orders has the
requested status, and is listed last. PostgreSQL counts rows, and scans tables that are small
enough; SQLite counts the steps of its virtual machine, 15 to 25 for each row of a page.
`tests/storage/test_query_plans.py` checks the plans: every query uses an index."""
_UNITS = {"SQLite": "steps", "PostgreSQL": "rows"}
_PAGE = 20
_REPEATED = 20
_new = count(1)

Operation = Callable[[Storage], object]


def run(bench: Bench) -> Section:
    """Measure both engines."""
    few, *_, many = bench.size.users
    parts: list[str | Table | list[Goal]] = [
        _TEXT.format(few=few, many=many, orders=bench.size.orders)
    ]
    with TemporaryDirectory() as folder, Emulators() as engines:
        for name, url in urls(Path(folder), engines):
            made = {users: url(users) for users in bench.size.users}
            spent, read = _measured(made, bench.size.orders, bench.size.rounds)
            sizes = [f"{users:,} users" for users in made]
            times = [
                [operation, *(f"{spent[users][operation]:.2f}" for users in made)]
                for operation in spent[few]
            ]
            amounts = [
                [
                    operation,
                    *(f"{read[users][operation].amount:,}" for users in made),
                    "; ".join(read[many][operation].plans),
                ]
                for operation in read[few]
            ]
            what = f"{name}: %s of the operation that grew most, from {few:,} to {many:,}"
            slowest = max(
                spent[many][operation] / spent[few][operation] for operation in spent[few]
            )
            most = max(
                _grown(read[few][operation], read[many][operation]) for operation in read[few]
            )
            parts += [
                Table([f"{name}, ms", *sizes], times),
                Table([f"{name}, {_UNITS[name]}", *sizes, "plan"], amounts),
                [Goal(what % "time", 2, slowest), Goal(what % _UNITS[name], 1, most)],
            ]
    return Section("Growth: SQLite and PostgreSQL", parts)


def _measured(
    urls: Mapping[int, str], orders: int, rounds: int
) -> tuple[dict[int, dict[str, float]], dict[int, dict[str, Reads]]]:
    """Return the milliseconds of each operation, and what it reads, by the number of users."""
    with ExitStack() as stack:
        storages = {
            users: stack.enter_context(filled(url, users, min(orders, users)))
            for users, url in urls.items()
        }
        operations = {users: _operations(users) for users in urls}
        spent: dict[int, dict[str, list[float]]] = {
            users: {name: [] for name in made} for users, made in operations.items()
        }
        for _ in range(rounds):
            for name in operations[min(operations)]:
                for users, storage in storages.items():
                    spent[users][name].append(_milliseconds(operations[users][name], storage))
        read = {
            users: {
                name: reads(partial(operation, storages[users])) for name, operation in made.items()
            }
            for users, made in operations.items()
        }
    medians = {
        users: {name: median(times) for name, times in by_operation.items()}
        for users, by_operation in spent.items()
    }
    return medians, read


def _milliseconds(operation: Operation, storage: Storage) -> float:
    started = perf_counter()
    for _ in range(_REPEATED):
        operation(storage)
    return (perf_counter() - started) / _REPEATED * 1000


def _grown(few: Reads, many: Reads) -> float:
    return max(many.amount, 1) / max(few.amount, 1)


def _operations(users: int) -> dict[str, Operation]:
    """Return the operations; the late pages start after 499 pages, or in the middle."""
    middle = user_id(users // 2)
    late = user_id(max(users - 499 * _PAGE, users // 2))
    late_order = order_id(_PAGE)
    owner = user_id(1)
    return {
        "get": lambda it: it.get(USERS, (middle,)),
        "create": lambda it: it.create(USERS, _user(), None, 0),
        "first page": lambda it: it.list(USERS, (), Query(limit=_PAGE)),
        "500th page": lambda it: it.list(USERS, (), Query(limit=_PAGE, after=late)),
        "by status": lambda it: it.list(
            USERS, (), Query(limit=_PAGE, filters={"status": "suspended"})
        ),
        "by e-mail": lambda it: it.list(
            USERS, (), Query(limit=_PAGE, filters={"email": "u7@example.com"})
        ),
        "first orders": lambda it: it.list(ORDERS, (owner,), Query(limit=_PAGE)),
        "last orders": lambda it: it.list(ORDERS, (owner,), Query(limit=_PAGE, after=late_order)),
        "orders by status": lambda it: it.list(
            ORDERS, (owner,), Query(limit=_PAGE, filters={"status": "paid"})
        ),
    }


def _user() -> User:
    number = next(_new)
    time = "2026-11-21T09:30:00.000Z"
    email = f"new{number}@example.com"
    return User(
        f"usr_f{number:031x}",
        "Ann",
        email,
        "active",
        {},
        created_at=time,
        updated_at=time,
        version=1,
    )
