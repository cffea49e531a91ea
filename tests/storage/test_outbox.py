"""The outbox: an event is there exactly when its change is, and is passed on at least once."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from chalicelib.domain.deliveries import Message, QueueingStorage
from chalicelib.domain.errors import Problem, Unavailable
from chalicelib.domain.events import CloudEvent, Events
from chalicelib.domain.orders import ORDERS
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Counter, EventNames, Guard, Resource
from chalicelib.domain.storage import Query
from chalicelib.domain.users import USERS, User
from chalicelib.telemetry.activity import begin
from tests.storage.conftest import MakeStorage
from tests.storage.test_concurrency import concurrently
from tests.support.event_factories import TIME, a_delivery, at, new_webhook_id
from tests.support.factories import (
    LATER,
    NOW,
    a_record,
    a_user,
    an_act,
    an_order,
    step,
    user_change,
)
from tests.support.synthetic import (
    TEAMS,
    NotOpen,
    Reminder,
    TooManyReminders,
    a_reminder,
    a_team,
)

SOURCE = "https://api.example.com"
EVENTS = Events(SOURCE)
# Children that are deleted with their parent, with events.
REMINDERS = Resource(
    "reminders",
    Reminder,
    description="Reminders.",
    parent=USERS,
    parent_guard=Guard("status", frozenset({"active"}), lambda _: NotOpen()),
    counter=Counter(name="reminders", maximum=3, exceeded=TooManyReminders),
    events=EventNames("status", ("done",)),
)
KEPT = (*RESOURCES, REMINDERS, TEAMS)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

every_engine = pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql"], indirect=True)


@pytest.fixture
def storage(new_storage: MakeStorage) -> QueueingStorage:
    """Return an empty storage that keeps events."""
    made: QueueingStorage = new_storage(KEPT, EVENTS)
    return made


def relayed(storage: QueueingStorage, limit: int = 100) -> list[CloudEvent]:
    """Pass on all events in the outbox, and return them."""
    found: list[CloudEvent] = []

    def deliver(events: Sequence[CloudEvent]) -> list[Message]:
        found.extend(events)
        return []

    while number := storage.outbox.relay(limit, deliver):
        assert number <= limit
    return found


def read(event: CloudEvent | None) -> CloudEvent:
    """Return an event as its reader gets it."""
    assert event is not None
    return msgspec.json.decode(event.to_json(), type=CloudEvent)


def new_user(storage: QueueingStorage) -> User:
    """Create a user, relay its event, and return it."""
    user = a_user()
    storage.create(USERS, user, None, NOW)
    relayed(storage)
    return user


def renamed(storage: QueueingStorage, user: User, number: int = 1) -> list[str]:
    """Change a user so often, and return the ids of the events."""
    versions = [
        storage.change(USERS, (user.id,), user_change(name=f"N{place}")).version
        for place in range(number)
    ]
    return [f"{user.id}_{version}" for version in versions]


@every_engine
def test_each_change_makes_its_event(storage: QueueingStorage) -> None:
    """Creation, changes and deletion make one event each, with consecutive sequences."""
    user, order = a_user(), None
    storage.create(USERS, user, None, NOW)
    named = storage.change(USERS, (user.id,), user_change(name="Bea"))
    order = an_order(user)
    storage.create(ORDERS, order, None, NOW)
    path = (user.id, order.id)
    paid = storage.change(ORDERS, path, step("paid", "pending"))
    cancelled = storage.change(ORDERS, path, step("cancelled", "paid"))
    storage.delete(USERS, (user.id,), None, NOW)

    found = relayed(storage)

    assert found == [
        read(EVENTS.created(USERS, user)),
        read(EVENTS.changed(USERS, user, named)),
        read(EVENTS.created(ORDERS, order)),
        read(EVENTS.changed(ORDERS, order, paid)),
        read(EVENTS.changed(ORDERS, paid, cancelled)),
        read(EVENTS.deleted(USERS, (user.id,), 3, TIME)),
    ]
    assert [one.type for one in found] == [
        "user.created",
        "user.updated",
        "order.created",
        "order.paid",
        "order.cancelled",
        "user.deleted",
    ]
    assert [one.sequence for one in found if one.subject == f"/users/{user.id}"] == [
        f"{version:016}" for version in (1, 2, 3)
    ]
    assert relayed(storage) == []


@every_engine
def test_an_event_tells_the_trace_of_its_request(storage: QueueingStorage) -> None:
    """Creations and changes carry the client's traceparent."""
    begin().traceparent = TRACE
    try:
        user = a_user()
        storage.create(USERS, user, None, NOW)
        renamed(storage, user)
    finally:
        begin()
    renamed(storage, user)

    assert [one.traceparent for one in relayed(storage)] == [TRACE, TRACE, msgspec.UNSET]


