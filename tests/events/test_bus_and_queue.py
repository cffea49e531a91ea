"""EventBridge and SQS: what reaches them, and what happens to entries that they refuse."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from chalicelib.aws.client import Service
from chalicelib.aws.connections import Send
from chalicelib.aws.errors import ServiceError
from chalicelib.aws.http_messages import Request, Response
from chalicelib.aws.retries import Clock
from chalicelib.domain.events import CloudEvent
from chalicelib.events import bus, queue
from chalicelib.events.batches import BatchClient, NotTaken
from chalicelib.events.bus import EventBus
from chalicelib.events.queue import QueuedDelivery, WebhookQueue
from tests.events.conftest import Cloud

TIME = "2026-11-25T08:00:00.123Z"


def event(number: int, padding: int = 0) -> CloudEvent:
    """Return an event with `padding` bytes of data."""
    return CloudEvent(
        id=f"usr_{number}_1",
        source="https://api.example.com",
        type="user.created",
        subject=f"/users/usr_{number}",
        time=TIME,
        partitionkey=f"usr_{number}",
        data={"padding": "x" * padding},
    )


def delivery(number: int) -> QueuedDelivery:
    """Return a delivery to one of three webhooks."""
    return QueuedDelivery(f"whk_{number % 3}", f"dlv_{number}", TIME)


class Line:
    """A service that refuses what it is told to; time stands still but for the waits."""

    def __init__(self, refuse: Callable[[int, list[dict[str, Any]]], Any]) -> None:
        self.sent: list[list[dict[str, Any]]] = []
        self._refuse = refuse
        self._now = 0.0

    def client(self, service: Service) -> BatchClient:
        """Return a client of the service."""
        return BatchClient(service, clock=Clock(lambda: self._now, self._sleep), around=self._send)

    def _sleep(self, seconds: float) -> None:
        self._now += seconds

    def _send(self, _: Send) -> Send:
        def respond(request: Request) -> Response:
            entries = json.loads(request.body)["Entries"]
            self.sent.append(entries)
            answer = json.dumps(self._refuse(len(self.sent), entries)).encode()
            return Response(200, {}, answer)

        return respond


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that a call needs; nothing is sent to AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture
def client(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[BatchClient]:
    """Return a client of the emulator's service."""
    del cloud
    with closing(BatchClient(request.param)) as made:
        yield made


@pytest.mark.parametrize("client", [bus.SERVICE], indirect=True)
def test_events_reach_the_bus(cloud: Cloud, client: BatchClient) -> None:
    """Every event reaches the bus, whole: its source, its type and the CloudEvent."""
    events = [event(number) for number in range(23)]
    target = cloud.queue()

    EventBus(cloud.bus(target), client).publish(events)

    received = [json.loads(message["Body"]) for message in cloud.messages(target)]
    details = sorted((one["detail"] for one in received), key=lambda it: int(it["id"][4:-2]))
    assert details == [json.loads(one.to_json()) for one in events]
    assert {(one["source"], one["detail-type"]) for one in received} == {
        ("https://api.example.com", "user.created")
    }


@pytest.mark.parametrize("client", [queue.SERVICE], indirect=True)
def test_deliveries_reach_the_queue(cloud: Cloud, client: BatchClient) -> None:
    """Every delivery is queued once, in the group of its webhook."""
    url, deliveries = cloud.queue(), [delivery(number) for number in range(23)]

    WebhookQueue(url, client).send(deliveries)

    messages = cloud.messages(url)
    assert len(messages) == 23
    named = {(json.loads(one["Body"])["delivery_id"], _group(one)) for one in messages}
    assert named == {(one.delivery_id, one.webhook_id) for one in deliveries}


def _group(message: dict[str, Any]) -> str:
    return str(message["Attributes"]["MessageGroupId"])


@pytest.mark.parametrize("client", [queue.SERVICE], indirect=True)
def test_a_message_can_be_hidden(cloud: Cloud, client: BatchClient) -> None:
    """A hidden message comes back once it is due: after a second at least, never before."""
    url = cloud.queue()
    hidden = WebhookQueue(url, client)
    hidden.send([delivery(1)])
    [message] = cloud.messages(url)
    hidden.hide(message["ReceiptHandle"], 0.4)
    time.sleep(1.1)
    [message] = cloud.messages(url)
    # SQS refuses more than 12 hours, which three days of attempts have.
    hidden.hide(message["ReceiptHandle"], 3 * 24 * 60 * 60)
    assert cloud.messages(url) == []


