"""The AsyncAPI document (https://www.asyncapi.com/docs/reference/specification/v3.0.0).

It describes the events that others hear of. Types, schemas and examples come from what makes the
events: the resources, `CloudEvent` and `Events`.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from chalicelib.domain.deliveries import new_test_event
from chalicelib.domain.events import MEDIA_TYPE, CloudEvent, Events, told_fields
from chalicelib.domain.resource import EntityT, Kind, Resource, Resources
from chalicelib.domain.webhooks import Webhook, WebhookId
from chalicelib.openapi.examples import Examples
from chalicelib.openapi.schemas import Schema, Schemas
from chalicelib.service_info import VERSION, EventsDocument, Index

_SOURCE = "https://api.example.com"
_TIME = 1_795_000_000_000
_REFERENCE = "#/components/messages/{name}"

_DESCRIPTION = """\
Events are **CloudEvents 1.0** in JSON. Each change of a resource makes exactly one, written
together with the change. `sequence` is the version that the change made: it grows by one with each
event of a `subject`, so a consumer can tell by arithmetic whether one is missing, doubled or out of
order.

Each event is sent **at least once**, with the same `id` each time. Different subjects, and retries,
may arrive in another order than they happened in.
"""


class WebhookHeaders(Struct, rename="kebab"):
    """The headers by which a webhook is verified; on the bus there are none."""

    webhook_id: Annotated[
        str, Meta(description="The event's id, the same for each attempt.", examples=["usr_1_1"])
    ]
    webhook_timestamp: Annotated[
        str,
        Meta(description="When it was sent, in seconds since the Unix epoch.", examples=["1795"]),
    ]
    webhook_signature: Annotated[
        str,
        Meta(
            description=(
                "HMAC-SHA256 of id, timestamp and body, once for each secret that is valid."
            ),
            examples=["v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="],
        ),
    ]


class TestData(Struct, frozen=True):
    """The webhook that a test event was asked for."""

    webhook_id: WebhookId


_CHANNELS = {
    "webhooks": (
        "Webhooks",
        "Endpoints of others, registered at `/webhooks`; signed as Standard Webhooks 1.0 say.",
    ),
    "bus": (
        "Event bus",
        "An Amazon EventBridge bus; `detail-type` is the event's type, and `detail` the event.",
    ),
}


def document_of(resources: Resources) -> EventsDocument:
    """Return the document that describes the events of `resources`."""
    return msgspec.Raw(msgspec.json.encode(_document(resources)))


def _document(resources: Resources) -> dict[str, Any]:
    schemas, examples = Schemas(resources), Examples(resources)
    changes = {
        event.type: _message(event, schemas.of(data), schemas, f"The {resource.noun} was {verb}.")
        for resource in resources
        for verb, (event, data) in _events(resource, examples).items()
    }
    sent = new_test_event(examples.of(Webhook)["webhook_id"], _SOURCE, _TIME)
    # The same in each document.
    test = msgspec.structs.replace(sent, id=f"test_{'0' * 32}")
    text = "An administrator asked for a test event."
    messages = {**changes, test.type: _message(test, schemas.of(TestData), schemas, text)}
    carried = {"webhooks": [*messages], "bus": [*changes]}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{Index().name}: events",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {
                "name": "Apache License 2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": MEDIA_TYPE,
        "channels": {
            name: {
                # Others decide where they are.
                "address": None,
                "title": title,
                "description": text,
                "messages": {own: {"$ref": _REFERENCE.format(name=own)} for own in carried[name]},
            }
            for name, (title, text) in _CHANNELS.items()
        },
        "operations": {
            f"send-to-{name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": f"Events are sent to {title.lower()}.",
                "messages": [
                    {"$ref": f"#/channels/{name}/messages/{own}"} for own in carried[name]
                ],
            }
            for name, (title, _) in _CHANNELS.items()
        },
        "components": {"messages": messages, "schemas": schemas.components()},
    }


def _events(
    resource: Resource[Any], examples: Examples
) -> dict[str, tuple[CloudEvent, type[Struct]]]:
    """Return each event as `Events` makes it and the type of its data, by what was done."""
    make, names = Events(_SOURCE), resource.events
    if names is None:
        return {}
    new = msgspec.convert(examples.of(resource.entity), resource.entity)
    metadata: dict[str, Any] = {
        name: {} for name, kind in resource.fields.items() if kind is Kind.PAIRS
    }
    found = {
        "created": make.created(resource, new),
        **{
            verb: make.changed(resource, new, _next(new, **{names.field: verb}))
            for verb in names.values
        },
        "updated": make.changed(resource, new, _next(new, **metadata)),
        "deleted": make.deleted(resource, resource.ids(new), 2, new.updated_at),
    }
    data = _data_types(resource)
    return {
        verb: (event, data.get(verb, data["updated"]))
        for verb, event in found.items()
        if event is not None and verb in resource.event_verbs()
    }


def _next(entity: EntityT, **values: Any) -> EntityT:  # noqa: ANN401 - of any field
    return msgspec.structs.replace(entity, version=entity.version + 1, **values)


def _data_types(resource: Resource[Any]) -> dict[str, type[Struct]]:
    """Return the types of `data`, by what became of the resource; the others are changes."""
    name, noun = resource.entity.__name__, resource.noun
    told: Any = Annotated[
        list[Literal[told_fields(resource.entity)]],  # type: ignore[misc]
        Meta(description="The names of the members that the change gave another value."),
    ]
    whole = [(noun, resource.entity)]
    path = [resource.parent.id_field] if resource.parent else []
    ids = [(field, resource.hints[field]) for field in (*path, resource.id_field)]
    return {
        "created": _struct(f"{name}CreatedData", whole, f"The {noun} as it was created."),
        "updated": _struct(
            f"{name}ChangedData",
            [*whole, ("changed", told)],
            f"The {noun} as the change left it, and what the change changed.",
        ),
        "deleted": _struct(
            f"{name}DeletedData", ids, f"The ids of the {noun}; nothing else is left of it."
        ),
    }


def _struct(name: str, fields: list[tuple[str, Any]], text: str) -> type[Struct]:
    return msgspec.defstruct(name, fields, namespace={"__doc__": text}, frozen=True)


def _message(event: CloudEvent, data: Schema, schemas: Schemas, text: str) -> dict[str, Any]:
    """Return the message of the events of one type; `event` is an example."""
    example = msgspec.to_builtins(event)
    return {
        "name": event.type,
        "title": event.type,
        "summary": text,
        "contentType": MEDIA_TYPE,
        "headers": schemas.of(WebhookHeaders),
        "payload": {
            "allOf": [
                schemas.of(CloudEvent),
                {
                    "type": "object",
                    "properties": {"type": {"const": event.type}, "data": data},
                    "required": sorted(example.keys() - {"traceparent"}),
                },
            ]
        },
        "examples": [{"name": event.type, "payload": example}],
    }
