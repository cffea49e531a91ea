"""A new emulated AWS account, which enforces IAM."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3

from localdev.emulators import EmulatorMissing, environment, ministack
from tests.support.needs import missing


class Cloud:
    """The emulated AWS account at `endpoint`."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.variables: Mapping[str, str] = environment(endpoint)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return a client with the permissions of the account's root user."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.endpoint,
                region_name=self.variables["AWS_DEFAULT_REGION"],
                aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
            )
        return self._clients[service]

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            client.close()

    def put_secret(self, name: str, value: str) -> None:
        """Create the SSM parameter `name`."""
        self.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString")

    def invoke(self, function: str, event: object) -> Any:
        """Return what the function named `function` returns for `event`."""
        response = self.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
        with response["Payload"] as payload:
            return json.loads(payload.read())

    def url(self, api: str, stage: str) -> str:
        """Return the URL of the API's stage."""
        return f"{self.endpoint}/restapis/{api}/{stage}/_user_request_"


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    """Run an emulated AWS for the block. Skips the test if it is not installed."""
    try:
        with emulated_cloud() as cloud:
            yield cloud
    except EmulatorMissing as reason:
        missing(str(reason))


@contextmanager
def emulated_cloud() -> Iterator[Cloud]:
    """Run an emulated AWS for the block. Raises EmulatorMissing."""
    program = Path(__file__).parent / "emulated_aws.py"
    root = environment("")
    keys = {name: root[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    with (
        ministack((program,), AUTH="true", **keys) as endpoint,
        closing(Cloud(endpoint)) as cloud,
    ):
        yield cloud
