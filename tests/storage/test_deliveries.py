"""Deliveries: every engine keeps them alike; SQL and memory are also their queue."""

from collections.abc import Iterable
from typing import Any, cast

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from chalicelib.domain.deliveries import LIFETIME, Deliveries, Delivery, Message, QueuedDeliveries
from chalicelib.domain.storage import Query
from chalicelib.domain.users import USERS
from tests.storage.conftest import MakeStorage
from tests.storage.test_concurrency import concurrently
from tests.support.event_factories import TIME, a_delivery, at, new_webhook_id
from tests.support.factories import NOW, a_record, a_user

QUEUEING = ("memory", "sqlite", "postgresql")


@pytest.fixture
def deliveries(new_storage: MakeStorage) -> Deliveries:
    """Return empty storage of deliveries."""
    made: Deliveries = new_storage().deliveries
    return made


@pytest.fixture
def queue(new_storage: MakeStorage) -> QueuedDeliveries:
    """Return an empty queue of deliveries."""
    return cast("QueuedDeliveries", new_storage().deliveries)


queueing = pytest.mark.parametrize("engine", QUEUEING, indirect=True)


def the_ids(messages: Iterable[Message]) -> list[str]:
    """Return the ids of the deliveries."""
    return [message.delivery.id for message in messages]


def attempted(message: Message) -> Delivery:
    """Return the delivery after an attempt that failed, with all that is optional."""
    return replace(
        message.delivery,
        attempts=1,
        next_attempt_at=at(5),
        last_attempt_at=at(1),
        response_status=503,
        duration_ms=87,
        error="The endpoint responded with 503. Zoë",
    )


def test_a_delivery_is_kept_whole(deliveries: Deliveries) -> None:
    """What is read is what was added: each member, and the payload to the byte."""
    message = a_delivery(new_webhook_id())
    whole = a_delivery(new_webhook_id())
    whole = replace(whole, delivery=attempted(whole), payload='{"a": "\\u0000 Zoë \U0001f335"}')

    deliveries.add([message, whole])

    for added in (message, whole):
        assert deliveries.get(added.delivery.webhook_id, added.delivery.id) == added


def test_an_unknown_delivery_is_none(deliveries: Deliveries) -> None:
    """There is no delivery under an unknown id, nor under another webhook's id."""
    message = a_delivery(new_webhook_id())
    deliveries.add([message])

    assert deliveries.get(message.delivery.webhook_id, "dlv_" + "0" * 32) is None
    assert deliveries.get(new_webhook_id(), message.delivery.id) is None


def test_a_known_delivery_is_not_added_again(deliveries: Deliveries) -> None:
    """Adding is repeatable: what is there stays as it has become, and what is new is added."""
    webhook_id = new_webhook_id()
    first, second = a_delivery(webhook_id), a_delivery(webhook_id)
    deliveries.add([])
    deliveries.add([first])
    assert deliveries.replace(attempted(first), first.delivery)

    deliveries.add([replace(first, payload="{}"), second])

    assert deliveries.get(webhook_id, first.delivery.id) == replace(
        first, delivery=attempted(first)
    )
    assert deliveries.get(webhook_id, second.delivery.id) == second


@pytest.mark.parametrize("ascending", [True, False])
def test_deliveries_are_listed_in_pages(deliveries: Deliveries, *, ascending: bool) -> None:
    """Pages follow each other in the order of the ids, without other webhooks' deliveries."""
    webhook_id = new_webhook_id()
    messages = [a_delivery(webhook_id) for _ in range(5)]
    messages[2] = replace(messages[2], delivery=attempted(messages[2]))
    deliveries.add([*messages, a_delivery(new_webhook_id())])
    expected = [message.delivery for message in messages][:: 1 if ascending else -1]

    for limit in (1, 2, 5, 9):
        found: list[Delivery] = []
        query = Query(limit=limit, ascending=ascending)
        while True:
            page = deliveries.list(webhook_id, query)
            found += page.items
            assert len(page.items) <= limit
            if page.position is None:
                break
            query = replace(query, after=page.position)
        assert found == expected
    assert deliveries.list(new_webhook_id(), query).items == []