@every_engine
def test_children_that_go_with_their_parent_have_events(storage: QueueingStorage) -> None:
    """A deletion makes an event for each child that it deletes, at the time of the act."""
    user = new_user(storage)
    reminders = [a_reminder(user.id) for _ in range(2)]
    for reminder in reminders:
        storage.create(REMINDERS, reminder, None, NOW)
    done = user_change(status="done")
    storage.change(REMINDERS, (user.id, reminders[0].id), done)
    assert [one.type for one in relayed(storage)][-1] == "reminder.done"

    storage.delete(USERS, (user.id,), None, NOW, an_act("deleted"))

    found = relayed(storage)
    assert sorted(found, key=lambda it: it.id) == sorted(
        [
            read(EVENTS.deleted(REMINDERS, (user.id, reminders[0].id), 3, LATER)),
            read(EVENTS.deleted(REMINDERS, (user.id, reminders[1].id), 2, LATER)),
            read(EVENTS.deleted(USERS, (user.id,), 2, LATER)),
        ],
        key=lambda it: it.id,
    )
    assert {one.partitionkey for one in found} == {user.id}


def refuse(operation: Callable[[], Any]) -> type[Exception]:
    """Return the type of the problem that the operation ends with."""
    with pytest.raises(Problem) as caught:
        operation()
    return type(caught.value)


@every_engine
def test_what_is_refused_makes_no_event(storage: QueueingStorage) -> None:
    """Neither a failed condition, nor a unique value that is taken, nor a replay makes an event."""
    user, record = a_user(), a_record()
    storage.create(USERS, user, record, NOW)
    other = new_user(storage)
    path, old = (user.id,), frozenset({7})
    missing = a_user()
    storage.change(USERS, (other.id,), user_change(status="suspended"))
    for _ in range(3):
        storage.create(REMINDERS, a_reminder(user.id), None, NOW)
    relayed(storage)

    assert storage.create(USERS, a_user(), record, NOW) == record
    for operation in (
        lambda: storage.create(USERS, a_user(email=user.email.upper()), None, NOW),
        lambda: storage.create(USERS, a_user(email=user.email), a_record(), NOW),
        lambda: storage.change(USERS, path, user_change(email=other.email)),
        lambda: storage.change(USERS, path, user_change(name="Bea", versions=old)),
        lambda: storage.change(USERS, (missing.id,), user_change(name="Bea")),
        lambda: storage.delete(USERS, path, old, NOW),
        lambda: storage.delete(USERS, (missing.id,), None, NOW),
        lambda: storage.create(ORDERS, an_order(missing), None, NOW),
        lambda: storage.create(REMINDERS, a_reminder(other.id), None, NOW),
        lambda: storage.create(REMINDERS, a_reminder(user.id), None, NOW),
    ):
        refuse(operation)
    storage.create(ORDERS, an_order(user), None, NOW)
    assert len(relayed(storage)) == 1
    refuse(lambda: storage.delete(USERS, path, None, NOW))

    assert relayed(storage) == []


@every_engine
def test_resources_without_events_make_none(storage: QueueingStorage) -> None:
    """Nobody hears of a resource whose description names no events."""
    team = a_team()
    storage.create(TEAMS, team, None, NOW)
    storage.change(TEAMS, (team.id,), user_change(region="south"))
    storage.delete(TEAMS, (team.id,), None, NOW)

    assert relayed(storage) == []


@every_engine
def test_events_can_be_switched_off(new_storage: MakeStorage) -> None:
    """Storage that is given nothing to make events with keeps none."""
    storage: QueueingStorage = new_storage(KEPT)
    user = a_user()
    storage.create(USERS, user, None, NOW)
    renamed(storage, user)
    storage.delete(USERS, (user.id,), None, NOW)

    assert relayed(storage) == []


@every_engine
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_events_are_relayed_in_their_order(storage: QueueingStorage, limit: int) -> None:
    """Those of one subject are passed on in order, many in one go, up to the limit."""
    users = [a_user() for _ in range(3)]
    expected = []
    for user in users:
        storage.create(USERS, user, None, NOW)
        expected.append(f"{user.id}_1")
    for _ in range(5):
        for user in users[:2]:
            expected += renamed(storage, user)

    assert [one.id for one in relayed(storage, limit)] == expected


@every_engine
def test_deliveries_come_with_the_end_of_their_event(storage: QueueingStorage) -> None:
    """The deliveries that an event makes are kept when it leaves the outbox."""
    user = new_user(storage)
    renamed(storage, user)
    webhook_id = new_webhook_id()
    message = a_delivery(webhook_id)

    assert storage.outbox.relay(10, lambda _: [message]) == 1
    assert storage.deliveries.get(webhook_id, message.delivery.id) == message
    assert storage.deliveries.claim(webhook_id, TIME, at(1), 9)[0].payload == message.payload

    # The same event again, as after a relay that died: the delivery stays as it has become.
    claimed = storage.deliveries.get(webhook_id, message.delivery.id)
    renamed(storage, user)
    assert storage.outbox.relay(10, lambda _: [message]) == 1
    assert storage.deliveries.get(webhook_id, message.delivery.id) == claimed


