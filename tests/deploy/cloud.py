"""An emulated AWS of its own, empty, which enforces IAM."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3

from localdev.engines import Missing, environment, ministack
from tests.needs import missing


class Cloud:
    """Emulated AWS at `endpoint`."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.variables: Mapping[str, str] = environment(endpoint)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return a client of the account's root, who may do everything."""
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

    def keep_secret(self, name: str, value: str) -> None:
        """Put a secret where the functions look for it."""
        self.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString")

    def invoke(self, function: str, event: object) -> Any:
        """Return what the function named `function` returns for `event`."""
        answer = self.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
        with answer["Payload"] as payload:
            return json.loads(payload.read())

    def url(self, api: str, stage: str) -> str:
        """Return where the API's stage is served."""
        return f"{self.endpoint}/restapis/{api}/{stage}/_user_request_"


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    """Run an emulated AWS while the block runs; skip the test where it is not installed."""
    try:
        with emulated_cloud() as cloud:
            yield cloud
    except Missing as reason:
        missing(str(reason))


@contextmanager
def emulated_cloud() -> Iterator[Cloud]:
    """Run an emulated AWS while the block runs. Raises Missing."""
    program = Path(__file__).parent / "emulated_aws.py"
    root = environment("")
    keys = {name: root[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    with (
        ministack((program,), AUTH="true", **keys) as endpoint,
        closing(Cloud(endpoint)) as cloud,
    ):
        yield cloud
