"""Every statement of the SQL engine uses an index."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from chalicelib.domain.deliveries import Message, QueueingStorage
from chalicelib.domain.errors import Problem
from chalicelib.domain.events import Events
from chalicelib.domain.orders import ORDERS
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS
from tests.storage.conftest import MakeStorage
from tests.storage.operations import OPERATIONS, Operation, set_up
from tests.support.event_factories import TIME, a_delivery, new_webhook_id
from tests.support.factories import LATER, NOW, a_record, a_user, user_change

# Besides the operations with documented costs: every way through a list.
LISTS = [
    Operation(
        "users after", lambda s, it: s.list(USERS, (), Query(limit=5, after=it.user.user_id))
    ),
    Operation(
        "users, oldest first", lambda s, _: s.list(USERS, (), Query(limit=5, ascending=True))
    ),
    Operation(
        "users between",
        lambda s, _: s.list(
            USERS, (), Query(limit=5, from_id="usr_0", to_id="usr_f", filters={"status": "active"})
        ),
    ),
    Operation(
        "orders by status after",
        lambda s, it: s.list(
            ORDERS,
            (it.user.user_id,),
            Query(limit=5, after=it.order.order_id, filters={"status": "paid"}),
        ),
    ),
]
# Events and deliveries, which `set_up` does not make.
QUEUES: dict[str, Callable[[QueueingStorage, Message], Any]] = {
    "change": lambda s, it: s.change(USERS, (it.delivery.event_id,), user_change(name="Bea")),
    "relay": lambda s, it: s.outbox.relay(2, lambda _: [it]),
    "get": lambda s, it: s.deliveries.get(it.delivery.webhook_id, it.delivery.id),
    "list": lambda s, it: s.deliveries.list(it.delivery.webhook_id, Query(limit=2)),
    "list after": lambda s, it: s.deliveries.list(
        it.delivery.webhook_id, Query(limit=2, after=it.delivery.id, ascending=True)
    ),
    "replace": lambda s, it: s.deliveries.replace(it.delivery, it.delivery),
    "request": lambda s, it: s.deliveries.request(it, it.delivery, a_record(), NOW),
    "record": lambda s, _: s.deliveries.record("a key", NOW),
    "succeeded": lambda s, it: s.deliveries.has_succeeded(it.delivery.webhook_id, TIME),
    "due": lambda s, _: s.deliveries.due_webhooks(TIME),
    "claim": lambda s, it: s.deliveries.claim(it.delivery.webhook_id, TIME, LATER, 2),
    "purge": lambda s, _: s.deliveries.purge(NOW * 2),
}
# As SQLite and PostgreSQL put it. "SCAN users USING INDEX" follows an index up to the limit.
# "pending" is no table: it has a row for each webhook with pending deliveries.
SLOW = re.compile(r"SCAN (?!CONSTANT|pending)\w+\b(?! USING)|USE TEMP B-TREE|Seq Scan")


@contextlib.contextmanager
def explained() -> Iterator[dict[str, str]]:
    """Collect the plan of each statement that is sent while the block runs."""
    plans: dict[str, str] = {}

    def explain(
        connection: Connection, _: Any, statement: str, parameters: Any, *__: object
    ) -> None:
        if not statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE", "INSERT")):
            return
        cursor = connection.connection.cursor()
        if connection.dialect.name == "postgresql":
            # Tables this small would be read whole otherwise.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {statement}", parameters)
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans[statement] = "\n".join(str(row) for row in cursor.fetchall())
        cursor.close()

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("operation", [*OPERATIONS, *LISTS], ids=lambda it: it.name)
def test_every_statement_uses_an_index(storage: Storage, operation: Operation) -> None:
    """No statement scans a whole table."""
    state = set_up(storage)
    operation.prepare(storage, state)
    with explained() as plans, contextlib.suppress(Problem):
        operation.run(storage, state)
    assert plans
    assert not {statement: plan for statement, plan in plans.items() if SLOW.search(plan)}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("name", QUEUES)
def test_every_statement_of_the_queues_uses_an_index(new_storage: MakeStorage, name: str) -> None:
    """Neither the outbox nor the deliveries are scanned, however many there are."""
    storage: QueueingStorage = new_storage(events=Events("https://api.example.com"))
    webhook_id, user = new_webhook_id(), a_user()
    messages = [a_delivery(webhook_id, event_id=user.id) for _ in range(3)]
    storage.deliveries.add([*messages, a_delivery(new_webhook_id())])
    storage.create(USERS, user, None, NOW)
    for _ in range(3):
        storage.create(USERS, a_user(), None, NOW)
    with explained() as plans:
        QUEUES[name](storage, messages[0])
    assert plans
    assert not {statement: plan for statement, plan in plans.items() if SLOW.search(plan)}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_one_statement_finds_all_webhooks_that_are_due(new_storage: MakeStorage) -> None:
    """However many webhooks have pending deliveries, looking for them takes one statement."""
    storage: QueueingStorage = new_storage()
    webhook_ids = [new_webhook_id() for _ in range(30)]
    storage.deliveries.add([a_delivery(webhook_id) for webhook_id in webhook_ids * 2])
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert sorted(storage.deliveries.due_webhooks(TIME)) == webhook_ids
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len([statement for statement in sent if "deliveries" in statement]) == 1
