"""Nothing is lost: many callers change things while what relays and sends is killed at random."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec import convert, to_builtins

from chalicelib.domain.caller import IAM_CALLER
from chalicelib.domain.deliveries import QueueingStorage
from chalicelib.domain.errors import Conflict, NotFound, VersionMismatch
from chalicelib.domain.events import Events, event_types
from chalicelib.domain.orders import NewOrder, Order, OrderPatch, OrderService
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.users import NewUser, User, UserPatch, UserReplacement, UserService
from chalicelib.domain.webhooks import NewWebhook, WebhookService
from chalicelib.storage.factory import open_storage
from localdev.emulators import Emulators
from tests.conftest import url_of
from tests.events.chaos import Arrived, Fates, Shown, State, assert_nothing_is_lost, make_changes
from tests.events.sending import secrets
from tests.storage.conftest import empty
from tests.support.served import ROOT

CHANGES = 1000
CALLERS = 8
KILLS = 8
PATIENCE_SECONDS = 120
REFUSALS = (Conflict, NotFound, VersionMismatch)


class Endpoint:
    """A receiver that verifies what it gets, and fails at random."""

    def __init__(self, seed: int) -> None:
        self.arrived = arrived = Arrived()
        fates = Fates(seed, ok=80, refuse=10, forget=2, close=7, stall=1)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fate = fates.next()
                if fate == "close":
                    self.close_connection = True
                    return
                if fate == "stall":
                    time.sleep(1.5)
                if fate != "refuse":
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    arrived.add(body, headers)
                self.send_response(500 if fate in {"refuse", "forget"} else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Services:
    """The API as its services are, without HTTP."""

    def __init__(self, storage: QueueingStorage) -> None:
        self._users = UserService(storage, history=True)
        self._orders = OrderService(storage, history=True)

    def create_user(self, body: State) -> State | None:
        """Create a user."""
        new = convert(body, NewUser)
        return _shown(lambda: self._users.create(IAM_CALLER, new, None).entity)

    def patch_user(self, user: State, body: State) -> State | None:
        """Change members of a user."""
        patch = convert(body, UserPatch)
        return _shown(lambda: self._users.patch(IAM_CALLER, user["user_id"], patch, None))

    def replace_user(self, user: State, body: State) -> State | None:
        """Replace a user."""
        new = convert(body, UserReplacement)
        return _shown(lambda: self._users.replace(IAM_CALLER, user["user_id"], new, None))

    def delete_user(self, user: State) -> bool:
        """Delete a user if it is still as given."""
        try:
            self._users.delete(IAM_CALLER, user["user_id"], frozenset({user["version"]}))
        except REFUSALS:
            return False
        return True

    def create_order(self, user: State, body: State) -> State | None:
        """Create an order of a user."""
        new = convert(body, NewOrder)
        return _shown(lambda: self._orders.create(IAM_CALLER, user["user_id"], new, None).entity)

    def patch_order(self, order: State, body: State) -> State | None:
        """Change members of an order."""
        ids = (order["user_id"], order["order_id"])
        patch = convert(body, OrderPatch)
        return _shown(lambda: self._orders.patch(IAM_CALLER, *ids, patch, None))


def _shown(act: Callable[[], User | Order]) -> State | None:
    try:
        entity = act()
    except REFUSALS:
        return None
    state: State = to_builtins(entity)
    return state


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, engines: Emulators) -> str:
    """Return the URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'users.db'}"
    database = url_of(engines, "postgresql")
    empty(database, RESOURCES)
    return database


def send_and_kill(url: str, is_over: Callable[[], bool]) -> int:
    """Run processes that send, kill them at random, and return how often, once all has arrived."""
    chance, kills = random.Random(3), 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    command = [sys.executable, "-m", "tests.events.sending", url]
    while time.monotonic() < deadline and not (kills >= KILLS and is_over()):
        senders = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
        # Some are killed before they have begun, and the last ones when they are done.
        lifetime = chance.uniform(0.3, 3) if kills < KILLS else PATIENCE_SECONDS
        until = min(time.monotonic() + lifetime, deadline)
        while time.monotonic() < until and not (kills >= KILLS and is_over()):
            time.sleep(0.05)
        for sender in senders:
            sender.kill()
            sender.wait()
        kills += 1
    return kills


@pytest.mark.slow
def test_every_version_arrives_although_senders_are_killed(url: str) -> None:
    """Each version of each resource arrives, as the API has shown it, and no other does."""
    storage = open_storage(url, RESOURCES, events=Events("urn:test:api"))
    assert isinstance(storage, QueueingStorage)
    webhooks = WebhookService(
        storage,
        history=False,
        secrets=secrets(),
        event_types=event_types(RESOURCES),
        allows_loopback=True,
    )
    everything, paid = Endpoint(1), Endpoint(2)
    endpoints = (everything, paid)
    for endpoint, types in ((everything, []), (paid, ["order.paid"])):
        new = NewWebhook(url=endpoint.url, event_types=types)
        endpoint.arrived.secret = webhooks.create(IAM_CALLER, new, None).entity.secret
    api, shown = Services(storage), Shown()

    with ThreadPoolExecutor(CALLERS) as callers:
        futures = [
            callers.submit(make_changes, api, shown, seed, CHANGES // CALLERS)
            for seed in range(CALLERS)
        ]

        def is_over() -> bool:
            return all(one.done() for one in futures) and not everything.arrived.missing(shown)

        kills = send_and_kill(url, is_over)
        for future in futures:
            future.result()
    for endpoint in endpoints:
        endpoint.close()
    storage.close()

    assert kills >= KILLS
    assert len(shown.states) == CHANGES
    assert_nothing_is_lost(shown, everything.arrived)
    got = {event["type"] for events in paid.arrived.events.values() for event in events}
    assert got == {"order.paid"}
    assert paid.arrived.unverified == 0
