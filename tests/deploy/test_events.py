"""Events and webhooks of a stack on an emulated AWS that enforces IAM: from a request to others.

The way is that of AWS: API → table → stream → relayEvents → bus and table → stream → relayEvents
→ queue → sendWebhooks → receiver. The functions are those of the package, each with its own role.
"""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.deploy.cloud import Cloud
from tests.deploy.deployed import Deployed
from tests.deploy.eventful import Administrator, Stage, running_stage
from tests.deploy.project import Project
from tests.deploy.receiver import Receiver

pytestmark = pytest.mark.slow

BUS = "events"
SOURCE = "https://api.example.com"

REFUSED = "The host has an address that is not on the Internet."


@pytest.fixture(scope="module")
def running_receiver() -> Receiver:
    """Return the receiver of all tests."""
    return Receiver()


@pytest.fixture(scope="module")
def stage(running_receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Deploy a stage with a bus, beside the receiver."""
    project = Project(tmp_path_factory.mktemp("events"))
    project.configure("prod", EVENT_BUS=BUS, EVENT_SOURCE=SOURCE)
    with running_stage(project, running_receiver.answer, add_bus) as running:
        yield running


@pytest.fixture
def api(stage: Stage) -> Deployed:
    """Return the API."""
    return stage.api


@pytest.fixture
def administrator(api: Deployed) -> Administrator:
    """Return an administrator of webhooks."""
    return Administrator(api)


@pytest.fixture
def receiver(running_receiver: Receiver) -> Receiver:
    """Return the receiver, which has received nothing yet."""
    running_receiver.requests.clear()
    running_receiver.status = 204
    return running_receiver


def add_bus(cloud: Cloud) -> None:
    """Create a bus whose events all go to a queue."""
    events, sqs = cloud.client("events"), cloud.client("sqs")
    events.create_event_bus(Name=BUS)
    url = sqs.create_queue(QueueName="seen")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": [SOURCE]})
    rule = events.put_rule(Name="seen", EventBusName=BUS, EventPattern=pattern)["RuleArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_targets(Rule="seen", EventBusName=BUS, Targets=[{"Id": "seen", "Arn": arn}])


def on_bus(cloud: Cloud, is_enough: Callable[[list[Any]], bool]) -> list[dict[str, Any]]:
    """Return the events that the bus got, as soon as they are enough."""
    sqs = cloud.client("sqs")
    found: list[dict[str, Any]] = []
    url, deadline = sqs.get_queue_url(QueueName="seen")["QueueUrl"], time.monotonic() + 60
    while not is_enough(found):
        assert time.monotonic() < deadline, found
        page = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in page.get("Messages", ()):
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def signature(secret: str, request: Any) -> str:
    """Return the signature that the request should have (Standard Webhooks 1.0)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = request.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def test_a_change_reaches_a_webhook_and_the_bus(
    stage: Stage, administrator: Administrator, receiver: Receiver
) -> None:
    """A user that is created over HTTP arrives at a receiver, signed, and on the bus, once each.

    The receiver is on a public address, which only the test's own network has: the sender refuses
    all others, as it does on AWS, and nothing in the functions is changed for the test.
    """
    api = stage.api
    webhook = administrator.create(stage.url, "user.created", "user.deleted")
    user = api.user()
    api.call("PATCH", f"/users/{user}", json={"name": "Bo"})
    api.call("DELETE", f"/users/{user}")

    requests = receiver.wait(2)
    sent = [json.loads(request.body) for request in requests]
    # The webhook has not asked for changes; the queue may have two of its deliveries at once.
    assert sorted((one["type"], one["subject"], one["sequence"]) for one in sent) == [
        ("user.created", f"/users/{user}", f"{1:016d}"),
        ("user.deleted", f"/users/{user}", f"{3:016d}"),
    ]
    for request, event in zip(requests, sent, strict=True):
        assert request.headers["webhook-id"] == event["id"]
        assert signature(webhook["secret"], request) in request.headers["webhook-signature"].split()
    found = administrator.deliveries(
        webhook, lambda all_: [one["status"] for one in all_] == ["succeeded"] * 2
    )
    assert {(one["attempts"], one["response_status"]) for one in found} == {(1, 204)}

    seen = on_bus(api.cloud, lambda all_: sum(_is_about(user, one) for one in all_) == 3)
    own = [one for one in seen if _is_about(user, one)]
    assert [one["detail-type"] for one in sorted(own, key=lambda it: it["detail"]["sequence"])] == [
        "user.created",
        "user.updated",
        "user.deleted",
    ]
    administrator.remove(webhook)


def _is_about(user: str, message: dict[str, Any]) -> bool:
    return bool(message["detail"]["subject"] == f"/users/{user}")


def test_a_failed_delivery_comes_back(
    stage: Stage, administrator: Administrator, receiver: Receiver
) -> None:
    """A test event that the receiver refuses is sent again by the queue, with the same id."""
    receiver.status = 503
    webhook = administrator.create(stage.url)
    delivery = administrator.test(webhook)
    receiver.wait(1)
    receiver.status = 204

    [first, second] = receiver.wait(2)

    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery["event_id"]
    assert first.body == second.body
    [done] = administrator.deliveries(webhook, lambda all_: all_[0]["status"] == "succeeded")
    assert done["attempts"] == 2
    administrator.again(done)
    assert len(receiver.wait(3)) == 3
    administrator.remove(webhook)


def test_a_private_address_is_refused(administrator: Administrator) -> None:
    """The deployed sender connects to no name of a private address, and the delivery says so.

    The name is this machine's own, which no check of the URL alone can know to be private.
    """
    webhook = administrator.create(f"https://{socket.gethostname()}/hooks")
    administrator.test(webhook)
    [failed] = administrator.deliveries(webhook, lambda all_: all_[0]["attempts"] > 0)
    assert failed["status"] == "pending"
    assert "response_status" not in failed
    assert failed["error"] == REFUSED
    administrator.remove(webhook)


def test_nothing_was_given_up(stage: Stage) -> None:
    """After all this the queues for what was given up are empty, and the roles were sufficient."""
    for queue in ("webhooks-failures", "stream-failures"):
        assert stage.waiting(queue) == 0, queue
