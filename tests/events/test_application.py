"""The application: what its requests leave in the outbox."""

from collections.abc import Sequence

import pytest
from msgspec import UNSET

from chalicelib.domain.deliveries import Message, QueueingStorage
from chalicelib.domain.events import CloudEvent
from tests.support.served import Served, bearer, served

BOSS = bearer("boss", roles=["admin"])
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def relayed(api: Served) -> list[CloudEvent]:
    """Take all events out of the application's outbox."""
    found: list[CloudEvent] = []
    storage: QueueingStorage = api.module.storage()

    def deliver(events: Sequence[CloudEvent]) -> list[Message]:
        found.extend(events)
        return []

    while storage.outbox.relay(100, deliver):
        pass
    return found


def request(api: Served, name: str, **headers: str) -> str:
    """Create a user of this name, and return its id."""
    body = {"name": name, "email": f"{name}@example.com"}
    reply = api.call("POST", "/users", BOSS, body, headers)
    assert reply.status == 201
    return str(reply.body.get("user", reply.body)["user_id"])


def test_an_event_names_its_source_and_trace() -> None:
    """Events have EVENT_SOURCE, and the trace of their own request and of no other."""
    with served(EVENT_SOURCE="https://api.example.com/") as api:
        users = [request(api, "ann", traceparent=TRACE), request(api, "bob")]
        found = relayed(api)

    assert [one.subject for one in found] == [f"/users/{user}" for user in users]
    assert {one.source for one in found} == {"https://api.example.com"}
    assert [one.traceparent for one in found] == [TRACE, UNSET]


@pytest.mark.parametrize("invalid", [TRACE.upper(), "00"])
def test_an_invalid_trace_is_not_handed_on(invalid: str) -> None:
    """What is no traceparent by the standard is in no event."""
    with served() as api:
        request(api, "ann", traceparent=invalid)
        assert [one.traceparent for one in relayed(api)] == [UNSET]


def test_events_can_be_switched_off() -> None:
    """With EVENTS=off, changes leave no event."""
    with served(EVENTS="off") as api:
        request(api, "ann")
        assert relayed(api) == []
