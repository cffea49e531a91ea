"""The audit trail: who did what to an entity, when, and in which request.

Each change of an entity has an entry, which storage keeps in the same transaction. Entries hold
the names of fields and never their values, so that nothing in them has to be erased with a user.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from chalicelib.domain.caller import Caller
from chalicelib.domain.fields import Timestamp

EntryVersion = Annotated[
    int,
    Meta(
        ge=1,
        description="The version that was made; a deletion counts as one more.",
        examples=[2],
    ),
]
Action = Annotated[
    Literal["created", "changed", "deleted"],
    Meta(title="HistoryAction", description="What was done.", examples=["changed"]),
]
Role = Annotated[
    Literal["administrator", "user", "iam", "system"],
    Meta(
        title="HistoryRole",
        description=(
            "In which role it was done; `iam` is a function that was invoked directly, and `system`"
            " the API by itself."
        ),
        examples=["administrator"],
    ),
]
FieldNames = Annotated[
    list[str],
    Meta(
        description=(
            "The members that the request set, without their values; none where the whole was"
            " created or deleted."
        ),
        examples=[["name", "metadata"]],
    ),
]
Subject = Annotated[
    str,
    Meta(
        description="Who did it: a token's subject; `iam` in the role of that name.",
        examples=["usr_019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d"],
    ),
]
RequestId = Annotated[
    str,
    Meta(
        description="The request that did it, as its response named it in `x-request-id`.",
        examples=["7a1ad4c5-7a4e-4f5e-a4b1-6a8f7f1f2a52"],
    ),
]


class HistoryEntry(Struct, frozen=True):
    """Who did what to a resource, as administrators read it."""

    version: EntryVersion
    action: Action
    fields: FieldNames
    at: Timestamp
    by: Subject
    by_role: Role
    request_id: RequestId

    @property
    def id(self) -> str:
        """The entry's place in lists, as long as the digits of an id: its version in hex."""
        return f"{self.version:032x}"


def version_at(position: str) -> int:
    """Return the version of the entry at a place in lists (see `HistoryEntry.id`)."""
    return int(position, 16)


class Act(Struct, frozen=True):
    """What storage keeps of a change together with it: an entry that lacks only its version."""

    action: Action
    fields: tuple[str, ...]
    at: str
    by: str
    by_role: Role
    request_id: str

    @classmethod
    def of(cls, caller: Caller, action: Action, at: str, fields: tuple[str, ...] = ()) -> "Act":
        """Return what `caller` does at the time `at` (RFC 3339)."""
        # Only the subject of a caller without a token begins with a space.
        by = caller.subject.removeprefix(" ")
        return cls(action, fields, at, by, caller.kind, caller.request_id)

    def of_owner(self, field: str) -> "Act":
        """Return the change of members, which it calls `field`, of what this act is about."""
        return msgspec.structs.replace(self, action="changed", fields=(field,))

    def entry(self, version: int) -> HistoryEntry:
        """Return the entry for the version that the change makes."""
        return HistoryEntry(
            version, self.action, [*self.fields], self.at, self.by, self.by_role, self.request_id
        )
