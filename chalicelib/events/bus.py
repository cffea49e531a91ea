"""The EventBridge bus, which gets all events.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.aws.client import Service
from chalicelib.domain.events import CloudEvent
from chalicelib.events.batches import MAX_ENTRIES, BatchClient, Entry, Refusal

SERVICE = Service("events", "AWSEvents", "1.1")

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
_MAX_BYTES = 256 * 1024
_TIME_BYTES = 14
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
_PASSING = frozenset({"InternalException", "InternalFailure", "ThrottlingException"})


class EventBus:
    """The bus of this name or ARN."""

    def __init__(self, name: str, client: BatchClient) -> None:
        self._name = name
        self._client = client

    def publish(self, events: Sequence[CloudEvent]) -> None:
        """Put events on the bus: each has the CloudEvent in `detail`, and its type as detail type.

        Raises AWSError, and NotTaken if the bus has not taken all of them for eight seconds; some
        may then be on it.
        """
        for batch in _batches([self._entry(event) for event in events]):
            self._client.send("PutEvents", batch, lambda entries: {"Entries": entries}, _refusals)

    def _entry(self, event: CloudEvent) -> Entry:
        return {
            "EventBusName": self._name,
            "Source": event.source,
            "DetailType": event.type,
            "Detail": event.to_json(),
            "Time": datetime.fromisoformat(event.time).timestamp(),
        }


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries in requests of at most 10 entries and 256 KB."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        own = _size(entry)
        if batch and (len(batch) == MAX_ENTRIES or size + own > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += own
    if batch:
        yield batch


def _size(entry: Entry) -> int:
    """Return what an entry counts, in bytes, as EventBridge does."""
    texts = (entry[name] for name in ("Source", "DetailType", "Detail"))
    return _TIME_BYTES + sum(len(text.encode()) for text in texts)


def _refusals(response: Mapping[str, Any]) -> dict[int, Refusal]:
    if not response.get("FailedEntryCount"):
        return {}
    return {
        place: Refusal(entry["ErrorCode"], entry["ErrorCode"] not in _PASSING)
        for place, entry in enumerate(response["Entries"])
        if entry.get("ErrorCode")
    }