@every_engine
def test_the_oldest_event_is_known(storage: QueueingStorage) -> None:
    """The time of the event that was written first is told, as long as it is there."""
    assert storage.outbox.oldest() is None
    user = a_user()
    storage.create(USERS, user, None, NOW)
    renamed(storage, user)
    assert storage.outbox.oldest() == user.created_at
    assert storage.outbox.relay(1, lambda _: []) == 1
    assert storage.outbox.oldest() == LATER
    relayed(storage)
    assert storage.outbox.oldest() is None


@every_engine
@pytest.mark.parametrize("error", [Unavailable(), ConnectionError("no bus")])
def test_a_relay_that_fails_leaves_the_events(storage: QueueingStorage, error: Exception) -> None:
    """If events cannot be passed on, they stay, and none of their deliveries is kept."""
    user = new_user(storage)
    expected = renamed(storage, user, 3)
    tried: list[CloudEvent] = []

    def fail(events: Sequence[CloudEvent]) -> list[Message]:
        tried.extend(events)
        raise error

    for _ in range(2):
        with pytest.raises(type(error)):
            storage.outbox.relay(2, fail)

    assert [one.id for one in tried] == expected[:2] * 2
    assert [one.id for one in relayed(storage)] == expected


@every_engine
def test_delivering_can_read_the_storage(storage: QueueingStorage) -> None:
    """What passes events on can look up webhooks meanwhile."""
    user = new_user(storage)
    renamed(storage, user)
    seen: list[User] = []

    def deliver(_: Sequence[CloudEvent]) -> list[Message]:
        seen.extend(storage.list(USERS, (), Query(limit=9)).items)
        return []

    assert storage.outbox.relay(10, deliver) == 1
    assert [one.name for one in seen] == ["N0"]


@every_engine
def test_relays_share_the_events(storage: QueueingStorage) -> None:
    """Relays that run at once while changes go on, and fail at random, lose nothing.

    Each event is passed on by one relay alone, and each subject's in order.
    """
    users = [new_user(storage) for _ in range(4)]
    number, rng = 15, random.Random(7)
    passed: defaultdict[str, list[str]] = defaultdict(list)
    guard = threading.Lock()
    busy: set[str] = set()
    done = threading.Event()

    def deliver(events: Sequence[CloudEvent]) -> list[Message]:
        subjects = {one.subject for one in events}
        with guard:
            assert not busy & subjects, "two relays have events of one subject"
            busy.update(subjects)
        time.sleep(rng.random() / 200)
        with guard:
            busy.difference_update(subjects)
            if rng.random() < 0.3:
                raise Unavailable
            for one in events:
                passed[one.subject].append(str(one.sequence))
        return []

    def relay() -> None:
        while True:
            is_last = done.is_set()
            try:
                if storage.outbox.relay(3, deliver) == 0 and is_last:
                    return
            except Unavailable:
                continue

    relays = [threading.Thread(target=relay) for _ in range(3)]
    for thread in relays:
        thread.start()
    # Two writers for each user, so that they wait for each other.
    concurrently([lambda user=user: renamed(storage, user, number) for user in users * 2])
    done.set()
    for thread in relays:
        thread.join()

    expected = [f"{version:016}" for version in range(2, 2 * number + 2)]
    assert passed == {f"/users/{user.id}": expected for user in users}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_relays_do_not_wait_for_each_other(storage: QueueingStorage) -> None:
    """While one relay has a subject, another one gets the events of others, and none of that."""
    slow, quick = new_user(storage), new_user(storage)
    slow_ids = renamed(storage, slow, 3)
    inner: list[str] = []

    def deliver(events: Sequence[CloudEvent]) -> list[Message]:
        assert [one.id for one in events] == slow_ids[:1]
        # Made while the first relay is at work: it follows an event that the other one has.
        slow_ids.extend(renamed(storage, slow))
        expected = renamed(storage, quick, 2)
        inner.extend(one.id for one in relayed(storage))
        assert inner == expected
        return []

    assert storage.outbox.relay(1, deliver) == 1
    assert inner
    assert [one.id for one in relayed(storage)] == slow_ids[1:]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_a_large_backlog_is_relayed_in_bounded_steps(
    storage: QueueingStorage,
) -> None:
    """Of many events of one subject, each relay passes on as many as it may, in order."""
    user = new_user(storage)
    expected = renamed(storage, user, 60)
    sizes: list[int] = []
    found: list[str] = []

    def deliver(events: Sequence[CloudEvent]) -> list[Message]:
        sizes.append(len(events))
        found.extend(one.id for one in events)
        return []

    while storage.outbox.relay(25, deliver):
        pass

    assert sizes == [25, 25, 10]
    assert found == expected