def test_what_became_of_a_delivery_is_kept(deliveries: Deliveries) -> None:
    """A replacement sets what it has and removes what it lacks; the payload stays."""
    message = a_delivery(new_webhook_id())
    webhook_id = message.delivery.webhook_id
    deliveries.add([message])
    succeeded = replace(
        attempted(message), status="succeeded", next_attempt_at=UNSET, error=UNSET, attempts=2
    )

    seen = message.delivery
    for delivery in (attempted(message), succeeded):
        assert deliveries.replace(delivery, seen)
        found = deliveries.get(webhook_id, delivery.id)
        assert found == replace(message, delivery=delivery)
        seen = delivery


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"requested_at": at(60), "next_attempt_at": at(60)},
        {"attempts": 1, "next_attempt_at": at(5)},
        {"status": "succeeded", "next_attempt_at": UNSET},
    ],
)
def test_an_outdated_result_is_not_kept(deliveries: Deliveries, meanwhile: dict[str, Any]) -> None:
    """What became of a delivery is dropped if anything became of it since it was read."""
    message = a_delivery(new_webhook_id())
    changed = replace(message.delivery, **meanwhile)
    deliveries.add([message])
    assert deliveries.replace(changed, message.delivery)

    late = replace(attempted(message), status="failed")
    assert not deliveries.replace(late, message.delivery)

    found = deliveries.get(changed.webhook_id, changed.id)
    assert found == replace(message, delivery=changed)


def test_a_result_of_what_is_forgotten_is_not_kept(deliveries: Deliveries) -> None:
    """What became of a delivery that is there no more makes no new one."""
    delivery = a_delivery(new_webhook_id()).delivery

    assert not deliveries.replace(replace(delivery, attempts=1), delivery)

    assert deliveries.list(delivery.webhook_id, Query(limit=9)).items == []


@queueing
def test_a_claim_outdates_nothing(queue: QueuedDeliveries) -> None:
    """The result of an attempt that outlived its lease is kept if no other one ended before."""
    message = a_delivery(new_webhook_id())
    webhook_id = message.delivery.webhook_id
    queue.add([message])
    (first,) = queue.claim(webhook_id, TIME, at(30), 1)
    (second,) = queue.claim(webhook_id, at(30), at(60), 1)

    done = replace(first.delivery, status="succeeded", attempts=1, next_attempt_at=UNSET)
    assert queue.replace(done, first.delivery)
    failed = replace(second.delivery, attempts=1, next_attempt_at=at(90))
    assert not queue.replace(failed, second.delivery)

    found = queue.get(webhook_id, done.id)
    assert found == replace(message, delivery=done)


def test_of_two_results_at_once_one_is_kept(deliveries: Deliveries) -> None:
    """When several senders end their attempts at once, exactly one of them is told it was kept."""
    message = a_delivery(new_webhook_id())
    deliveries.add([message])
    results = [replace(attempted(message), duration_ms=number) for number in range(5)]

    outcomes = concurrently(
        [lambda it=it: deliveries.replace(it, message.delivery) for it in results]
    )

    (winner,) = [it for it, is_kept in zip(results, outcomes, strict=True) if is_kept]
    assert deliveries.get(winner.webhook_id, winner.id) == replace(message, delivery=winner)


def test_of_two_requests_to_send_again_one_wins(deliveries: Deliveries) -> None:
    """When several ask for the same delivery at once, exactly one of them is told that it did."""
    message = a_delivery(new_webhook_id())
    deliveries.add([message])
    asked = [replace(message.delivery, requested_at=at(number)) for number in range(1, 6)]

    outcomes = concurrently(
        [lambda it=it: deliveries.replace(it, message.delivery) for it in asked]
    )

    (winner,) = [it for it, is_kept in zip(asked, outcomes, strict=True) if is_kept]
    assert deliveries.get(winner.webhook_id, winner.id) == replace(message, delivery=winner)


def test_what_is_asked_for_is_kept_with_its_record(deliveries: Deliveries) -> None:
    """A new delivery, and one that is asked for again, are there together with their records."""
    message, first, second = a_delivery(new_webhook_id()), a_record(), a_record()
    again = replace(message, delivery=replace(message.delivery, requested_at=at(60)))
    path = message.delivery.webhook_id, message.delivery.id

    assert deliveries.record(first.key, NOW) is None
    assert deliveries.request(message, None, first, NOW)
    assert deliveries.get(*path) == message
    assert deliveries.request(again, message.delivery, second, NOW)
    assert deliveries.get(*path) == again
    assert [deliveries.record(one.key, NOW) for one in (first, second)] == [first, second]


def test_what_is_asked_for_needs_no_record(deliveries: Deliveries) -> None:
    """Without a record, a delivery is kept under the same conditions."""
    message = a_delivery(new_webhook_id())
    again = replace(message, delivery=replace(message.delivery, requested_at=at(60)))

    assert deliveries.request(message, None, None, NOW)
    assert deliveries.request(again, message.delivery, None, NOW)
    assert not deliveries.request(message, message.delivery, None, NOW)

    assert deliveries.get(message.delivery.webhook_id, message.delivery.id) == again


