"""Nothing is lost: many callers change things while what relays and sends is killed at random."""

import json
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook as Receiver
from standardwebhooks.webhooks import WebhookVerificationError

from chalicelib.domain.caller import IAM_CALLER
from chalicelib.domain.deliveries import QueueingStorage
from chalicelib.domain.events import Events, event_types
from chalicelib.domain.orders import (
    LIFECYCLE,
    NewOrder,
    Order,
    OrderLine,
    OrderPatch,
    OrderService,
    UserHasOpenOrders,
)
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.users import NewUser, User, UserPatch, UserService
from chalicelib.domain.webhooks import NewWebhook, WebhookService
from chalicelib.storage.factory import open_storage
from localdev.emulators import Emulators
from tests.conftest import url_of
from tests.events.sending import secrets
from tests.storage.conftest import empty
from tests.support.served import ROOT

CHANGES = 1000
CALLERS = 8
KILLS = 8
PATIENCE_SECONDS = 120


class Endpoint:
    """A receiver that verifies what it gets, and fails at random."""

    def __init__(self, seed: int) -> None:
        self.events: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        self.unverified = 0
        self.secret = ""
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fate = endpoint.fate()
                if fate == "close":
                    self.close_connection = True
                    return
                if fate == "stall":
                    time.sleep(1.5)
                if fate != "fail" or endpoint.fate() == "fail":
                    endpoint.receive(body, dict(self.headers))
                self.send_response(500 if fate == "fail" else 204)
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

    def fate(self) -> str:
        """Return what happens to a request."""
        with self._lock:
            return self._random.choices(["ok", "fail", "close", "stall"], [80, 12, 7, 1])[0]

    def receive(self, body: bytes, headers: dict[str, str]) -> None:
        """Keep an event that verifies."""
        with self._lock:
            try:
                Receiver(self.secret).verify(body, headers)
            except WebhookVerificationError:
                self.unverified += 1
                return
            event = json.loads(body)
            assert headers["webhook-id"] == event["id"]
            self.events[event["subject"], int(event["sequence"])].append(event)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Shown:
    """What the API has shown of each version of each resource."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.states: dict[tuple[str, int], dict[str, Any] | None] = {}

    def add(self, entity: User | Order) -> None:
        """Keep a representation."""
        state = msgspec.to_builtins(entity)
        state.pop("message", None)
        with self._lock:
            self.states[path(entity), entity.version] = state

    def add_deletion(self, user: User) -> None:
        """Keep that a user was deleted in its next version."""
        with self._lock:
            self.states[path(user), user.version + 1] = None


def path(entity: User | Order) -> str:
    """Return the path of an entity."""
    if isinstance(entity, Order):
        return f"/users/{entity.user_id}/orders/{entity.order_id}"
    return f"/users/{entity.user_id}"


def work(storage: QueueingStorage, shown: Shown, seed: int, changes: int) -> None:
    """Be a caller that makes so many random changes."""
    choices = random.Random(seed)
    users = UserService(storage, history=True)
    orders = OrderService(storage, history=True)
    own: list[User] = []
    placed: dict[str, list[Order]] = defaultdict(list)
    for number in range(changes):
        act = choices.choices(["create", "rename", "order", "step", "delete"], [2, 4, 3, 5, 1])[0]
        user = choices.choice(own) if own else None
        try:
            if act == "create" or user is None:
                new = NewUser(name="Zoë", email=f"u{seed}-{number}@example.com")
                created = users.create(IAM_CALLER, new, None).entity
                user = User(**{name: getattr(created, name) for name in User.__struct_fields__})
                own.append(user)
                shown.add(user)
            elif act == "rename":
                name = f"Name {number}"
                changed = users.patch(IAM_CALLER, user.user_id, UserPatch(name=name), None)
                own[own.index(user)] = changed
                shown.add(changed)
            elif act == "order":
                line = OrderLine(sku="TEA", quantity=1, unit_price=number)
                body = NewOrder(currency="EUR", items=[line])
                order = orders.create(IAM_CALLER, user.user_id, body, None).entity
                placed[user.user_id].append(order)
                shown.add(order)
            elif act == "step" and placed[user.user_id]:
                place = choices.randrange(len(placed[user.user_id]))
                order = placed[user.user_id][place]
                step = choices.choice([*LIFECYCLE[order.status], None])
                patch = OrderPatch(metadata={"n": str(number)})
                if step is not None:
                    patch = OrderPatch(status=step)  # type: ignore[arg-type]
                order = orders.patch(IAM_CALLER, user.user_id, order.order_id, patch, None)
                placed[user.user_id][place] = order
                shown.add(order)
            elif act == "delete":
                users.delete(IAM_CALLER, user.user_id, None)
                own.remove(user)
                shown.add_deletion(user)
        except UserHasOpenOrders:
            continue
        time.sleep(choices.uniform(0, 0.05))


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
        endpoint.secret = webhooks.create(IAM_CALLER, new, None).entity.secret
    shown = Shown()

    with ThreadPoolExecutor(CALLERS) as callers:
        futures = [
            callers.submit(work, storage, shown, seed, CHANGES // CALLERS)
            for seed in range(CALLERS)
        ]

        def is_over() -> bool:
            made = {*shown.states}
            return all(one.done() for one in futures) and made <= everything.events.keys()

        kills = send_and_kill(url, is_over)
        for future in futures:
            future.result()
    for endpoint in endpoints:
        endpoint.close()
    storage.close()

    assert kills >= KILLS
    assert everything.events.keys() == shown.states.keys()
    for key, events in everything.events.items():
        for event in events:
            _check(event, shown.states[key])
    assert {event["type"] for events in paid.events.values() for event in events} == {"order.paid"}
    assert everything.unverified == paid.unverified == 0
    last: dict[str, int] = defaultdict(int)
    for subject, sequence in everything.events:
        last[subject] = max(last[subject], sequence)
    assert sum(last.values()) == len(everything.events), "each subject's sequence has no gap"


def _check(event: dict[str, Any], state: dict[str, Any] | None) -> None:
    """Check that an event tells what the API has shown."""
    if state is None:
        assert event["type"] == "user.deleted"
        assert event["data"] == {"user_id": event["partitionkey"]}
    else:
        noun = event["type"].partition(".")[0]
        assert event["data"][noun] == state
        assert int(event["sequence"]) == state["version"]
