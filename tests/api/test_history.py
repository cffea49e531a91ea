"""The history of users and orders: who did what, when, to which version, in which request."""

import json
import re
from pathlib import Path

from tests.support.served import ORDER, Reply, Served, bearer, served

BOSS = bearer("boss", roles=["admin"])
CANARIES = {
    "name": "Zebediah Canary",
    "email": "zebediah.canary@example.com",
    "metadata": {"canary-key": "canary-value"},
}


def request_id(reply: Reply) -> str:
    """Return the id of a request that succeeded."""
    assert reply.status < 300, reply
    return reply.headers["x-request-id"]


def history(api: Served, path: str) -> list[dict[str, object]]:
    """Return the whole history of what is at the path, the latest entry first."""
    reply = api.call("GET", f"{path}/history?limit=100", BOSS)
    assert (reply.status, reply.body.keys()) == (200, {"history", "next_cursor"}), reply
    assert reply.body["next_cursor"] is None
    entries: list[dict[str, object]] = reply.body["history"]
    return entries


def test_who_did_what_to_a_user(api: Served) -> None:
    """Each request has an entry with its caller, its role, its id, its members and its time."""
    new = {"name": "Ann", "email": "ann@example.com", "metadata": {"team": "blue"}}
    created = api.call("POST", "/users", BOSS, new)
    user_id = created.body["user_id"]
    path, itself = f"/users/{user_id}", bearer(user_id)
    put = api.call("PUT", path, itself, {"name": "Bea", "email": "bea@example.com"})
    patched = api.call("PATCH", path, BOSS, {"status": "suspended", "metadata": {"a": "b"}})
    empty = api.call("PATCH", path, itself, {})
    deleted = api.call("DELETE", path, BOSS)

    entries = history(api, path)

    assert [
        (entry["version"], entry["action"], entry["fields"], entry["by"], entry["by_role"])
        for entry in entries
    ] == [
        (5, "deleted", [], "boss", "administrator"),
        (4, "changed", [], user_id, "user"),
        (3, "changed", ["metadata", "status"], "boss", "administrator"),
        (2, "changed", ["name", "email", "metadata"], user_id, "user"),
        (1, "created", [], "boss", "administrator"),
    ]
    replies = [deleted, empty, patched, put, created]
    assert [entry["request_id"] for entry in entries] == [request_id(one) for one in replies]
    assert [entry["at"] for entry in entries[1:4]] == [
        one.body["updated_at"] for one in (empty, patched, put)
    ]
    assert entries[4]["at"] == created.body["created_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(entries[0]["at"]))


def test_who_moved_an_order(api: Served) -> None:
    """Each step of an order names who took it; all of it is there when the user is deleted."""
    user_id = api.user()
    orders, itself = f"/users/{user_id}/orders", bearer(user_id)
    created = api.call("POST", orders, itself, ORDER)
    path = f"{orders}/{created.body['order_id']}"
    noted = api.call("PATCH", path, itself, {"metadata": {"note": "ring"}})
    cancelled = api.call("PATCH", path, itself, {"status": "cancelled"})
    assert api.call("PATCH", path, BOSS, {"status": "paid"}).status == 409
    assert api.call("PATCH", path, BOSS, {"metadata": {}}, {"If-Match": '"1"'}).status == 412

    entries = history(api, path)
    api.as_administrator("DELETE", f"/users/{user_id}")

    assert [(entry["action"], entry["fields"], entry["by"]) for entry in entries] == [
        ("changed", ["status"], user_id),
        ("changed", ["metadata"], user_id),
        ("created", [], user_id),
    ]
    expected = [request_id(one) for one in (cancelled, noted, created)]
    assert [entry["request_id"] for entry in entries] == expected
    assert history(api, path) == entries


def test_a_replayed_creation_has_one_entry(api: Served) -> None:
    """A creation that is retried with its key has the entry of the request that created."""
    new, key = {"name": "Ann", "email": "ann@example.com"}, {"Idempotency-Key": "a key"}
    created, replayed = (api.call("POST", "/users", BOSS, new, key) for _ in range(2))
    assert replayed.headers["Idempotent-Replayed"] == "true"

    entries = history(api, f"/users/{created.body['user_id']}")

    assert [entry["request_id"] for entry in entries] == [request_id(created)]


def test_a_function_that_is_invoked_directly_acts_as_iam(api: Served) -> None:
    """What a Lambda function does for a bare event was done by `iam`, in the role `iam`."""
    body = json.dumps({"name": "Ann", "email": "ann@example.com"})
    created = api.module.create_user_lambda({"body": body}, None)

    (entry,) = history(api, f"/users/{json.loads(created['body'])['user_id']}")

    assert (entry["by"], entry["by_role"]) == ("iam", "iam")
    assert entry["request_id"] == created["headers"]["x-request-id"]


def test_a_token_cannot_look_like_iam(api: Served) -> None:
    """A token whose subject is `iam` has the role of its roles."""
    boss = bearer("iam", roles=["admin"])
    body = {"name": "Ann", "email": "ann@example.com"}
    user_id = api.call("POST", "/users", boss, body).body["user_id"]

    (entry,) = history(api, f"/users/{user_id}")

    assert (entry["by"], entry["by_role"]) == ("iam", "administrator")


def test_no_value_is_in_a_history(api: Served) -> None:
    """Names, addresses and metadata appear in no history, neither before a deletion nor after."""
    user_id = api.call("POST", "/users", BOSS, CANARIES).body["user_id"]
    path = f"/users/{user_id}"
    for body in (CANARIES, {**CANARIES, "email": "canary@example.com"}):
        assert api.call("PUT", path, BOSS, body).status == 200
    api.as_administrator("PATCH", path, {"metadata": {"canary-key": "canary", "other": None}})
    order = {**ORDER, "metadata": {"canary-key": "canary-value"}}
    order_id = api.as_administrator("POST", f"{path}/orders", order).body["order_id"]
    own = f"{path}/orders/{order_id}"
    api.as_administrator("PATCH", own, {"status": "cancelled", "metadata": {"note": "canary"}})

    before = [history(api, path), history(api, own)]
    api.as_administrator("DELETE", path)
    after = [history(api, path), history(api, own)]

    assert [len(entries) for entries in (*before, *after)] == [4, 2, 5, 2]
    assert "canary" not in json.dumps([before, after]).lower()


def test_what_does_not_exist_has_no_history(api: Served) -> None:
    """The history of what never existed, or is under another path, is the 404 of its kind."""
    user_id, other = api.user(), api.user()
    order_id = api.order(user_id)
    nobody, nothing = "usr_" + "0" * 32, "ord_" + "0" * 32

    for path, name in (
        (f"/users/{nobody}", "user"),
        ("/users/usr_x", "user"),
        (f"/users/{user_id}/orders/{nothing}", "order"),
        (f"/users/{other}/orders/{order_id}", "order"),
        (f"/users/{nobody}/orders/{order_id}", "order"),
    ):
        reply = api.call("GET", f"{path}/history", BOSS)
        assert (reply.status, reply.body["type"]) == (404, f"/problems/{name}-not-found"), path


def test_it_is_turned_off(tmp_path: Path) -> None:
    """With HISTORY=off nothing is added, and what was kept before can still be read."""
    url = f"sqlite:///{tmp_path / 'api.db'}"
    with served(STORAGE_URL=url) as api:
        user_id = api.user()
        api.as_administrator("PATCH", f"/users/{user_id}", {"name": "Bea"})
    with served(STORAGE_URL=url, HISTORY="off") as api:
        api.as_administrator("PATCH", f"/users/{user_id}", {"name": "Carla"})
        new = {"name": "Dora", "email": "dora@example.com"}
        silent = api.as_administrator("POST", "/users", new).body["user_id"]
        assert history(api, f"/users/{silent}") == []
        assert [entry["version"] for entry in history(api, f"/users/{user_id}")] == [2, 1]
    with served(STORAGE_URL=url, HISTORY="on") as api:
        api.as_administrator("DELETE", f"/users/{user_id}")
        assert [entry["version"] for entry in history(api, f"/users/{user_id}")] == [4, 2, 1]
