"""The order in which `make deploy` completes the functions of events."""

import json
from typing import Any

import pytest

from deployment.errors import DeploymentError
from deployment.event_functions import SOURCES
from deployment.event_sources import complete
from deployment.stages import Stage
from tests.deploy.project import Project

URL = "https://sqs.us-east-1.amazonaws.com/000000000000/webhooks"


class SlowLambda:
    """Lambda as far as it is called: a mapping takes three looks to come to rest."""

    def __init__(self) -> None:
        self.settings: dict[str, dict[str, Any]] = {name: {} for name in SOURCES}
        self.variables: dict[str, dict[str, str]] = {}
        self._looks = dict.fromkeys(SOURCES, 3)
        self.is_stuck = False

    def get_event_source_mapping(self, *, UUID: str) -> dict[str, str]:  # noqa: N803 - as boto3 has it
        """Return a mapping that is a little further."""
        self._looks[UUID] -= 1
        return {"State": "Updating" if self.is_stuck or self._looks[UUID] > 0 else "Enabled"}

    def update_event_source_mapping(self, *, UUID: str, **settings: Any) -> None:  # noqa: N803
        """Begin a change."""
        assert self._looks[UUID] <= 0, "ResourceInUseException"
        self.settings[UUID] = settings
        self._looks[UUID] = 3

    def get_function_configuration(self, **_: str) -> dict[str, Any]:
        """Return what Chalice has set."""
        return {"Environment": {"Variables": {"STORAGE_URL": "dynamodb://table"}}}

    def update_function_configuration(
        self,
        *,
        FunctionName: str,  # noqa: N803
        Environment: dict[str, dict[str, str]],  # noqa: N803
    ) -> None:
        """Let a function work, which nothing incomplete may invoke by now."""
        for name in SOURCES:
            assert self.settings[name]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
            assert self._looks[name] <= 0, "the mapping is not at rest"
        self.variables[FunctionName] = Environment["Variables"]

    def get_waiter(self, _: str) -> "SlowLambda":
        """Return what waits for a function."""
        return self

    def wait(self, **_: str) -> None:
        """Wait."""


class FakeAccount:
    """An account with this Lambda."""

    def __init__(self, functions: SlowLambda) -> None:
        self._functions = functions

    def client(self, service: str) -> SlowLambda:
        """Return the client."""
        assert service == "lambda"
        return self._functions

    def arn(self, service: str, resource: str) -> str:
        """Return an ARN."""
        return f"arn:aws:{service}:us-east-1:000000000000:{resource}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return a stage that Chalice has deployed."""
    project = Project(tmp_path_factory.mktemp("sources"))
    (project.folder / ".chalice/deployed").mkdir()
    resources = [
        {"name": source, "resource_type": "event_source", "event_uuid": name}
        for name, source in SOURCES.items()
    ]
    state = {"resources": resources, "schema_version": "2.0", "backend": "api"}
    (project.folder / ".chalice/deployed/dev.json").write_text(json.dumps(state))
    return Stage("dev", project.folder)


def test_sources_are_complete_before_anything_flows(stage: Stage) -> None:
    """Each source has its settings and is at rest before a function learns where the queue is."""
    functions = SlowLambda()
    complete(stage, FakeAccount(functions), URL, sleep=lambda _: None)  # type: ignore[arg-type]
    relay = functions.settings["relayEvents"]
    assert relay["DestinationConfig"]["OnFailure"]["Destination"].endswith("-stream-failures")
    assert relay["MaximumRecordAgeInSeconds"] == 23 * 60 * 60
    assert functions.variables == {
        f"user-management-dev-{name}": {
            "STORAGE_URL": "dynamodb://table",
            "WEBHOOK_QUEUE_URL": URL,
        }
        for name in SOURCES
    }


def test_a_source_that_never_rests_is_an_error(stage: Stage) -> None:
    """The command does not wait for ever, and lets nothing flow."""
    functions = SlowLambda()
    functions.is_stuck = True
    with pytest.raises(DeploymentError, match="The event source of relayEvents is still updating"):
        complete(stage, FakeAccount(functions), URL, sleep=lambda _: None)  # type: ignore[arg-type]
    assert functions.variables == {}
