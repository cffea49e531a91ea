"""Descriptions: those that storage cannot keep its promises with are refused."""

from typing import Annotated, Any, Literal

import pytest
from msgspec import UNSET, Meta, UnsetType

from chalicelib.domain.annotations import extra
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.fields import Line, Metadata, id_field
from chalicelib.domain.orders import ORDERS
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import (
    Counter,
    Entity,
    EventNames,
    Kind,
    Members,
    Resource,
    Unique,
    read_only_fields,
)
from chalicelib.domain.storage import Query
from chalicelib.domain.users import USERS, UserId
from chalicelib.domain.webhooks import WEBHOOKS
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.items import Layout
from tests.storage.wire import Wire
from tests.support.factories import NOW, a_user, an_order
from tests.support.resource_case import TIMES, new_id
from tests.support.synthetic import REMINDERS, TEAMS, Place, Reminder, Team


class StallNotFound(NotFound):
    """There is no such stall."""


StallId = Annotated[str, id_field("sta_", "stall", "0" * 32, StallNotFound)]


class Stall(Entity, frozen=True):
    """A child whose sort key lies between those of orders and of users."""

    stall_id: StallId
    user_id: UserId
    label: str


class Address(Entity, frozen=True):
    """A child whose sort key lies before those of memberships."""

    stall_id: StallId
    user_id: UserId


class Crowd(Entity, frozen=True):
    """What has members."""

    stall_id: StallId


class Clash(Entity, frozen=True):
    """An entity with fields that are named like other items."""

    stall_id: StallId
    name: str
    team: str
    idempotency: str


COUNTED = Counter(name="stalls", maximum=3)


def stalls(**options: Any) -> Resource[Stall]:
    """Return a description of stalls; children of users unless `options` say otherwise."""
    defaults: dict[str, Any] = {"parent": USERS, "counter": COUNTED}
    return Resource("stalls", Stall, description="Stalls.", **defaults | options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"counter": None}, "needs a counter"),
        ({"counter": Counter(name="stalls")}, "needs a maximum"),
        ({"counter": Counter(name="stalls", field="label", maximum=3)}, "needs a maximum"),
        ({"on_parent_deletion": "keep"}, "must block deletion"),
        ({"unique": (Unique("label", Conflict),)}, "without a parent"),
        ({"parent": ORDERS}, "has no parent itself"),
        ({"counter": Counter(name="status", maximum=3)}, "a field of users"),
    ],
)
def test_a_child_that_cannot_be_kept_safe_is_refused(options: dict[str, Any], reason: str) -> None:
    """A child is counted; it is deleted with its parent up to a maximum, or blocks the deletion."""
    with pytest.raises(ValueError, match=f"stalls: .*{reason}"):
        stalls(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"filters": ("nothing",)},
        {"unique": (Unique("nothing", Conflict),)},
        {
            "counter": Counter(name="stalls", field="nothing", blocks_deletion=Conflict),
            "on_parent_deletion": "keep",
        },
        {"counter": Counter(name="status", maximum=3)},
        {"filters": ("priority",)},
    ],
    ids=[
        "a filter that is no field",
        "a unique field that is none",
        "a counter of no field",
        "a counter named as a field of the parent",
        "a filter by a number, which DynamoDB compares as a text",
    ],
)
def test_a_description_that_no_engine_can_follow_is_refused(options: dict[str, Any]) -> None:
    """A description whose names or types no engine can follow is refused when it is made."""
    defaults: dict[str, Any] = {"parent": USERS, "counter": COUNTED}
    with pytest.raises((ValueError, TypeError)):
        Resource("others", Reminder, description="Others.", **defaults | options)


def test_children_that_can_be_kept_safe_are_accepted() -> None:
    """A maximum or a counter that blocks the deletion is enough, and a root needs neither."""
    assert stalls().counter is COUNTED
    blocking = Counter(name="stalls", blocks_deletion=Conflict)
    assert stalls(counter=blocking, on_parent_deletion="keep").counter is blocking
    stall = a_stall("usr_1")
    assert stalls().ids(stall) == ("usr_1", stall.id)
    assert stalls(parent=None, counter=None).ids(stall) == (stall.id,)


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (UserId, Kind.ID),
        (str, Kind.TEXT),
        (Line, Kind.TEXT),
        (Line | UnsetType, Kind.TEXT),
        (Literal["a", "b"], Kind.TEXT),
        (Annotated[int, Meta(ge=1)] | UnsetType, Kind.INTEGER),
        (Metadata, Kind.PAIRS),
        (dict[str, int], Kind.JSON),
        (list[str], Kind.JSON),
        (Place | UnsetType, Kind.JSON),
    ],
)
def test_kinds_of_fields(hint: Any, kind: Kind) -> None:
    """The kind of a field follows from its type, whatever its constraints."""
    assert Kind.of(hint) is kind


@pytest.mark.parametrize(
    "hint", [float, bool, bytes, str | int, Any, None, tuple[int, ...], object]
)
def test_a_field_that_storage_cannot_keep_is_refused(hint: Any) -> None:
    """A field of another type is refused when the resource is described, not when it is stored."""
    with pytest.raises(TypeError, match="cannot keep"):
        Kind.of(hint)


def test_an_entity_with_such_a_field_is_refused() -> None:
    """The types of all fields are checked, those of optional ones included."""

    class Priced(Stall, frozen=True, kw_only=True):
        """A stall with a price of the wrong type."""

        price: float | UnsetType = UNSET

    with pytest.raises(TypeError, match="float"):
        Resource("priced", Priced, description="Priced.")


