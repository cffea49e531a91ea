"""A stage that sends webhooks to a receiver of the tests, and an administrator of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, NamedTuple

import psutil

from tests.deploy.cloud import Cloud, running_cloud
from tests.deploy.deployed import AUTH_PARAMETER, AUTHENTICATION, CURSOR_SECRET, Deployed
from tests.deploy.project import Project, succeeded
from tests.deploy.receiver import ADDRESS, Answer, answering
from tests.deploy.stack import BUCKET, NAME, deploy_package
from tests.support.issuer import SECRET
from tests.support.network import own_network

KEY = "a secret of the tests that signs webhooks"

Body = dict[str, Any]


class Stage(NamedTuple):
    """A deployed API, and the URL of the receiver that its webhooks can reach."""

    api: Deployed
    url: str

    def waiting(self, queue: str) -> int:
        """Return how many messages a queue has that nobody has received."""
        sqs = self.api.cloud.client("sqs")
        url = sqs.get_queue_url(QueueName=f"{self.api.prefix}-{queue}")["QueueUrl"]
        attribute = "ApproximateNumberOfMessages"
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])
        return int(attributes["Attributes"][attribute])

    def workers(self, function: str = "") -> list[psutil.Process]:
        """Return the processes in which the emulator, which is our child, runs a function, or all.

        Their programs are in folders with the function's name.
        """
        found = []
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if any(f"-{self.api.prefix}-{function}" in word for word in process.cmdline()):
                    found.append(process)
        return found


@contextmanager
def running_stage(
    project: Project, answer: Answer, prepare: Callable[[Cloud], None] = lambda _: None
) -> Iterator[Stage]:
    """Deploy the project's stage prod to a new cloud, beside a receiver that responds as `answer`.

    `prepare` gets the cloud before the stage is deployed. All this is in a network of its own, as
    is the test meanwhile; only what is packaged comes from outside.
    """
    trusted = {"SSL_CERT_FILE": str(project.folder / "authority.pem")}
    project.configure("prod", **AUTHENTICATION, **trusted)
    succeeded(project.deployment("package", "prod"))
    with (
        own_network(ADDRESS),
        running_cloud() as cloud,
        answering(project.folder, answer) as url,
    ):
        cloud.put_secret(AUTH_PARAMETER, SECRET)
        cloud.put_secret("/user-management/prod/cursor-secret", CURSOR_SECRET)
        cloud.put_secret("/user-management/prod/webhook-key", KEY)
        cloud.client("s3").create_bucket(Bucket=BUCKET)
        prepare(cloud)
        with closing(Deployed(cloud, deploy_package(project, cloud), "prod", NAME)) as api:
            stage = Stage(api, url)
            try:
                yield stage
            finally:
                # One that is at work would outlive the emulator.
                for process in stage.workers():
                    process.kill()


class Administrator:
    """Manages webhooks over HTTP."""

    def __init__(self, api: Deployed) -> None:
        self._api = api

    def create(self, url: str, *event_types: str) -> Body:
        """Create a webhook for events of these types, or of all."""
        return self._send("POST", "/webhooks", {"url": url, "event_types": event_types})

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
