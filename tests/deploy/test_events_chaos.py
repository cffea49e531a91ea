"""Nothing is lost on AWS: many callers change things while what relays and sends is killed.

The way is that of test_events.py, on an emulated AWS that enforces IAM.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any

import psutil
import pytest

from tests.deploy.deployed import Deployed
from tests.deploy.eventful import Administrator, Stage, running_stage
from tests.deploy.project import Project
from tests.deploy.receiver import Received
from tests.events.chaos import (
    Arrived,
    Fate,
    Fates,
    Shown,
    State,
    assert_nothing_is_lost,
    make_changes,
)

pytestmark = pytest.mark.slow

CHANGES = 1000
CALLERS = 8
KILLS = 8
PATIENCE_SECONDS = 220
FUNCTIONS = ("relayEvents", "sendWebhooks")
DEATH = "Worker process died"
"""What the emulator logs where a function's process dies at work."""

SECONDS = {"slow": 1.5, "stall": 16}
"""How long these fates last; the sender waits for 15 seconds."""

VISIBILITY_SECONDS = 20
"""After what time a message comes back whose function died. The stage's six minutes are too long
for a test; this is longer than any batch takes."""


class Endpoint:
    """A receiver that verifies what it gets and fails at random, but an event only once.

    After a second failure the sender would wait for five minutes.
    """

    def __init__(self) -> None:
        self.arrived = Arrived()
        self.fates = Fates(1, ok=76, refuse=8, forget=4, close=8, slow=4)
        self.failed: set[str] = set()
        self._lock = Lock()
        self._stalls = 2

    def answer(self, request: Received) -> int | None:
        """Return the status of the response."""
        fate = self._fate(request.headers["webhook-id"])
        time.sleep(SECONDS.get(fate, 0))
        if fate == "close":
            return None
        if fate != "refuse":
            self.arrived.add(request.body, request.headers)
        return 500 if fate in {"refuse", "forget"} else 204

    def _fate(self, event: str) -> Fate:
        fate = self.fates.next()
        with self._lock:
            if fate in {"ok", "slow"}:
                return fate
            if event in self.failed:
                return "ok"
            self.failed.add(event)
            if fate == "close" and self._stalls:
                self._stalls -= 1
                return "stall"
        return fate


class OverHTTP:
    """The deployed API. `unanswered` has the paths of requests that were answered by 503.

    A busy machine makes them, and nobody knows whether they have changed something.
    """

    def __init__(self, api: Deployed) -> None:
        self.unanswered: list[str] = []
        self._api = api

    def create_user(self, body: State) -> State | None:
        """Create a user."""
        return self._send("POST", "/users", body)

    def patch_user(self, user: State, body: State) -> State | None:
        """Change members of a user."""
        return self._send("PATCH", f"/users/{user['user_id']}", body)

    def replace_user(self, user: State, body: State) -> State | None:
        """Replace a user."""
        return self._send("PUT", f"/users/{user['user_id']}", body)

    def delete_user(self, user: State) -> bool:
        """Delete a user if it is still as given."""
        headers = {"If-Match": f'"{user["version"]}"'}
        return self._send("DELETE", f"/users/{user['user_id']}", headers=headers) is not None

    def create_order(self, user: State, body: State) -> State | None:
        """Create an order of a user."""
        return self._send("POST", f"/users/{user['user_id']}/orders", body)

    def patch_order(self, order: State, body: State) -> State | None:
        """Change members of an order."""
        return self._send("PATCH", f"/users/{order['user_id']}/orders/{order['order_id']}", body)

    def _send(
        self, method: str, path: str, body: State | None = None, **options: Any
    ) -> State | None:
        response = self._api.call(method, path, json=body, **options)
        if response.status_code == 503:
            self.unanswered.append(path)
            return None
        if response.status_code in {404, 409, 412}:
            return None
        assert response.status_code < 300, (method, path, response.status_code, response.text)
        state: State = response.json() if response.content else {}
        return state


@pytest.fixture(scope="module")
def endpoint() -> Endpoint:
    """Return the receiver."""
    return Endpoint()


@pytest.fixture(scope="module")
def stage(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Deploy a stage, beside the receiver."""
    project = Project(tmp_path_factory.mktemp("chaos"))
    with running_stage(project, endpoint.answer) as running:
        sqs = running.api.cloud.client("sqs")
        url = sqs.get_queue_url(QueueName=f"{running.api.prefix}-webhooks")["QueueUrl"]
        visibility = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        sqs.set_queue_attributes(QueueUrl=url, Attributes=visibility)
        yield running


def kill_at_work(process: psutil.Process, chance: random.Random) -> bool:
    """Kill a process at a random moment after it has begun to work; return whether it did."""
    with suppress(psutil.NoSuchProcess):
        before, deadline = process.cpu_times(), time.monotonic() + 0.5
        while process.cpu_times() == before:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.15))
        process.kill()
        return True
    return False


def kill_until(stage: Stage, is_over: Callable[[], bool]) -> None:
    """Kill the functions at random until all is over, or takes too long.

    Between two kills of a function one invocation at least succeeds: else, on a busy machine, each
    might be killed before it has begun.
    """
    chance, successes = random.Random(3), dict.fromkeys(FUNCTIONS, 0)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and not is_over():
        time.sleep(chance.uniform(0, 0.5))
        function = chance.choice(FUNCTIONS)
        if logged(stage.api, function, DEATH) >= KILLS:
            continue
        now, running = logged(stage.api, function, f"{function} 200"), stage.workers(function)
        if running and now > successes[function] and kill_at_work(chance.choice(running), chance):
            successes[function] = now


def logged(api: Deployed, function: str, text: str) -> int:
    """Return how many lines of a function's log have a text."""
    group, pattern = f"/aws/lambda/{api.prefix}-{function}", f'"{text}"'
    logs = api.cloud.client("logs")
    return len(logs.filter_log_events(logGroupName=group, filterPattern=pattern)["events"])


def test_every_version_arrives_although_functions_are_killed(
    stage: Stage, endpoint: Endpoint
) -> None:
    """Each version of each resource arrives, as the API has shown it, and no other does."""
    api, arrived, shown = OverHTTP(stage.api), endpoint.arrived, Shown()
    arrived.secret = Administrator(stage.api).create(stage.url)["secret"]

    with ThreadPoolExecutor(CALLERS) as callers:
        futures = [
            callers.submit(make_changes, api, shown, seed, CHANGES // CALLERS, pause=0.2)
            for seed in range(CALLERS)
        ]

        def is_over() -> bool:
            return all(one.done() for one in futures) and not arrived.missing(shown)

        kill_until(stage, is_over)
        for future in futures:
            future.result()

    assert len(shown.states) == CHANGES
    assert_nothing_is_lost(shown, arrived, len(api.unanswered))
    assert len(endpoint.failed) > CHANGES / 10
    deaths = {function: logged(stage.api, function, DEATH) for function in FUNCTIONS}
    assert min(deaths.values()) >= KILLS / 4, deaths
    for queue in ("webhooks-failures", "stream-failures"):
        assert stage.waiting(queue) == 0, queue
