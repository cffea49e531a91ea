"""The table's stream: which changes its records tell of, and which deliveries are to be sent.

The stream is the outbox: a record has an item as it was before a write and as it is after it, so
nothing has to be written for an event. Records of one item come in the order of its writes.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from chalicelib.domain import ids
from chalicelib.domain.events import CloudEvent, Events
from chalicelib.domain.resource import Resources
from chalicelib.storage.dynamodb.deliveries import PARTITION, SORT_KEY
from chalicelib.storage.dynamodb.items import Item, Layout, ResourceItems, traceparent_of

VIEW: Final = "NEW_AND_OLD_IMAGES"
"""What records have of an item."""

Record = Mapping[str, Any]
Pattern = dict[str, Any]


class DueDelivery(NamedTuple):
    """A delivery that is to be sent, and when that was asked for."""

    webhook_id: str
    delivery_id: str
    requested_at: str


class TableStream:
    """Reads the records of the stream of a table with `resources`; `events` is None for no events.

    Records are as Lambda passes them on: JSON, with items in DynamoDB's wire format.
    """

    def __init__(self, resources: Resources, events: Events | None) -> None:
        layout = Layout(resources)
        self._items = [layout.of(one) for one in resources if one.events is not None]
        self._events = events

    def event(self, record: Record) -> CloudEvent | None:
        """Return the event of the change that a record tells of, None if it is about no change.

        An item also changes without its entity: a user's, with each order that is counted.
        """
        if self._events is None:
            return None
        change = record["dynamodb"]
        items = next((one for one in self._items if one.holds(change["Keys"])), None)
        if items is None:
            return None
        old, new = change.get("OldImage"), change.get("NewImage")
        if new is None:
            return _deleted(self._events, items, old, change["ApproximateCreationDateTime"])
        entity, trace = items.entity(new), traceparent_of(new)
        if old is None:
            return self._events.created(items.resource, entity, trace)
        if old["version"] == new["version"]:
            return None
        return self._events.changed(items.resource, items.entity(old), entity, trace)


def due_delivery(record: Record) -> DueDelivery | None:
    """Return the delivery that a record asks to send, None if it asks for nothing.

    It does where the delivery is new, and where an administrator asks for it again.
    """
    change = record["dynamodb"]
    partition, sort_key = change["Keys"]["PK"]["S"], change["Keys"]["SK"]["S"]
    new, old = change.get("NewImage"), change.get("OldImage")
    if new is None or not partition.startswith(PARTITION) or not sort_key.startswith(SORT_KEY):
        return None
    if new["status"]["S"] != "pending" or (old and old["requested_at"] == new["requested_at"]):
        return None
    return DueDelivery(
        partition.removeprefix(PARTITION),
        sort_key.removeprefix(SORT_KEY),
        new["requested_at"]["S"],
    )


def patterns(resources: Resources) -> list[Pattern]:
    """Return what Lambda selects records by: one that matches none of these needs no function.

    Claims, idempotency records, histories and webhooks match none, nor do deliveries that have
    been settled or tried. A delivery that is to be sent has not been tried.
    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html
    """
    layout = Layout(resources)
    found = []
    for root in resources:
        below = [child for child in layout.children(root) if child.resource.events is not None]
        items = layout.of(root)
        own = {"prefix": f"{items.type}#"} if root.is_small else items.type
        sort_keys = [own] if root.events is not None else []
        sort_keys += [{"prefix": f"{child.type}#"} for child in below]
        if root.parent is None and sort_keys:
            found.append(_pattern(items.partition(("",)), sort_keys))
    asked = {"status": {"S": ["pending"]}, "attempts": {"N": ["0"]}}
    found.append(_pattern(PARTITION, [{"prefix": SORT_KEY}], NewImage=asked))
    return found


def _pattern(partition: str, sort_keys: list[Any], **images: Any) -> Pattern:  # noqa: ANN401 - any JSON
    keys = {"PK": {"S": [{"prefix": partition}]}, "SK": {"S": sort_keys}}
    return {"dynamodb": {"Keys": keys, **images}}


def _deleted(
    events: Events, items: ResourceItems[Any], old: Item, seconds: float
) -> CloudEvent | None:
    last = items.entity(old)
    # The stream's time is in whole seconds, and would lie before a change in the same second.
    time = max(ids.timestamp(int(seconds * 1000)), last.updated_at)
    return events.deleted(items.resource, items.resource.ids(last), last.version + 1, time)
