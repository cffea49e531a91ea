"""Members in DynamoDB: their cost, interruptions, and others that come in between."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from msgspec.structs import replace

from chalicelib.aws.errors import NoResponse
from chalicelib.aws.http_messages import Request, Response
from chalicelib.domain.errors import Problem, Unavailable
from chalicelib.domain.groups import GROUPS, Group
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Change
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from tests.resources.groups import a_group
from tests.storage.operations import member_change
from tests.storage.test_dynamodb_faults import FOREVER, Table
from tests.storage.wire import FakeClock, Fault, Wire, lost_after, lost_before, send
from tests.support.factories import LATER, NOW, a_record, a_user, an_act

# So that a transaction takes three members.
FEW = 14
MEMBERS = 7


class Cloud:
    """A table, and two storages on it: one whose requests are tampered with, and another one."""

    def __init__(self, table: str) -> None:
        self.wire = Wire()
        self.hours = FakeClock()
        self.table = Table(table)
        self.storage = DynamoDBStorage(
            table, RESOURCES, client=self.wire, clock=self.hours.clock, transaction_items=FEW
        )
        self.other = DynamoDBStorage(table, RESOURCES)
        self.users = [a_user() for _ in range(MEMBERS)]
        self.ids = tuple(user.user_id for user in self.users)
        for user in self.users:
            self.other.create(USERS, user, None, NOW)

    def close(self) -> None:
        """Close connections."""
        for one in (self.table, self.storage, self.other):
            one.close()

    def check(self) -> None:
        """Check that members and memberships are pairs of what exists, and counted."""
        items = self.table.raw()
        members, memberships, counts = set(), set(), Counter[str]()
        for partition, sort_key in items:
            kind, _, own = sort_key.partition("#")
            if kind == "MEMBER":
                members.add((partition.removeprefix("GROUP#"), own))
            elif kind == "MEMBERSHIP":
                memberships.add((own, partition.removeprefix("USER#")))
        assert members == memberships
        for group_id, user_id in members:
            assert ("GROUPS", f"GROUP#{group_id}") in items
            assert (f"USER#{user_id}", "USER") in items
            counts.update([group_id, user_id])
        for (partition, sort_key), item in items.items():
            for name, own in (("member_count", sort_key), ("membership_count", partition)):
                count = int(item.get(name, {"N": "0"})["N"])
                assert count == (counts[own.partition("#")[2]] if name in item else 0)
        counted = {
            own.partition("#")[2]
            for (partition, sort_key), item in items.items()
            for name, own in (("member_count", sort_key), ("membership_count", partition))
            if name in item
        }
        assert counts.keys() <= counted


@pytest.fixture(name="cloud")
def _cloud(emulator: str) -> Iterator[Cloud]:
    made = Cloud(emulator)
    yield made
    made.close()


Act = Callable[[Storage], Any]


def acts(cloud: Cloud, group: Group) -> dict[str, Act]:
    """Return what takes several transactions each."""
    own, record = (group.group_id,), a_record()
    new = a_group()
    return {
        "create": lambda s: s.create(GROUPS, new, record, NOW, an_act("created"), cloud.ids),
        "add": lambda s: s.change(GROUPS, own, member_change(*cloud.ids)),
        "remove": lambda s: s.change(GROUPS, own, member_change(remove=cloud.ids)),
        "delete the group": lambda s: s.delete(GROUPS, own, frozenset({1}), NOW, an_act("deleted")),
        "delete a user": lambda s: s.delete(
            USERS, (cloud.ids[0],), frozenset({1}), NOW, an_act("deleted")
        ),
    }


def prepared(cloud: Cloud, name: str) -> Group:
    """Return a group for the act of this name, with the members that it needs."""
    members = () if name in {"create", "add"} else cloud.ids
    group = a_group()
    cloud.other.create(GROUPS, group, None, NOW, an_act("created"), members)
    if name == "delete a user":
        for _ in range(MEMBERS):
            cloud.other.create(GROUPS, a_group(), None, NOW, an_act("created"), cloud.ids[:1])
    return group


ACTS = ("create", "add", "remove", "delete the group", "delete a user")


def content(table: Table) -> Any:
    """Return what is stored, but for how many versions it took."""
    unversioned = ("version", "updated_at")
    return {
        key: {name: item[name] for name in item if name not in unversioned}
        if isinstance(item, dict)
        else len(item) > 0
        for key, item in table.read().items()
    }


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lost_before, id="before"),
        pytest.param(lost_after, id="after", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", ACTS)
def test_what_was_interrupted_is_finished_by_a_repetition(
    cloud: Cloud, name: str, fault: Fault
) -> None:
    """Wherever it stops, no member is left without its pair, and the same request does the rest."""
    group = prepared(cloud, name)
    act, before = acts(cloud, group)[name], cloud.table.raw()
    cloud.wire.reset()
    act(cloud.storage)
    number, all_done = len(cloud.wire.requests), content(cloud.table)
    cloud.check()
    assert number > 5

    for place in range(number):
        cloud.table.restore(before)
        cloud.wire.reset(fault, range(place, FOREVER))
        with pytest.raises(Unavailable):
            act(cloud.storage)
        cloud.check()
        cloud.wire.reset()
        try:
            act(cloud.storage)
        except Problem as problem:
            # Only the last response was lost.
            assert (fault, problem.status) == (lost_after, 404)  # noqa: PT017 - at some places
        cloud.check()
        assert content(cloud.table) == all_done


def meanwhile(operation: Callable[[], Any]) -> Fault:
    """Let something else happen before the request arrives."""

    def fault(request: Request) -> Response:
        operation()
        return send(request)

    return fault


def others(cloud: Cloud, group: Group) -> dict[str, Callable[[], Any]]:
    """Return what others may do in between."""
    own, other = (group.group_id,), cloud.other
    renamed = Change(values={"display_name": "Renamed"}, updated_at=LATER)
    named = Change(values={"name": "Bea"}, updated_at=LATER)
    return {
        "add one": lambda: other.change(GROUPS, own, member_change(cloud.ids[-1])),
        "remove one": lambda: other.change(GROUPS, own, member_change(remove=cloud.ids[:1])),
        "rename": lambda: other.change(GROUPS, own, renamed),
        "rename a user": lambda: other.change(USERS, cloud.ids[-1:], named),
        "delete the group": lambda: other.delete(GROUPS, own, None, NOW),
        "delete the first user": lambda: other.delete(USERS, cloud.ids[:1], None, NOW),
        "delete the last user": lambda: other.delete(USERS, cloud.ids[-1:], None, NOW),
        "another group": lambda: other.create(GROUPS, a_group(), None, NOW, None, cloud.ids),
    }


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize(
    "place",
    [2, 4, *(pytest.param(one, marks=pytest.mark.slow) for one in range(12) if one not in {2, 4})],
)
def test_whatever_comes_in_between(cloud: Cloud, name: str, place: int) -> None:
    """What others do before any of the requests leaves members in pairs, and fails nothing else."""
    for what in others(cloud, a_group()):
        before = cloud.table.raw()
        group = prepared(cloud, name)
        interfere, act = others(cloud, group)[what], acts(cloud, group)[name]
        cloud.wire.reset(meanwhile(interfere), (place,))
        try:
            act(cloud.storage)
        except Problem as problem:
            # The group is gone or has another version, or a user is gone.
            assert problem.status in {404, 412}, (what, problem)  # noqa: PT017 - may succeed
        cloud.check()
        cloud.wire.reset()
        # Nothing is counted that is not there: all can be deleted.
        for one in cloud.storage.list(GROUPS, (), Query(limit=100)).items:
            cloud.storage.delete(GROUPS, (one.group_id,), None, NOW)
        for user_id in cloud.ids:
            if cloud.other.get(USERS, (user_id,)) is not None:
                cloud.storage.delete(USERS, (user_id,), None, NOW)
        cloud.table.restore(before)


@pytest.mark.parametrize("name", ACTS)
def test_an_operation_that_takes_too_long_stops_in_a_valid_state(cloud: Cloud, name: str) -> None:
    """When the time is over, it is Unavailable between transactions; repetitions finish it."""
    group = prepared(cloud, name)
    act = acts(cloud, group)[name]

    def slow(request: Request) -> Response:
        cloud.hours.seconds += 1.5
        return send(request)

    attempts = 0
    while True:
        attempts += 1
        cloud.wire.reset(slow, range(FOREVER))
        try:
            act(cloud.storage)
            break
        except Unavailable:
            cloud.check()
    assert attempts > 1
    cloud.check()


def test_a_retried_creation_completes_only_what_nobody_has_changed(cloud: Cloud) -> None:
    """Once members have changed, the retry of an interrupted creation adds none."""
    group, record = a_group(), a_record()

    def create() -> Any:
        return cloud.storage.create(GROUPS, group, record, NOW, None, cloud.ids)

    cloud.wire.reset()
    create()
    number = len(cloud.wire.requests)
    cloud.other.change(GROUPS, (group.group_id,), member_change(remove=cloud.ids[:2]))
    assert create() == record
    members = cloud.other.memberships.members(GROUPS, group.group_id, Query(limit=100))
    assert sorted(members.items) == [*cloud.ids[2:]]
    other = replace(record, digest="another")
    assert cloud.storage.create(GROUPS, a_group(), other, NOW, None, cloud.ids) == record
    late = cloud.storage.create(GROUPS, a_group(), record, record.expires_at, None, cloud.ids)
    assert late is None
    assert number < len(cloud.wire.requests)


@pytest.mark.parametrize("size", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_member_costs_the_same_in_a_group_of_any_size(emulator: str, size: int) -> None:
    """To add, remove and find one member takes as many requests and units as in a small group."""
    costs = []
    for number in (2, size):
        wire = Wire()
        storage = DynamoDBStorage(emulator, RESOURCES, client=wire)
        user, group = a_user(), a_group()
        storage.create(USERS, user, None, NOW)
        storage.create(GROUPS, group, None, NOW, an_act("created"))
        fill(emulator, group.group_id, number)
        wire.reset()
        own = (group.group_id,)

        storage.change(GROUPS, own, member_change(user.user_id))
        assert storage.memberships.has(GROUPS, group.group_id, user.user_id)
        page = storage.memberships.members(GROUPS, group.group_id, Query(limit=1))
        assert page.items == [user.user_id]
        assert storage.memberships.owners(GROUPS, user.user_id)[0].group_id == group.group_id
        storage.change(GROUPS, own, member_change(remove=(user.user_id,)))

        costs.append(([name for name, _ in wire.requests], wire.capacity))
        storage.close()
    assert costs[0] == costs[1]
    assert len(costs[0][0]) == 3 + 1 + 1 + 2 + 3


def fill(table: str, group_id: str, number: int) -> None:
    """Write members into a group, without users."""
    client = boto3.client("dynamodb")
    puts = [
        {
            "PutRequest": {
                "Item": {
                    "PK": {"S": f"GROUP#{group_id}"},
                    "SK": {"S": f"MEMBER#usr_{place:032x}"},
                }
            }
        }
        for place in range(number)
    ]
    for start in range(0, number, 25):
        client.batch_write_item(RequestItems={table: puts[start : start + 25]})
    client.close()


def test_nothing_but_permitted_requests_is_sent(cloud: Cloud) -> None:
    """Reads and writes of members are requests, and transactions of them, that policies grant."""
    allowed = {
        "GetItem",
        "PutItem",
        "UpdateItem",
        "Query",
        "TransactWriteItems",
        "TransactGetItems",
    }
    for name in ACTS:
        group = prepared(cloud, name)
        cloud.wire.reset()
        acts(cloud, group)[name](cloud.storage)
        assert {sent for sent, _ in cloud.wire.requests} <= allowed
        for sent, request in cloud.wire.requests:
            if sent == "TransactWriteItems":
                assert len(request["TransactItems"]) <= FEW
                assert not [one for one in request["TransactItems"] if "ConditionCheck" in one]
            elif sent == "TransactGetItems":
                assert len(request["TransactItems"]) <= FEW
                assert all([*one] == ["Get"] for one in request["TransactItems"])


def test_a_lost_response_changes_members_once(cloud: Cloud) -> None:
    """A transaction whose response was lost is not repeated, and makes one version."""
    group = prepared(cloud, "add")

    def once(request: Request) -> Response:
        send(request)
        raise NoResponse

    cloud.wire.reset(once, (2,))
    changed = cloud.storage.change(GROUPS, (group.group_id,), member_change(cloud.ids[0]))
    assert [name for name, _ in cloud.wire.requests].count("TransactWriteItems") == 2
    assert changed.version == 2
    assert cloud.other.get(GROUPS, (group.group_id,)) == changed
    cloud.check()
