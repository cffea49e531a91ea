"""Resources that the API does not have, to test that storage can keep any resource.

They use what users and orders do not: a maximum, deletion with the parent, optional fields, parts
within a field, several unique fields and filters. Their problems have no name of their own, so that
they do not become types of problem of the API.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.fields import MAX_SAFE_INTEGER, Metadata, id_field
from chalicelib.domain.metadata import MetadataChange
from chalicelib.domain.resource import Counter, Entity, Guard, Resource, Unique
from chalicelib.domain.users import USERS, UserId
from tests.support.resource_case import TIMES, StorageCase, new_id


class TeamNotFound(NotFound):
    """There is no such team."""


class NameTaken(Conflict):
    """Another team has the name."""


class NicknameTaken(Conflict):
    """Another team has the nickname."""


class ReminderNotFound(NotFound):
    """The user has no such reminder."""


class TooManyReminders(Conflict):
    """The user has as many reminders as it may have."""


class NotOpen(Conflict):
    """The entity is not open."""


TeamId = Annotated[str, id_field("tea_", "team", "0" * 32, TeamNotFound)]
ReminderId = Annotated[str, id_field("rem_", "reminder", "0" * 32, ReminderNotFound)]


class Place(Struct, frozen=True):
    """Where something is."""

    street: str
    floor: int | UnsetType = UNSET


class Team(Entity, frozen=True):
    """A root resource with two unique fields and two filters."""

    team_id: TeamId
    # One is the end of the other, so that an engine that confuses them is found out.
    name: str
    nickname: str
    status: Literal["open", "closed"]
    region: str


class Reminder(Entity, frozen=True):
    """A child that is deleted with its user; it sorts between orders and users."""

    reminder_id: ReminderId
    user_id: UserId
    text: str
    status: Literal["open", "done"]
    tags: list[str]
    metadata: Metadata
    note: str | UnsetType = UNSET
    priority: Annotated[int, Meta(le=MAX_SAFE_INTEGER)] | UnsetType = UNSET
    place: Place | UnsetType = UNSET
    times: list[str] | UnsetType = UNSET


TEAMS = Resource(
    "teams",
    Team,
    description="Teams.",
    unique=(Unique("name", NameTaken), Unique("nickname", NicknameTaken)),
    filters=("status", "region"),
    events=None,
)
REMINDERS = Resource(
    "reminders",
    Reminder,
    description="Reminders.",
    parent=USERS,
    counter=Counter(name="reminders", maximum=3, exceeded=TooManyReminders),
    filters=("status",),
)


def a_team(**fields: Any) -> Team:
    """Return a new team."""
    team_id = new_id(TEAMS.prefix)
    defaults: dict[str, Any] = {
        "team_id": team_id,
        "name": f"Name {team_id}",
        "nickname": f"Nickname {team_id}",
        "status": "open",
        "region": "north",
    }
    return Team(**TIMES | defaults | fields)


def a_reminder(user_id: str, **fields: Any) -> Reminder:
    """Return a new reminder, with all that is optional."""
    defaults: dict[str, Any] = {
        "reminder_id": new_id(REMINDERS.prefix),
        "user_id": user_id,
        "text": "Water the \U0001f335",
        "status": "open",
        "tags": ["a", "b"],
        "metadata": {"team": "blue"},
        "note": "Little.",
        "priority": 7,
        "place": Place("Elm Street 1", 2),
        "times": ["09:30"],
    }
    return Reminder(**TIMES | defaults | fields)


SYNTHETIC = (
    StorageCase(
        resource=TEAMS,
        new=a_team,
        changes={"nickname": "New nickname", "region": "south"},
        refusing=Guard("status", frozenset({"closed"}), lambda _: NotOpen()),
    ),
    StorageCase(
        resource=REMINDERS,
        new=a_reminder,
        changes={
            "text": "Feed the cat",
            "tags": [],
            "place": Place("Elm Street 3"),
            "metadata": MetadataChange({"team": None, "floor": "2"}, merge=True),
        },
        refusing=Guard("status", frozenset({"done"}), lambda _: NotOpen()),
    ),
)