def test_nothing_is_asked_for_twice_with_a_key(deliveries: Deliveries) -> None:
    """While a record lives, nothing is written with its key; an expired one is replaced."""
    message, other = a_delivery(new_webhook_id()), a_delivery(new_webhook_id())
    again = replace(message, delivery=replace(message.delivery, requested_at=at(60)))
    record = a_record(expires_at=NOW + 100)
    assert deliveries.request(message, None, record, NOW)

    repeated = a_record(key=record.key, expires_at=NOW + 200)
    assert not deliveries.request(other, None, repeated, NOW + 99)
    assert not deliveries.request(again, message.delivery, repeated, NOW + 99)

    assert deliveries.get(other.delivery.webhook_id, other.delivery.id) is None
    assert deliveries.get(message.delivery.webhook_id, message.delivery.id) == message
    assert deliveries.record(record.key, NOW + 99) == record
    assert deliveries.record(record.key, NOW + 100) is None
    assert deliveries.request(again, message.delivery, repeated, NOW + 100)
    assert deliveries.record(record.key, NOW + 100) == repeated


def test_a_refused_request_leaves_no_record(deliveries: Deliveries) -> None:
    """If the delivery has changed since it was seen, the key can be used again."""
    message, record = a_delivery(new_webhook_id()), a_record()
    changed = replace(message.delivery, attempts=1)
    again = replace(message, delivery=replace(message.delivery, requested_at=at(60)))
    deliveries.add([message])
    assert deliveries.replace(changed, message.delivery)

    assert not deliveries.request(again, message.delivery, record, NOW)
    assert deliveries.record(record.key, NOW) is None
    assert deliveries.get(changed.webhook_id, changed.id) == replace(message, delivery=changed)

    assert deliveries.request(again, changed, record, NOW)


def test_a_key_is_shared_with_creations(new_storage: MakeStorage) -> None:
    """A key that created an entity keeps a delivery from being asked for, and the reverse."""
    storage, message, user = new_storage(), a_delivery(new_webhook_id()), a_user()
    first, second = a_record(), a_record()
    assert storage.create(USERS, user, first, NOW) is None

    assert not storage.deliveries.request(message, None, first, NOW)
    assert storage.deliveries.record(first.key, NOW) == first
    assert storage.deliveries.request(message, None, second, NOW)
    assert storage.create(USERS, a_user(), second, NOW) == second

    storage.delete(USERS, (user.user_id,), None, NOW)
    tombstone = storage.deliveries.record(first.key, NOW)
    assert tombstone is not None
    assert tombstone.is_tombstone


def test_of_many_requests_with_one_key_one_is_kept(deliveries: Deliveries) -> None:
    """When a client repeats its request before the response, one delivery is made."""
    webhook_id, record = new_webhook_id(), a_record()
    messages = [a_delivery(webhook_id) for _ in range(6)]

    outcomes = concurrently(
        [lambda it=it: deliveries.request(it, None, record, NOW) for it in messages]
    )

    (kept,) = [it for it, is_kept in zip(messages, outcomes, strict=True) if is_kept]
    assert deliveries.list(webhook_id, Query(limit=9)).items == [kept.delivery]


def test_it_is_known_whether_any_succeeded(deliveries: Deliveries) -> None:
    """A success counts from its time on, for its own webhook; failures and what waits do not."""
    webhook_id = new_webhook_id()
    succeeded = {"status": "succeeded", "next_attempt_at": UNSET, "last_attempt_at": at(5)}
    failed = succeeded | {"status": "failed", "last_attempt_at": at(9)}
    deliveries.add([a_delivery(webhook_id), a_delivery(webhook_id, **failed)])
    deliveries.add([a_delivery(new_webhook_id(), **succeeded)])
    assert not deliveries.has_succeeded(webhook_id, TIME)

    deliveries.add([a_delivery(webhook_id, **succeeded), a_delivery(webhook_id, attempts=1)])

    assert deliveries.has_succeeded(webhook_id, at(4.999))
    assert deliveries.has_succeeded(webhook_id, at(5))
    assert not deliveries.has_succeeded(webhook_id, at(5.001))


def test_a_success_is_found_behind_later_failures(deliveries: Deliveries) -> None:
    """However much was sent since without success, one that succeeded in time is found."""
    webhook_id = new_webhook_id()
    succeeded = a_delivery(webhook_id, status="succeeded", last_attempt_at=at(5))
    large = '{"a": "' + 60_000 * "x" + '"}'
    failed = [replace(a_delivery(webhook_id, status="failed"), payload=large) for _ in range(40)]
    deliveries.add([succeeded, *failed])

    assert deliveries.has_succeeded(webhook_id, at(5))
    assert not deliveries.has_succeeded(webhook_id, at(6))


