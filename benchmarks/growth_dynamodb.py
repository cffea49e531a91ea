"""Growth on DynamoDB: what the same acts send and consume on few users and on many."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import botocore.session

from benchmarks.bench import Bench
from benchmarks.report import Goal, Section, Table
from chalicelib.domain.model import User
from chalicelib.domain.storage import Query, Storage, UserQuery
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.items import claim_item, new_order_item, new_user_item
from chalicelib.storage.dynamodb.table import create_table
from localdev.engines import Engines, Missing, environment
from tests.storage.things import an_order
from tests.storage.wire import Wire

_TEXT = """\
The same acts on up to {many:,} users, one of whom has {orders:,} orders, on AWS's DynamoDB Local:
requests, and the units that they consume as it counts them (a transaction's twice)."""
_NOTHING = "DynamoDB Local is not installed, so nothing was measured: `make emulators` installs it."
_PAGE = 20
_MOST_AT_ONCE = 25
_TIME = "2026-11-21T09:30:00.000Z"
_new = count(1)

Act = Callable[[Storage], object]


def run(bench: Bench) -> Section:
    """Count what the acts need."""
    title = "Growth: DynamoDB"
    sizes = bench.size.emulated_users
    orders = min(bench.size.orders, sizes[-1])
    with Engines() as engines:
        try:
            endpoint = engines.url("dynamodb-local")
        except Missing:
            return Section(title, [_NOTHING])
        with _pointed_at(endpoint):
            needed = {users: _counted(users, orders) for users in sizes}
    rows = [
        [act, *(f"{sent} / {units:g}" for sent, units in (needed[users][act] for users in sizes))]
        for act in needed[sizes[0]]
    ]
    grown = max(
        needed[sizes[-1]][act][place] / needed[sizes[0]][act][place]
        for act in needed[sizes[0]]
        for place in (0, 1)
    )
    goal = Goal("requests or units, the act that grew most", 1, grown)
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
    """Return the requests and units of each act on a table of its own."""
    table = f"growth-{users}"
    client: Any = botocore.session.Session().create_client("dynamodb")
    create_table(client, table, ttl=False, point_in_time_recovery=False, deletion_protection=False)
    owner = _user(1)
    items = [
        claim_item(owner.email, owner.user_id),
        *(new_user_item(_user(number), 1, None) for number in range(1, users + 1)),
        *(new_order_item(an_order(owner, order_id=f"ord_{n:032x}")) for n in range(orders)),
    ]
    for first in range(0, len(items), _MOST_AT_ONCE):
        batch = items[first : first + _MOST_AT_ONCE]
        puts = [{"PutRequest": {"Item": item}} for item in batch]
        client.batch_write_item(RequestItems={table: puts})
    wire = Wire()
    storage = DynamoDBStorage(table, client=wire)
    counted = {}
    for name, act in _acts(users, owner).items():
        wire.reset()
        act(storage)
        counted[name] = len(wire.requests), sum(wire.capacity.values())
    storage.close()
    client.delete_table(TableName=table)
    client.close()
    return counted


def _acts(users: int, owner: User) -> dict[str, Act]:
    late = _user(max(users - 499 * _PAGE, users // 2)).user_id
    # A page further back holds the same number of rows.
    last = f"ord_{_PAGE + 1:032x}"
    return {
        "get": lambda it: it.get_user(owner.user_id),
        "create": lambda it: it.create_user(_user(users + next(_new)), None, 0),
        "first page": lambda it: it.list_users(UserQuery(limit=_PAGE)),
        "500th page": lambda it: it.list_users(UserQuery(limit=_PAGE, after=late)),
        "by e-mail": lambda it: it.list_users(UserQuery(limit=_PAGE, email=owner.email)),
        "by status, of half": lambda it: it.list_users(UserQuery(limit=_PAGE, status="suspended")),
        "first orders": lambda it: it.list_orders(owner.user_id, Query(limit=_PAGE)),
        "last orders": lambda it: it.list_orders(owner.user_id, Query(limit=_PAGE, after=last)),
    }


def _user(number: int) -> User:
    status: Any = "suspended" if number % 2 else "active"
    # As long for every number, so that pages weigh the same.
    email = f"u{number:07d}@example.com"
    return User(f"usr_{number:032x}", "Ann Example", email, status, {}, _TIME, _TIME, 1)
