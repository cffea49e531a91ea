"""Growth on DynamoDB: what the same operations send and consume with few users and with many."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import botocore.session

from benchmarks.bench import Bench
from benchmarks.report import Goal, Section, Table
from chalicelib.domain.orders import ORDERS
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, User
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.items import Layout
from chalicelib.storage.dynamodb.table import create_table
from localdev.emulators import EmulatorMissing, Emulators, environment
from tests.storage.wire import Wire
from tests.support.factories import an_order

_TEXT = """\
The same operations with up to {many:,} users, one of whom has {orders:,} orders, on AWS's DynamoDB
Local: the requests, and the units that they consume as it counts them (twice in transactions)."""
_NOTHING = "DynamoDB Local is not installed, so nothing was measured: `make emulators` installs it."
_PAGE = 20
_MOST_AT_ONCE = 25
_TIME = "2026-11-21T09:30:00.000Z"
_new = count(1)

Operation = Callable[[Storage], object]


def run(bench: Bench) -> Section:
    """Count the requests and units of each operation."""
    title = "Growth: DynamoDB"
    sizes = bench.size.emulated_users
    orders = min(bench.size.orders, sizes[-1])
    with Emulators() as engines:
        try:
            endpoint = engines.url("dynamodb-local")
        except EmulatorMissing:
            return Section(title, [_NOTHING])
        with _pointed_at(endpoint):
            needed = {users: _counted(users, orders) for users in sizes}
    rows = [
        [
            operation,
            *(
                f"{sent} / {units:g}"
                for sent, units in (needed[users][operation] for users in sizes)
            ),
        ]
        for operation in needed[sizes[0]]
    ]
    grown = max(
        needed[sizes[-1]][operation][place] / needed[sizes[0]][operation][place]
        for operation in needed[sizes[0]]
        for place in (0, 1)
    )
    goal = Goal("requests or units, the operation that grew most", 1, grown)
    header = ["requests / units", *(f"{users:,} users" for users in sizes)]
    text = _TEXT.format(many=sizes[-1], orders=orders)
    return Section(title, [text, Table(header, rows), [goal]])


@contextmanager
def _pointed_at(endpoint: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment(endpoint))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _counted(users: int, orders: int) -> dict[str, tuple[int, float]]:
    """Return the requests and units of each operation, each on its own table."""
    table = f"growth-{users}"
    client: Any = botocore.session.Session().create_client("dynamodb")
    create_table(
        client, table, RESOURCES, ttl=False, point_in_time_recovery=False, deletion_protection=False
    )
    owner, layout = _user(1), Layout(RESOURCES)
    items = [
        layout.of(USERS).claim(USERS.unique[0], owner.email, owner.user_id),
        *(layout.of(USERS).new(_user(number), 1, None) for number in range(1, users + 1)),
        *(
            layout.of(ORDERS).new(an_order(owner, order_id=f"ord_{n:032x}"), 1, None)
            for n in range(orders)
        ),
    ]
    for first in range(0, len(items), _MOST_AT_ONCE):
        batch = items[first : first + _MOST_AT_ONCE]
        puts = [{"PutRequest": {"Item": item}} for item in batch]
        client.batch_write_item(RequestItems={table: puts})
    wire = Wire()
    storage = DynamoDBStorage(table, RESOURCES, client=wire)
    counted = {}
    for name, operation in _operations(users, owner).items():
        wire.reset()
        operation(storage)
        counted[name] = len(wire.requests), sum(wire.capacity.values())
    storage.close()
    client.delete_table(TableName=table)
    client.close()
    return counted


def _operations(users: int, owner: User) -> dict[str, Operation]:
    late = _user(max(users - 499 * _PAGE, users // 2)).user_id
    # A page further back has the same number of rows.
    last = f"ord_{_PAGE + 1:032x}"
    return {
        "get": lambda it: it.get(USERS, (owner.user_id,)),
        "create": lambda it: it.create(USERS, _user(users + next(_new)), None, 0),
        "first page": lambda it: it.list(USERS, (), Query(limit=_PAGE)),
        "500th page": lambda it: it.list(USERS, (), Query(limit=_PAGE, after=late)),
        "by e-mail": lambda it: it.list(
            USERS, (), Query(limit=_PAGE, filters={"email": owner.email})
        ),
        "by status, of half": lambda it: it.list(
            USERS, (), Query(limit=_PAGE, filters={"status": "suspended"})
        ),
        "first orders": lambda it: it.list(ORDERS, (owner.user_id,), Query(limit=_PAGE)),
        "last orders": lambda it: it.list(ORDERS, (owner.user_id,), Query(limit=_PAGE, after=last)),
    }


def _user(number: int) -> User:
    status: Any = "suspended" if number % 2 else "active"
    # The same length for every number, so that pages have the same size.
    email = f"u{number:07d}@example.com"
    return User(
        f"usr_{number:032x}",
        "Ann Example",
        email,
        status,
        {},
        created_at=_TIME,
        updated_at=_TIME,
        version=1,
    )
