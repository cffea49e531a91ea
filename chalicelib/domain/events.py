"""Domain events: what other systems hear of a change, as CloudEvents 1.0.

Each version of an entity makes exactly one event, and `sequence` is that version. So a consumer can
tell by arithmetic whether it has missed an event of a subject, had it twice, or out of order.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, and the extensions beside it
for `sequence`, `partitionkey` and `traceparent`.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain.fields import Timestamp
from chalicelib.domain.resource import Entity, EntityT, Ids, Resource, Resources

MEDIA_TYPE = "application/cloudevents+json"
"""The media type of an event in JSON."""

_SEQUENCE_DIGITS = 16
_UNTOLD = frozenset({"version", "updated_at"})

TEST_EVENT = "webhook.test"
"""The type of the event that shows that a webhook works; no change makes it."""

_TYPE = r"^[a-z]+\.[a-z]+$"


def event_types(resources: Resources) -> list[str]:
    """Return the types of the events of all changes, in the order of the resources."""
    return [f"{resource.noun}.{verb}" for resource in resources for verb in resource.event_verbs()]


ChangeEventType = Annotated[
    str,
    Meta(
        title="ChangeEventType",
        pattern=_TYPE,
        description="What happened: the kind of resource, and what became of it.",
        examples=["order.paid"],
        extra={"choices": event_types},
    ),
]
EventType = Annotated[
    str,
    Meta(
        title="EventType",
        pattern=_TYPE,
        description=(
            f"What happened: the kind of resource, and what became of it; {TEST_EVENT} tests a"
            " webhook."
        ),
        examples=["order.paid"],
        extra={"choices": lambda resources: [*event_types(resources), TEST_EVENT]},
    ),
]
EventId = Annotated[
    str,
    Meta(
        description="The event's id: the same each time that the event is sent.",
        examples=["usr_019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d_2"],
    ),
]

EventSequence = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{16}$",
        description=(
            "The version of the subject that the change made, with leading zeros. It grows by"
            " one with each event of a subject; a deletion counts as one more."
        ),
        examples=["0000000000000002"],
    ),
]


class CloudEvent(Struct, frozen=True, kw_only=True):
    """An event in the JSON format of CloudEvents 1.0."""

    specversion: Annotated[Literal["1.0"], Meta(description="The version of CloudEvents.")] = "1.0"
    id: EventId
    source: Annotated[
        str,
        Meta(
            description="The API that the event comes from (EVENT_SOURCE).",
            examples=["https://api.example.com"],
        ),
    ]
    type: EventType
    subject: Annotated[
        str,
        Meta(
            description="The path of the resource.",
            examples=["/users/usr_019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d"],
        ),
    ]
    time: Timestamp
    datacontenttype: Annotated[
        Literal["application/json"], Meta(description="The media type of `data`.")
    ] = "application/json"
    dataschema: (
        Annotated[
            str,
            Meta(
                description="Where the schema of `data` is.",
                examples=[
                    "https://api.example.com/asyncapi.json#/components/schemas/UserChangedData"
                ],
            ),
        ]
        | UnsetType
    ) = UNSET
    partitionkey: Annotated[
        str,
        Meta(
            description="The id of the resource, or of the one that it belongs to.",
            examples=["usr_019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d"],
        ),
    ]
    sequence: EventSequence | UnsetType = UNSET
    traceparent: (
        Annotated[
            str,
            Meta(
                description="The trace of the request that made the change (W3C Trace Context).",
                examples=["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
            ),
        ]
        | UnsetType
    ) = UNSET
    data: Annotated[
        dict[str, Any],
        Meta(
            description="What happened; see /asyncapi.json for each type of event.",
            examples=[{"user_id": "usr_019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d"}],
        ),
    ]

    def to_json(self) -> str:
        """Return the event in the JSON format."""
        return msgspec.json.encode(self).decode()


class Events:
    """Makes the events of changes; `source` is the URI of the API that they come from."""

    def __init__(self, source: str) -> None:
        self._source = source

    def created(
        self, resource: Resource[EntityT], entity: EntityT, traceparent: str = ""
    ) -> CloudEvent | None:
        """Return the event of a creation, None for a resource without events."""
        if resource.events is None:
            return None
        return self._event(
            resource,
            resource.ids(entity),
            "created",
            entity.version,
            entity.created_at,
            traceparent,
            "Created",
            {resource.noun: entity},
        )

    def changed(
        self,
        resource: Resource[EntityT],
        old: EntityT,
        new: EntityT,
        traceparent: str = "",
    ) -> CloudEvent | None:
        """Return the event of a change, None for a resource without events."""
        names = resource.events
        if names is None:
            return None
        changed = changed_fields(old, new)
        verb = "updated"
        if names.field in changed and getattr(new, names.field) in names.values:
            verb = getattr(new, names.field)
        return self._event(
            resource,
            resource.ids(new),
            verb,
            new.version,
            new.updated_at,
            traceparent,
            "Changed",
            {resource.noun: new, "changed": changed},
        )

    def deleted(
        self, resource: Resource[Any], ids: Ids, version: int, time: str
    ) -> CloudEvent | None:
        """Return the event of a deletion at `time`, None for a resource without events.

        `version` is the one after the entity's last. The event carries ids only.
        """
        if resource.events is None:
            return None
        parents = [resource.parent.id_field] if resource.parent else []
        data = dict(zip([*parents, resource.id_field], ids, strict=True))
        return self._event(resource, ids, "deleted", version, time, "", "Deleted", data)

    def _event(  # noqa: PLR0913, PLR0917 - the parts of an event
        self,
        resource: Resource[Any],
        ids: Ids,
        verb: str,
        version: int,
        time: str,
        traceparent: str,
        schema: str,
        data: dict[str, Any],
    ) -> CloudEvent:
        name = resource.entity.__name__
        return CloudEvent(
            id=f"{ids[-1]}_{version}",
            source=self._source,
            type=f"{resource.noun}.{verb}",
            subject=resource.path(ids),
            time=time,
            dataschema=f"{self._source}/asyncapi.json#/components/schemas/{name}{schema}Data",
            partitionkey=ids[0],
            sequence=f"{version:0{_SEQUENCE_DIGITS}}",
            traceparent=traceparent or UNSET,
            data=data,
        )


def told_fields(entity: type[Entity]) -> tuple[str, ...]:
    """Return the fields whose changes an event tells of: not those that every change sets."""
    return tuple(name for name in entity.__struct_fields__ if name not in _UNTOLD)


def changed_fields(old: Entity, new: Entity) -> list[str]:
    """Return the names of the fields that differ, but for those that every change sets."""
    return [name for name in told_fields(type(new)) if getattr(old, name) != getattr(new, name)]