def test_what_a_description_derives() -> None:
    """Ids, prefixes, problems, kinds and read-only fields follow from the entity's annotations."""
    assert (REMINDERS.id_field, REMINDERS.prefix) == ("reminder_id", "rem_")
    assert REMINDERS.not_found is extra(Reminder.__annotations__["reminder_id"], "not_found")
    assert REMINDERS.optional == {"note", "priority", "place", "times"}
    assert REMINDERS.fields["place"] is Kind.JSON
    assert {"reminder_id", "user_id", "version", "created_at"} <= set(read_only_fields())
    assert not {"text", "note", "name"} & set(read_only_fields())


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"entity": Team}, "TEAM"),
        ({"unique": (Unique("name", Conflict),)}, "NAME"),
        ({"unique": (Unique("team", Conflict),)}, "TEAM"),
        ({"unique": (Unique("idempotency", Conflict),)}, "IDEMPOTENCY"),
        ({"unique": (Unique("team", Conflict, claims="nickname"),)}, "NICKNAME"),
    ],
)
def test_resources_whose_keys_would_collide_are_refused(options: dict[str, Any], name: str) -> None:
    """Two kinds of items of a DynamoDB table cannot have the same key."""
    entity = options.pop("entity", Clash)
    other: Resource[Any] = Resource("others", entity, description="Others.", **options)

    with pytest.raises(ValueError, match=f"the same keys: .*'{name}'"):
        Layout((*RESOURCES, TEAMS, other))


@pytest.mark.parametrize(("maximum", "fits"), [(29, True), (30, False)])
def test_a_deletion_must_fit_into_a_transaction(maximum: int, *, fits: bool) -> None:
    """What is deleted with a parent, with its records and histories, has at most 100 writes."""
    # Six writes for a user, its record, its history and its unique values, six for the others.
    other = Resource(
        "others",
        Reminder,
        description="Others.",
        parent=USERS,
        counter=Counter(name="others", maximum=2),
    )
    resources = (USERS, ORDERS, other, stalls(counter=Counter(name="stalls", maximum=maximum)))

    if fits:
        assert Layout(resources).resources == resources
    else:
        with pytest.raises(ValueError, match="users: deleting one may take 102 writes"):
            Layout(resources)


def test_only_the_last_of_the_children_lies_before_its_parent() -> None:
    """A Query behind the children reads the parent unless a sibling's name lies between."""
    alone = Layout((USERS, ORDERS))
    both = Layout((USERS, ORDERS, STALLS))

    assert alone.lies_before_parent(alone.of(ORDERS))
    assert not alone.lies_before_parent(alone.of(USERS))
    assert not both.lies_before_parent(both.of(ORDERS))
    assert both.lies_before_parent(both.of(STALLS))


def a_stall(user_id: str) -> Stall:
    """Return a new stall of the user."""
    return Stall(stall_id=new_id("sta_"), user_id=user_id, label="Tea", **TIMES)


STALLS = stalls()


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("filters", [{}, {"status": "pending"}], ids=str)
def test_a_sibling_between_costs_one_request(
    emulator: str, filters: dict[str, str], *, ascending: bool
) -> None:
    """With a sibling between them and their parent, children are listed as without it.

    Only a user without orders costs another request, and a user that does not exist two.
    """
    query = Query(limit=2, ascending=ascending, filters=filters)
    for resources in ((USERS, ORDERS), (USERS, ORDERS, STALLS)):
        wire = Wire()
        storage = DynamoDBStorage(emulator, resources, client=wire)
        user, idle = a_user(), a_user()
        storage.create(USERS, user, None, NOW)
        storage.create(USERS, idle, None, NOW)
        orders = [an_order(user) for _ in range(3)]
        for order in orders:
            storage.create(ORDERS, order, None, NOW)
        if STALLS in resources:
            for owner in (user, idle):
                storage.create(STALLS, a_stall(owner.user_id), None, NOW)
        is_behind = STALLS in resources
        first = orders[:2] if ascending else orders[:0:-1]

        wire.reset()
        page = storage.list(ORDERS, (user.user_id,), query)
        assert (page.items, len(wire.requests)) == (first, 1)
        wire.reset()
        page = storage.list(ORDERS, (idle.user_id,), query)
        assert (page.items, page.position) == ([], None)
        assert len(wire.requests) == 1 + is_behind
        wire.reset()
        with pytest.raises(USERS.not_found):
            storage.list(ORDERS, (a_user().user_id,), query)
        assert len(wire.requests) <= 2 + is_behind
        storage.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"events": EventNames()}, "no events"),
        ({"members": Members("members", "stalls_of", ORDERS)}, "no parent"),
        ({"members": Members("members", "stalls_of", WEBHOOKS)}, "nor is a member small"),
        ({"parent": USERS, "counter": COUNTED}, "no parent"),
    ],
)
def test_members_that_cannot_be_kept_are_refused(options: dict[str, Any], reason: str) -> None:
    """What has members has no events; neither it nor its members have a parent."""
    defaults: dict[str, Any] = {"events": None, "members": Members("members", "fans", USERS)}
    with pytest.raises(ValueError, match=f"stalls: .*{reason}"):
        Resource("stalls", Stall, description="Stalls.", **defaults | options)


def test_memberships_may_lie_between_children_and_their_parent() -> None:
    """A Query behind children whose names sort before memberships would read these first."""
    crowd = Resource(
        "crowds", Crowd, description="Crowds.", events=None, members=Members("fans", "fans", USERS)
    )
    addresses = Resource("x", Address, description="X.", parent=USERS, counter=COUNTED)

    for resources, lies in (((USERS, addresses), True), ((USERS, addresses, crowd), False)):
        layout = Layout(resources)
        assert layout.lies_before_parent(layout.of(addresses)) is lies
    layout = Layout((USERS, ORDERS, crowd))
    assert layout.lies_before_parent(layout.of(ORDERS))
