"""Fixtures of the tests of events: queues and buses on an emulator."""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest

from localdev.emulators import Emulators, environment
from tests.conftest import url_of


class Cloud:
    """Queues and buses on an emulator."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return a client of the service."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service)
            self._stack.callback(self._clients[service].close)
        return self._clients[service]

    def queue(self) -> str:
        """Create a queue and return its URL."""
        url: str = self.client("sqs").create_queue(QueueName=f"q{secrets.token_hex(8)}")["QueueUrl"]
        return url

    def bus(self, queue: str) -> str:
        """Create a bus whose events all go to the queue, and return its name."""
        name, events = f"b{secrets.token_hex(8)}", self.client("events")
        events.create_event_bus(Name=name)
        pattern = '{"source": [{"prefix": ""}]}'
        events.put_rule(Name=name, EventBusName=name, EventPattern=pattern)
        attributes = self.client("sqs").get_queue_attributes(
            QueueUrl=queue, AttributeNames=["QueueArn"]
        )["Attributes"]
        target = {"Id": "queue", "Arn": attributes["QueueArn"]}
        events.put_targets(Rule=name, EventBusName=name, Targets=[target])
        return name

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Receive all messages that are visible."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.client("sqs").receive_message(
                QueueUrl=queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
            )
            if not page.get("Messages"):
                return found
            found += page["Messages"]


@pytest.fixture
def cloud(engines: Emulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Set the AWS variables to an emulator."""
    for name, value in environment(url_of(engines, "ministack")).items():
        monkeypatch.setenv(name, value)
    assert os.environ["AWS_ENDPOINT_URL"]
    with ExitStack() as stack:
        yield Cloud(stack)
