"""Random sequences of requests, with each response checked against a small model of the API."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from chalicelib.domain.orders import LIFECYCLE
from tests.support.served import ORDER, Reply, Served, bearer, served

ADMIN = bearer("boss", roles=["admin"])
OPEN = {"pending", "paid", "shipped"}

emails = st.sampled_from(["ann@example.com", "ANN@example.com", "bob@example.com", "c@example.com"])
names = st.sampled_from(["Ann", "Bob", "Zoë"])
callers = st.sampled_from(["admin", "admin", "self", "other", "nobody"])
keys = st.sampled_from([None, None, "k1", "k2"])
conditions = st.sampled_from(["none", "current", "stale", "weak", "any", "both"])
pairs = st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, "", "x"]), max_size=3)


class ApiMachine(RuleBasedStateMachine):
    """Sends requests to the API and checks each response."""

    users = Bundle("users")
    orders = Bundle("orders")

    def __init__(self, api: Served) -> None:
        super().__init__()
        self.api = api
        self.state: dict[str, dict[str, Any]] = {}
        self.lives: dict[str, dict[str, dict[str, Any]]] = {}
        self.responses: dict[tuple[str, str], tuple[object, Any]] = {}

    def send(
        self, caller: str, user_id: str, method: str, path: str, body: Any = None, **headers: str
    ) -> Reply:
        """Send a request as `caller`."""
        who = {"admin": ADMIN, "self": bearer(user_id), "other": bearer("usr_" + "9" * 32)}
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.api.call(method, path, who.get(caller), body, sent)

    def taken(self, email: str, user_id: str = "") -> bool:
        """Return True if another user has the address."""
        return any(
            user["email"].casefold() == email.casefold()
            for user in self.state.values()
            if user["user_id"] != user_id
        )

    @contextmanager
    def keyed(self, caller: str, key: str | None, request: Any, reply: Reply) -> Iterator[bool]:
        """Check a creation against its key; the block runs unless it is a replay."""
        known = self.responses.get((caller, key or ""))
        if known is None:
            yield True
            if key is not None and reply.status == 201:
                self.responses[caller, key] = (request, reply.body)
        else:
            yield False
            if known[1] is None:
                assert (reply.status, reply.body["type"]) == (410, "/problems/creation-undone")
            elif known[0] == request:
                assert (reply.status, reply.body) == (201, known[1])
                assert reply.headers["Idempotent-Replayed"] == "true"
            else:
                assert reply.body["type"] == "/problems/idempotency-key-reused"

    @rule(target=users, email=emails, name=names, key=keys)
    def create_user(self, email: str, name: str, key: str | None) -> str:
        """Create a user."""
        body = {"name": name, "email": email}
        headers = {} if key is None else {"Idempotency_Key": key}
        reply = self.send("admin", "", "POST", "/users", body, **headers)
        with self.keyed("admin", key, body, reply) as new:
            if new and self.taken(email):
                assert reply.body["type"] == "/problems/email-taken"
            elif new:
                assert reply.status == 201
                user = {name: reply.body[name] for name in reply.body if name != "message"}
                self.state[user["user_id"]] = user
                self.lives[user["user_id"]] = {}
        return str(reply.body.get("user_id", "usr_" + "0" * 32))

    @rule(user_id=users, caller=callers, condition=conditions)
    def get_user(self, user_id: str, caller: str, condition: str) -> None:
        """Read a user."""
        user = self.state.get(user_id)
        headers = self.condition("If_None_Match", condition, user)
        reply = self.send(caller, user_id, "GET", f"/users/{user_id}", **headers)
        if caller == "nobody":
            assert reply.status == 401
        elif user is None or caller == "other":
            assert reply.body["type"] == "/problems/user-not-found"
        elif condition in {"current", "weak", "any", "both"}:
            assert (reply.status, reply.body) == (304, None)
        else:
            assert (reply.status, reply.body) == (200, user)

    def condition(self, name: str, condition: str, resource: Any) -> dict[str, str]:
        """Return a conditional header for the resource."""
        version = 1 if resource is None else resource["version"]
        return {
            "none": {},
            "current": {name: f'"{version}"'},
            "stale": {name: f'"{version + 1}"'},
            "weak": {name: f'W/"{version}"'},
            "any": {name: "*"},
            "both": {name: f'"{version + 7}", "{version}"'},
        }[condition]

    @rule(
        user_id=users,
        caller=callers,
        condition=conditions,
        body=st.fixed_dictionaries(
            {}, optional={"name": names, "email": emails, "metadata": pairs | st.none()}
        ),
        status=st.sampled_from([None, None, "active", "suspended"]),
    )
    def patch_user(
        self, user_id: str, caller: str, condition: str, body: dict[str, Any], status: str | None
    ) -> None:
        """Change a user."""
        body |= {} if status is None else {"status": status}
        user = self.state.get(user_id)
        headers = self.condition("If_Match", condition, user)
        reply = self.send(caller, user_id, "PATCH", f"/users/{user_id}", body, **headers)
        if caller == "nobody":
            assert reply.status == 401
        elif caller == "other":
            assert reply.status == 404
        elif caller == "self" and status is not None:
            assert reply.status == 403
        elif user is None:
            assert reply.status == 404
        elif condition in {"stale", "weak"}:
            assert reply.status == 412
        elif self.taken(body.get("email", user["email"]), user_id):
            assert reply.body["type"] == "/problems/email-taken"
        else:
            self.changed(user, reply, body)

    def changed(self, resource: dict[str, Any], reply: Reply, body: dict[str, Any]) -> None:
        """Apply an accepted change to the model."""
        assert reply.status == 200, reply
        merged = {**resource["metadata"], **(body.get("metadata") or {})}
        kept = {name: value for name, value in merged.items() if value is not None}
        empties = "metadata" in body and body["metadata"] is None
        resource |= {
            **body,
            "metadata": {} if empties else kept,
            "version": resource["version"] + 1,
            "updated_at": reply.body["updated_at"],
        }
        assert reply.body == resource
        assert reply.headers["ETag"] == f'"{resource["version"]}"'

    @rule(user_id=users, caller=callers, condition=conditions)
    def delete_user(self, user_id: str, caller: str, condition: str) -> None:
        """Delete a user."""
        user = self.state.get(user_id)
        headers = self.condition("If_Match", condition, user)
        reply = self.send(caller, user_id, "DELETE", f"/users/{user_id}", **headers)
        if caller != "admin":
            assert reply.status == (401 if caller == "nobody" else 403)
        elif user is None:
            assert reply.status == 404
        elif condition in {"stale", "weak"}:
            assert reply.status == 412
        elif any(order["status"] in OPEN for order in self.lives[user_id].values()):
            assert reply.body["type"] == "/problems/user-has-open-orders"
        else:
            assert reply.status == 204
            del self.state[user_id]
            for known, (request, body) in self.responses.items():
                if body and "order_id" not in body and body["user_id"] == user_id:
                    self.responses[known] = (request, None)

    @rule(target=orders, user_id=users, caller=callers, key=keys)
    def create_order(self, user_id: str, caller: str, key: str | None) -> tuple[str, str]:
        """Create an order."""
        headers = {} if key is None else {"Idempotency_Key": key}
        reply = self.send(caller, user_id, "POST", f"/users/{user_id}/orders", ORDER, **headers)
        if caller in {"nobody", "other"}:
            assert reply.status == (401 if caller == "nobody" else 404)
        else:
            who = user_id if caller == "self" else "admin"
            with self.keyed(who, key, user_id, reply) as new:
                if new and user_id not in self.state:
                    assert reply.body["type"] == "/problems/user-not-found"
                elif new and self.state[user_id]["status"] == "suspended":
                    assert reply.body["type"] == "/problems/user-suspended"
                elif new:
                    assert reply.status == 201
                    self.lives[user_id][reply.body["order_id"]] = dict(reply.body)
        return user_id, str(reply.body.get("order_id", "ord_" + "0" * 32))

    @rule(
        order=orders,
        caller=callers,
        condition=conditions,
        step=st.sampled_from([None, *LIFECYCLE]),
        metadata=st.none() | pairs,
    )
    def patch_order(
        self,
        order: tuple[str, str],
        caller: str,
        condition: str,
        step: str | None,
        metadata: dict[str, Any] | None,
    ) -> None:
        """Change an order's status, its metadata, or both."""
        user_id, order_id = order
        known = self.lives.get(user_id, {}).get(order_id)
        headers = self.condition("If_Match", condition, known)
        body = {} if step is None else {"status": step}
        body |= {} if metadata is None else {"metadata": metadata}  # type: ignore[dict-item]
        path = f"/users/{user_id}/orders/{order_id}"
        reply = self.send(caller, user_id, "PATCH", path, body, **headers)
        if caller in {"nobody", "other"}:
            assert reply.status == (401 if caller == "nobody" else 404)
        elif caller == "self" and user_id not in self.state:
            assert reply.body["type"] == "/problems/user-not-found"
        elif caller == "self" and step not in {None, "cancelled"}:
            assert reply.status == 403
        elif known is None:
            assert reply.body["type"] == "/problems/order-not-found"
        elif condition in {"stale", "weak"}:
            assert reply.status == 412
        elif step is not None and step not in LIFECYCLE[known["status"]]:
            assert reply.body["type"] == "/problems/illegal-transition"
        elif caller == "self" and step == "cancelled" and known["status"] == "paid":
            assert reply.status == 403
        else:
            self.changed(known, reply, body)

    @rule(user_id=users, caller=callers)
    def list_orders(self, user_id: str, caller: str) -> None:
        """List a user's orders."""
        reply = self.send(caller, user_id, "GET", f"/users/{user_id}/orders?limit=100")
        orders = self.lives.get(user_id, {})
        if caller in {"nobody", "other"}:
            assert reply.status == (401 if caller == "nobody" else 404)
        elif user_id not in self.state and (caller == "self" or not orders):
            assert reply.status == 404
        else:
            assert reply.body["orders"] == [orders[order_id] for order_id in sorted(orders)[::-1]]

    @invariant()
    def lists_agree(self) -> None:
        """Check that the list has exactly the users of the model."""
        reply = self.send("admin", "", "GET", "/users?limit=100&order=asc")
        assert reply.body["users"] == [self.state[user_id] for user_id in sorted(self.state)]


def test_no_sequence_of_requests_differs_from_the_model() -> None:
    """Any sequence of requests by any callers gets the responses of the model."""

    class Run(ApiMachine):
        """A run on a new database."""

        def __init__(self) -> None:
            with ExitStack() as stack:
                folder = stack.enter_context(TemporaryDirectory())
                url = f"sqlite:///{Path(folder) / 'api.db'}"
                super().__init__(stack.enter_context(served(STORAGE_URL=url)))
                self.stack = stack.pop_all()

        def teardown(self) -> None:
            """Close and delete the database."""
            self.stack.close()

    run_state_machine_as_test(Run, settings=settings(stateful_step_count=40, deadline=None))
