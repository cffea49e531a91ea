"""Random changes by callers, random failures of a receiver, and whether nothing was lost."""

import json
import random
import threading
import time
from collections import Counter, defaultdict
from itertools import count
from typing import Any, Literal, Protocol

from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from chalicelib.domain.orders import LIFECYCLE

State = dict[str, Any]
"""A user or an order as the API shows it."""

Key = tuple[str, int]
"""The path of a user or an order, and a version of it."""

Fate = Literal["ok", "refuse", "forget", "close", "slow", "stall"]


class Api(Protocol):
    """What callers can do. Each method returns what is shown then, None where it is refused.

    A refusal is one by the rules: what does not exist, or not any more in that version, or cannot
    take that step. Everything else that fails is raised.
    """

    def create_user(self, body: State) -> State | None:
        """Create a user."""

    def patch_user(self, user: State, body: State) -> State | None:
        """Change members of a user."""

    def replace_user(self, user: State, body: State) -> State | None:
        """Replace a user."""

    def delete_user(self, user: State) -> bool:
        """Delete a user if it is still as given; return whether it was."""

    def create_order(self, user: State, body: State) -> State | None:
        """Create an order of a user."""

    def patch_order(self, order: State, body: State) -> State | None:
        """Change members of an order."""


class Shown:
    """What the API has shown to its callers, who share what they know."""

    def __init__(self) -> None:
        self.states: dict[Key, State | None] = {}
        """Each version of each resource; None for its deletion."""
        self._lock = threading.Lock()
        self._latest: dict[str, State] = {}

    def add(self, state: State) -> None:
        """Keep a representation."""
        kept = {name: value for name, value in state.items() if name != "message"}
        path = path_of(kept)
        with self._lock:
            self.states[path, kept["version"]] = kept
            known = self._latest.get(path)
            if known is None or known["version"] < kept["version"]:
                self._latest[path] = kept

    def add_deletion(self, user: State) -> None:
        """Keep that a user was deleted in its next version."""
        path = path_of(user)
        with self._lock:
            self.states[path, user["version"] + 1] = None
            self._latest = {
                other: state
                for other, state in self._latest.items()
                if state["user_id"] != user["user_id"]
            }

    def one(self, choices: random.Random, *, order: bool) -> State | None:
        """Return a user or an order, None if there is none."""
        with self._lock:
            found = [state for state in self._latest.values() if ("order_id" in state) == order]
        return choices.choice(found) if found else None


def path_of(state: State) -> str:
    """Return the path of a user or an order."""
    order = f"/orders/{state['order_id']}" if "order_id" in state else ""
    return f"/users/{state['user_id']}{order}"


def make_changes(api: Api, shown: Shown, seed: int, number: int, pause: float = 0.05) -> None:
    """Be a caller that makes so many random changes, of what all callers share.

    It waits for up to `pause` seconds after each.
    """
    choices, attempts, made = random.Random(seed), count(), 0
    while made < number:
        made += _change(api, shown, choices, f"{seed}-{next(attempts)}")
        time.sleep(choices.uniform(0, pause))


def _change(api: Api, shown: Shown, choices: random.Random, unique: str) -> bool:
    """Try a random change, and return whether it was made."""
    names = ["create", "rename", "replace", "order", "step", "delete"]
    [act] = choices.choices(names, [2, 3, 1, 3, 5, 1])
    thing = shown.one(choices, order=act == "step")
    if act == "create" or thing is None:
        email = f"u{unique}@example.com"
        changed = api.create_user({"name": "Zoë", "email": email})
    elif act == "rename":
        changed = api.patch_user(thing, {"name": f"Name {unique}"})
    elif act == "replace":
        new = {"name": f"Name {unique}", "email": f"v{unique}@example.com", "metadata": {"n": "1"}}
        changed = api.replace_user(thing, new)
    elif act == "order":
        line = {"sku": "TEA", "quantity": 1, "unit_price": choices.randrange(1000)}
        changed = api.create_order(thing, {"currency": "EUR", "items": [line]})
    elif act == "step":
        step = choices.choice([*LIFECYCLE[thing["status"]], None])
        change = {"metadata": {"n": unique}} if step is None else {"status": step}
        changed = api.patch_order(thing, change)
    elif api.delete_user(thing):
        shown.add_deletion(thing)
        return True
    else:
        return False
    if changed is not None:
        shown.add(changed)
    return changed is not None


class Arrived:
    """The events that a receiver has got, verified with its `secret`."""

    def __init__(self) -> None:
        self.secret = ""
        self.events: dict[Key, list[dict[str, Any]]] = defaultdict(list)
        self.unverified = 0
        self._lock = threading.Lock()

    def add(self, body: bytes, headers: dict[str, str]) -> None:
        """Keep the event of a request if its signature is right; the headers in lower case."""
        with self._lock:
            event = json.loads(body)
            if self._is_signed(body, headers) and headers["webhook-id"] == event["id"]:
                self.events[event["subject"], int(event["sequence"])].append(event)
            else:
                self.unverified += 1

    def _is_signed(self, body: bytes, headers: dict[str, str]) -> bool:
        try:
            Verifier(self.secret).verify(body, headers)
        except WebhookVerificationError:
            return False
        return True

    def missing(self, shown: Shown) -> set[Key]:
        """Return the versions that the API has shown, and that have not arrived."""
        return {*shown.states} - {*self.events}


class Fates:
    """Decides at random what happens to the requests that a receiver gets.

    "refuse" and "forget" respond with 500, the first one without keeping the event; "close" closes
    the connection, "slow" takes its time, and "stall" more of it than a sender waits.
    """

    def __init__(self, seed: int, **weights: int) -> None:
        self.counts: Counter[Fate] = Counter()
        self._random = random.Random(seed)
        self._fates: list[Any] = [*weights]
        self._weights = [*weights.values()]
        self._lock = threading.Lock()

    def next(self) -> Fate:
        """Return the fate of a request."""
        with self._lock:
            fate: Fate = self._random.choices(self._fates, self._weights)[0]
            self.counts[fate] += 1
            return fate


def assert_nothing_is_lost(shown: Shown, arrived: Arrived, unanswered: int = 0) -> None:
    """Check that each version has arrived, as the API has shown it, and no other has.

    As many others may have as there were changes of which the API did not say whether it made them.
    """
    missing = arrived.missing(shown)
    assert not missing, f"{len(missing)} of {len(shown.states)} have not arrived"
    assert len({*arrived.events} - {*shown.states}) <= unanswered
    for key, state in shown.states.items():
        for event in arrived.events[key]:
            _assert_tells(event, state)
    last: dict[str, int] = defaultdict(int)
    for subject, sequence in arrived.events:
        last[subject] = max(last[subject], sequence)
    assert sum(last.values()) == len(arrived.events), "each subject's sequence has no gap"
    assert arrived.unverified == 0


def _assert_tells(event: dict[str, Any], state: State | None) -> None:
    if state is None:
        assert event["type"] == "user.deleted"
        assert event["data"] == {"user_id": event["partitionkey"]}
    else:
        noun = event["type"].partition(".")[0]
        assert event["data"][noun] == state
        assert int(event["sequence"]) == state["version"]