@queueing
def test_webhooks_with_due_deliveries_are_found(queue: QueuedDeliveries) -> None:
    """A webhook is due from the time of its earliest pending delivery on."""
    now, later, done, both = (new_webhook_id() for _ in range(4))
    queue.add(
        [
            a_delivery(now),
            a_delivery(now),
            a_delivery(later, next_attempt_at=at(60)),
            a_delivery(done, status="succeeded", next_attempt_at=UNSET),
            a_delivery(done, status="failed"),
            a_delivery(both, next_attempt_at=at(60)),
            a_delivery(both, next_attempt_at=at(-60)),
        ]
    )

    assert queue.due_webhooks(at(-61)) == []
    assert queue.due_webhooks(at(-1)) == [both]
    assert sorted(queue.due_webhooks(TIME)) == [now, both]
    assert sorted(queue.due_webhooks(at(59.999))) == [now, both]
    assert sorted(queue.due_webhooks(at(60))) == [now, later, both]


@queueing
def test_due_deliveries_are_claimed_in_order(queue: QueuedDeliveries) -> None:
    """A claim takes the longest due first, up to the limit, of this webhook alone."""
    webhook_id = new_webhook_id()
    due = [a_delivery(webhook_id) for _ in range(3)]
    retried = a_delivery(webhook_id, next_attempt_at=at(-5), attempts=1)
    queue.add(
        [
            *due,
            retried,
            a_delivery(webhook_id, next_attempt_at=at(1)),
            a_delivery(webhook_id, status="succeeded"),
            a_delivery(new_webhook_id()),
        ]
    )

    first = queue.claim(webhook_id, TIME, at(30), 2)
    second = queue.claim(webhook_id, TIME, at(30), 9)

    assert the_ids(first) == the_ids([retried, due[0]])
    assert the_ids(second) == the_ids(due[1:])
    assert second[0] == replace(due[1], delivery=replace(due[1].delivery, next_attempt_at=at(30)))
    assert queue.claim(webhook_id, TIME, at(30), 9) == []
    for message in [*first, *second]:
        assert queue.get(webhook_id, message.delivery.id) == message


@queueing
def test_a_claim_ends_by_itself(queue: QueuedDeliveries) -> None:
    """Deliveries whose worker died are claimed by another one after the lease, and not before."""
    webhook_id = new_webhook_id()
    queue.add([a_delivery(webhook_id), a_delivery(webhook_id)])
    claimed = queue.claim(webhook_id, TIME, at(30), 9)

    assert queue.due_webhooks(at(29.999)) == []
    assert queue.claim(webhook_id, at(29.999), at(60), 9) == []
    assert queue.due_webhooks(at(30)) == [webhook_id]
    assert the_ids(queue.claim(webhook_id, at(30), at(60), 9)) == the_ids(claimed)


@queueing
def test_a_delivery_that_is_done_is_not_claimed_again(queue: QueuedDeliveries) -> None:
    """After its result is kept, a delivery is due no more, until sending is asked for again."""
    webhook_id = new_webhook_id()
    message = a_delivery(webhook_id)
    queue.add([message])
    (claimed,) = queue.claim(webhook_id, TIME, at(30), 9)
    done = replace(claimed.delivery, status="succeeded", next_attempt_at=UNSET)
    assert queue.replace(done, claimed.delivery)

    assert queue.due_webhooks(at(90)) == []
    assert queue.claim(webhook_id, at(90), at(120), 9) == []
    asked = replace(done, status="pending", requested_at=at(91), next_attempt_at=at(91))
    assert queue.replace(asked, done)
    assert the_ids(queue.claim(webhook_id, at(91), at(120), 9)) == [message.delivery.id]


@queueing
def test_two_workers_never_claim_the_same(queue: QueuedDeliveries) -> None:
    """Workers that claim at the same time share the deliveries, each of them once."""
    webhook_id = new_webhook_id()
    messages = [a_delivery(webhook_id) for _ in range(60)]
    queue.add(messages)

    def work() -> list[str]:
        found: list[str] = []
        while claimed := queue.claim(webhook_id, TIME, at(30), 4):
            found += the_ids(claimed)
        return found

    outcomes = concurrently([work] * 6)
    # A worker finds nothing while others hold what is left; it asks again.
    outcomes.append(work())

    assert sorted(one for found in outcomes for one in found) == the_ids(messages)


@queueing
def test_what_has_expired_is_purged(queue: QueuedDeliveries) -> None:
    """Deliveries are forgotten seven days after they were asked for, and others stay."""
    webhook_id = new_webhook_id()
    old = [a_delivery(webhook_id, requested_at=at(-1)) for _ in range(2100)]
    new = a_delivery(webhook_id)
    queue.add([*old, new])

    queue.purge(NOW + LIFETIME - 2)
    assert queue.get(webhook_id, old[0].delivery.id) == old[0]
    queue.purge(NOW + LIFETIME - 1)

    assert queue.list(webhook_id, Query(limit=9)).items == [new.delivery]
    queue.purge(NOW + LIFETIME)
    assert queue.list(webhook_id, Query(limit=9)).items == []
    assert queue.due_webhooks(at(1)) == []
