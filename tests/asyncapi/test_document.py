"""The AsyncAPI document: it describes what is really sent, and its example of a consumer works."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from cloudevents.v1.http import from_json
from jsonschema import Draft202012Validator

from chalicelib.asyncapi.document import document_of
from chalicelib.domain.caller import IAM_CALLER
from chalicelib.domain.deliveries import Message, QueueingStorage
from chalicelib.domain.events import CloudEvent, Events, event_types
from chalicelib.domain.orders import NewOrder, OrderLine, OrderPatch, OrderService
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.users import NewUser, UserPatch, UserService
from chalicelib.storage.factory import open_storage
from tests.openapi.external_tools import TOOLS, external_tools, run

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads(bytes(document_of(RESOURCES)))
MESSAGES = DOCUMENT["components"]["messages"]


def validate(event: dict[str, Any]) -> None:
    """Check an event against the message of its type."""
    payload = MESSAGES[event["type"]]["payload"]
    Draft202012Validator({**payload, "components": DOCUMENT["components"]}).validate(event)


def sent_events() -> list[dict[str, Any]]:
    """Return the events of a random run of changes with each kind of change, as JSON has them."""
    storage = open_storage("memory:", RESOURCES, events=Events("https://api.example.com"))
    assert isinstance(storage, QueueingStorage)
    users = UserService(storage, history=True)
    orders = OrderService(storage, history=True)
    chance = random.Random(5)
    for number in range(20):
        new = NewUser(name="Zoë \U0001f335", email=f"zoe{number}@example.com")
        user_id = users.create(IAM_CALLER, new, None).entity.user_id
        users.patch(IAM_CALLER, user_id, UserPatch(metadata={"a": str(number)}), None)
        lines = [OrderLine(sku="TEA", quantity=1, unit_price=450)]
        body = NewOrder(currency="EUR", items=lines)
        order_id = orders.create(IAM_CALLER, user_id, body, None).entity.order_id
        orders.patch(IAM_CALLER, user_id, order_id, OrderPatch(metadata={"b": "c"}), None)
        path = chance.choice([("cancelled",), ("paid", "shipped", "delivered")])
        for step in path:
            orders.patch(IAM_CALLER, user_id, order_id, OrderPatch(status=step), None)  # type: ignore[arg-type]
        users.delete(IAM_CALLER, user_id, None)
    found: list[dict[str, Any]] = []

    def keep(events: Any) -> list[Message]:
        found.extend(json.loads(event.to_json()) for event in events)
        return []

    while storage.outbox.relay(100, keep):
        pass
    return found


def test_what_is_sent_is_as_described() -> None:
    """Events of each type match the document, and other libraries read them as CloudEvents."""
    events = sent_events()

    for event in events:
        validate(event)
        parsed = from_json(json.dumps(event))
        assert parsed["id"] == event["id"]
        assert parsed["sequence"] == event["sequence"]
        assert (
            event["dataschema"].partition("#")[2].rpartition("/")[2]
            in (DOCUMENT["components"]["schemas"])
        )
    assert {event["type"] for event in events} == {*event_types(RESOURCES)}


def test_the_parser_of_asyncapi_accepts_it() -> None:
    """AsyncAPI's own parser finds neither an error nor a warning."""
    node, _ = external_tools("node", "node_modules/@asyncapi/parser")
    script, document = ROOT / "tests/asyncapi/parse.mjs", ROOT / "docs/asyncapi.json"

    found = json.loads(run(node, script, TOOLS, document, cwd=ROOT))

    assert found == {"valid": True, "found": []}


def test_every_type_has_a_message_with_a_valid_example() -> None:
    """The document has a message for each type of event and for the test event, and no other."""
    assert MESSAGES.keys() == {*event_types(RESOURCES), "webhook.test"}
    assert DOCUMENT["channels"]["bus"]["messages"].keys() == {*event_types(RESOURCES)}
    for message in MESSAGES.values():
        for example in message["examples"]:
            validate(example["payload"])


def test_a_wrong_event_does_not_match() -> None:
    """A member that is missing, of another type or of another event is refused."""
    event = sent_events()[0]

    for wrong in (
        {**event, "type": "user.deleted"},
        {**event, "sequence": "1"},
        {name: part for name, part in event.items() if name != "data"},
        {**event, "data": {"user": {**event["data"]["user"], "version": "1"}}},
    ):
        payload = MESSAGES["user.created"]["payload"]
        schema = {**payload, "components": DOCUMENT["components"]}
        assert not Draft202012Validator(schema).is_valid(wrong), wrong


@pytest.mark.parametrize(
    ("sequences", "said"),
    [
        ([1, 2, 3], ["next", "next", "next"]),
        ([1, 1, 2], ["next", "seen before", "next"]),
        ([1, 4], ["next", "2 missing"]),
    ],
)
def test_the_documented_consumer_works(sequences: list[int], said: list[str]) -> None:
    """The example of a consumer tells what is missing and what was seen before."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/events.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the documentation's own example
    last: dict[str, int] = {}
    event = CloudEvent(
        id="1",
        source="urn:test",
        type="user.created",
        subject="/users/1",
        time="2026-11-21T09:30:00.000Z",
        partitionkey="1",
        data={},
    )

    heard = [
        names["check"](last, {"subject": event.subject, "sequence": f"{number:016}"})
        for number in sequences
    ]

    assert heard == said
