"""Events and webhooks of a stage on PostgreSQL, on an emulated AWS that enforces IAM.

The way is that of AWS: API → outbox → relayOutbox, which a schedule invokes → receiver.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from localdev.emulators import postgresql
from tests.deploy.cloud import Cloud
from tests.deploy.eventful import Administrator, Stage, running_stage
from tests.deploy.project import Project, succeeded
from tests.deploy.receiver import Receiver

pytestmark = pytest.mark.slow

PORT = 5432
"""Free in a network of its own."""


@pytest.fixture(scope="module")
def receiver() -> Receiver:
    """Return the receiver."""
    return Receiver()


@pytest.fixture(scope="module")
def stage(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Deploy a stage with a new database, beside the receiver."""
    project = Project(tmp_path_factory.mktemp("outbox"))
    project.use_postgresql("prod", f"postgresql+psycopg://app@127.0.0.1:{PORT}/postgres")
    with ExitStack() as stack:

        def run_database(cloud: Cloud) -> None:
            stack.enter_context(postgresql(PORT))
            succeeded(project.deployment("migrate", "prod", **cloud.variables))

        yield stack.enter_context(running_stage(project, receiver.answer, run_database))


def test_the_schedule_relays_and_sends(stage: Stage, receiver: Receiver) -> None:
    """What happens to a user arrives at a webhook within the minute, and once."""
    administrator, api = Administrator(stage.api), stage.api
    webhook = administrator.create(stage.url)
    user = api.user()
    api.call("PATCH", f"/users/{user}", json={"name": "Bo"})
    api.call("DELETE", f"/users/{user}")

    requests = receiver.wait(3, seconds=90)

    assert sorted(json.loads(one.body)["type"] for one in requests) == [
        "user.created",
        "user.deleted",
        "user.updated",
    ]
    found = administrator.deliveries(
        webhook, lambda all_: [one["status"] for one in all_] == ["succeeded"] * 3
    )
    assert {(one["attempts"], one["response_status"]) for one in found} == {(1, 204)}