@pytest.mark.usefixtures("credentials")
def test_a_request_to_the_bus_has_its_limits() -> None:
    """No request has more than ten entries or 256 KB; the order is kept, and so are the times."""
    line = Line(lambda _, entries: {"FailedEntryCount": 0, "Entries": [{}] * len(entries)})
    sizes = [0] * 11 + [100_000] * 5 + [0] * 3
    events = [event(number, size) for number, size in enumerate(sizes)]

    EventBus("bus", line.client(bus.SERVICE)).publish(events)

    assert [len(entries) for entries in line.sent] == [10, 3, 2, 4]
    sent = [json.loads(entry["Detail"])["id"] for entries in line.sent for entry in entries]
    assert sent == [one.id for one in events]
    times = {entry["Time"] for entries in line.sent for entry in entries}
    assert times == {datetime.fromisoformat(TIME).timestamp()}


@pytest.mark.usefixtures("credentials")
def test_only_refused_events_are_sent_again() -> None:
    """What the bus fails to take is sent again until it does, and nothing else is."""

    def refuse(attempt: int, entries: list[dict[str, Any]]) -> Any:
        found: list[Any] = [{"EventId": "1"} for _ in entries]
        for place in {1: (1, 3), 2: (0,)}.get(attempt, ()):
            found[place] = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
        return {"FailedEntryCount": sum("ErrorCode" in one for one in found), "Entries": found}

    line = Line(refuse)
    EventBus("bus", line.client(bus.SERVICE)).publish([event(number) for number in range(5)])

    ids = [[json.loads(one["Detail"])["id"] for one in entries] for entries in line.sent]
    assert ids[1:] == [["usr_1_1", "usr_3_1"], ["usr_1_1"]]


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(("code", "attempts"), [("InternalFailure", 2), ("MalformedDetail", 1)])
def test_what_the_bus_never_takes_is_an_error(code: str, attempts: int) -> None:
    """The error says how many entries were not taken, and why; what cannot pass is not repeated."""
    line = Line(lambda _, __: {"FailedEntryCount": 1, "Entries": [{"ErrorCode": code}]})
    with pytest.raises(NotTaken, match=f"PutEvents did not take 1 of 1 entries: {code}."):
        EventBus("bus", line.client(bus.SERVICE)).publish([event(1)])
    assert len(line.sent) >= attempts
    assert attempts > 1 or len(line.sent) == 1


@pytest.mark.usefixtures("credentials")
def test_only_refused_deliveries_are_sent_again() -> None:
    """What the queue fails to take is sent again; what the sender is at fault for is an error."""
    numbers = count()

    def refuse(attempt: int, entries: list[dict[str, Any]]) -> Any:
        if attempt == 1:
            return {"Failed": [{"Id": "2", "Code": "InternalError", "SenderFault": False}]}
        next(numbers)
        return {"Successful": entries}

    line = Line(refuse)
    WebhookQueue("url", line.client(queue.SERVICE)).send([delivery(number) for number in range(4)])
    assert [len(entries) for entries in line.sent] == [4, 1]
    assert json.loads(line.sent[1][0]["MessageBody"])["delivery_id"] == "dlv_2"

    line = Line(lambda _, __: {"Failed": [{"Id": "0", "Code": "Invalid", "SenderFault": True}]})
    with pytest.raises(NotTaken, match="Invalid"):
        WebhookQueue("url", line.client(queue.SERVICE)).send([delivery(1)])
    assert len(line.sent) == 1


@pytest.mark.parametrize("client", [queue.SERVICE], indirect=True)
def test_a_missing_queue_is_an_error(cloud: Cloud, client: BatchClient) -> None:
    """A queue that does not exist is an error at once."""
    url = cloud.queue()
    with pytest.raises(ServiceError, match="QueueDoesNotExist"):
        WebhookQueue(f"{url}-not", client).send([delivery(1)])
