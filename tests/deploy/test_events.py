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
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import AUTH_PARAMETER, AUTHENTICATION, CURSOR_SECRET, Deployed
from tests.deploy.project import Project
from tests.deploy.receiver import Receiver, receiving
from tests.deploy.stack import BUCKET, NAME, deploy
from tests.support.issuer import SECRET

pytestmark = pytest.mark.slow

KEY = "a secret of the tests that signs webhooks"
BUS = "events"
SOURCE = "https://api.example.com"

REFUSED = "The host has an address that is not on the Internet."

Body = dict[str, Any]


class Administrator:
    """Manages webhooks over HTTP."""

    def __init__(self, api: Deployed) -> None:
        self._api = api

    def create(self, url: str) -> Body:
        """Create a webhook for creations and deletions of users."""
        new = {"url": url, "event_types": ["user.created", "user.deleted"]}
        return self._send("POST", "/webhooks", new)

    def remove(self, webhook: Body) -> None:
        """Delete a webhook."""
        response = self._api.call("DELETE", f"/webhooks/{webhook['webhook_id']}")
        assert response.status_code == 204, response.text

    def test(self, webhook: Body) -> Body:
        """Send a test event and return its delivery."""
        return self._send("POST", f"/webhooks/{webhook['webhook_id']}/test")

    def again(self, delivery: Body) -> None:
        """Send a delivery again."""
        path = f"/webhooks/{delivery['webhook_id']}/deliveries/{delivery['delivery_id']}"
        self._send("POST", f"{path}/send-again")

    def deliveries(self, webhook: Body, until: Callable[[list[Body]], bool]) -> list[Body]:
        """Return the webhook's deliveries as soon as they are as they should be."""
        deadline = time.monotonic() + 60
        while True:
            page = self._send("GET", f"/webhooks/{webhook['webhook_id']}/deliveries")
            found: list[Body] = page["deliveries"]
            if found and until(found):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def _send(self, method: str, path: str, body: Body | None = None) -> Body:
        response = self._api.call(method, path, json=body)
        assert response.status_code < 300, response.text
        found: Body = response.json()
        return found


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Run a new emulator with a bus whose events all go to a queue."""
    with running_cloud() as running:
        running.put_secret(AUTH_PARAMETER, SECRET)
        running.put_secret("/user-management/prod/cursor-secret", CURSOR_SECRET)
        running.put_secret("/user-management/prod/webhook-key", KEY)
        running.client("s3").create_bucket(Bucket=BUCKET)
        events, sqs = running.client("events"), running.client("sqs")
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
        yield running


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the receiver's certificates."""
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def api(
    cloud: Cloud, certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """Deploy the stack and return its API."""
    project = Project(tmp_path_factory.mktemp("events"))
    trusted = {"SSL_CERT_FILE": str(certificates / "authority.pem")}
    names = {"EVENT_BUS": BUS, "EVENT_SOURCE": SOURCE}
    project.configure("prod", **AUTHENTICATION, **names, **trusted)
    with closing(Deployed(cloud, deploy(project, cloud), "prod", NAME)) as deployed:
        yield deployed


@pytest.fixture
def administrator(api: Deployed) -> Administrator:
    """Return an administrator of webhooks."""
    return Administrator(api)


@pytest.fixture(scope="module")
def running_receiver(certificates: Path) -> Iterator[Receiver]:
    """Run a receiver on a public address. Its authority stays, since the functions have read it."""
    with receiving(certificates) as running:
        yield running


@pytest.fixture
def receiver(running_receiver: Receiver) -> Receiver:
    """Return the receiver, which has received nothing yet."""
    running_receiver.requests.clear()
    running_receiver.status = 204
    return running_receiver


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
    cloud: Cloud, api: Deployed, administrator: Administrator, receiver: Receiver
) -> None:
    """A user that is created over HTTP arrives at a receiver, signed, and on the bus, once each.

    The receiver is on a public address, which this machine has while the test runs: the sender
    refuses all others, as it does on AWS, and nothing in the functions is changed for the test.
    """
    webhook = administrator.create(receiver.url)
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

    seen = on_bus(cloud, lambda all_: sum(_is_about(user, one) for one in all_) == 3)
    own = [one for one in seen if _is_about(user, one)]
    assert [one["detail-type"] for one in sorted(own, key=lambda it: it["detail"]["sequence"])] == [
        "user.created",
        "user.updated",
        "user.deleted",
    ]
    administrator.remove(webhook)


def _is_about(user: str, message: dict[str, Any]) -> bool:
    return bool(message["detail"]["subject"] == f"/users/{user}")


def test_a_failed_delivery_comes_back(administrator: Administrator, receiver: Receiver) -> None:
    """A test event that the receiver refuses is sent again by the queue, with the same id."""
    receiver.status = 503
    webhook = administrator.create(receiver.url)
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


def test_nothing_was_given_up(cloud: Cloud, api: Deployed) -> None:
    """After all this the queues for what was given up are empty, and the roles were sufficient."""
    sqs = cloud.client("sqs")
    for queue in ("webhooks-failures", "stream-failures"):
        url = sqs.get_queue_url(QueueName=f"{api.prefix}-{queue}")["QueueUrl"]
        attributes = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        assert attributes["ApproximateNumberOfMessages"] == "0", queue
