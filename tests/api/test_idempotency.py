"""Idempotency keys: one thing and one answer for one request, however often it is sent."""

import pytest

from tests.served import ORDER, Served, bearer

ADMIN = bearer("boss", roles=["admin"])
ANN = {"name": "Ann", "email": "ann@example.com", "metadata": {"a": "1", "b": "2"}}
KEY = {"Idempotency-Key": "a key"}


@pytest.mark.parametrize("route", ["users", "orders"])
def test_a_replay_is_the_first_answer(api: Served, route: str) -> None:
    """The same request under the same key answers the same, and says that it is a replay."""
    path = "/users" if route == "users" else f"/users/{api.user()}/orders"
    body = ANN if route == "users" else ORDER
    first = api.call("POST", path, ADMIN, body, KEY)
    reordered = dict(reversed(body.items()))
    again = api.call("POST", path, ADMIN, reordered, KEY)
    assert (first.status, "Idempotent-Replayed" in first.headers) == (201, False)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status, again.body) == (201, first.body)
    for name in ("ETag", "Location", "Content-Type", "Cache-Control"):
        assert again.headers[name] == first.headers[name]
    assert api.call("POST", path, ADMIN, body, {"Idempotency-Key": "b"}).status in {201, 409}


def test_a_replay_stays_the_first_answer_after_changes(api: Served) -> None:
    """A replay answers what was created, not what has become of it."""
    first = api.call("POST", "/users", ADMIN, ANN, KEY)
    api.as_administrator("PATCH", f"/users/{first.body['user_id']}", {"name": "B"})
    assert api.call("POST", "/users", ADMIN, ANN, KEY).body == first.body


def test_a_key_stands_for_one_request(api: Served) -> None:
    """Another body, or another collection, under the same key is 422."""
    path = f"/users/{api.user()}/orders"
    api.call("POST", "/users", ADMIN, ANN, KEY)
    for other_path, body in (("/users", {**ANN, "name": "B"}), (path, ORDER)):
        reply = api.call("POST", other_path, ADMIN, body, KEY)
        assert (reply.status, reply.body["type"]) == (422, "/problems/idempotency-key-reused")
        assert "errors" not in reply.body


def test_a_late_retry_does_not_bring_a_deleted_user_back(api: Served) -> None:
    """After the deletion of what a key created, every request under the key is 410."""
    path = f"/users/{api.user()}/orders"
    created = api.call("POST", "/users", ADMIN, ANN, KEY)
    assert api.as_administrator("DELETE", f"/users/{created.body['user_id']}").status == 204
    for target, body in (("/users", ANN), ("/users", {**ANN, "name": "B"}), (path, ORDER)):
        reply = api.call("POST", target, ADMIN, body, KEY)
        assert (reply.status, reply.body["type"]) == (410, "/problems/creation-undone")
        assert "Idempotent-Replayed" not in reply.headers
    assert api.as_administrator("GET", f"/users?email={ANN['email']}").body["users"] == []
    assert api.call("POST", "/users", ADMIN, ANN, {"Idempotency-Key": "new"}).status == 201


def test_a_failed_request_does_not_burn_its_key(api: Served) -> None:
    """A key whose request was refused serves the corrected request."""
    taken = api.as_administrator("POST", "/users", ANN).body
    assert api.call("POST", "/users", ADMIN, ANN, KEY).status == 409
    assert api.call("POST", "/users", ADMIN, {**ANN, "name": ""}, KEY).status == 422
    corrected = {**ANN, "email": "other@example.com"}
    assert api.call("POST", "/users", ADMIN, corrected, KEY).status == 201
    suspended = api.user("suspended")
    other = {"Idempotency-Key": "orders"}
    assert api.call("POST", f"/users/{suspended}/orders", ADMIN, ORDER, other).status == 409
    path = f"/users/{taken['user_id']}/orders"
    assert api.call("POST", path, ADMIN, ORDER, other).status == 201


def test_keys_belong_to_their_callers(api: Served) -> None:
    """Another caller's use of the same key is a request of its own."""
    user_id = api.user()
    path = f"/users/{user_id}/orders"
    mine = api.call("POST", path, bearer(user_id), ORDER, KEY)
    theirs = api.call("POST", path, ADMIN, ORDER, KEY)
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.body["order_id"] != theirs.body["order_id"]


@pytest.mark.parametrize(("key", "status"), [("", 400), ("k" * 256, 400), ("k" * 255, 201)])
def test_a_key_has_1_to_255_characters(api: Served, key: str, status: int) -> None:
    """A key outside the limits is 400 and named."""
    reply = api.call("POST", "/users", ADMIN, ANN, {"Idempotency-Key": key})
    assert reply.status == status
    assert status == 201 or "Idempotency-Key" in reply.body["detail"]


def test_a_replay_wins_over_what_stands_in_the_way_now(api: Served) -> None:
    """An order's replay answers even after its user was suspended."""
    user_id = api.user()
    path = f"/users/{user_id}/orders"
    first = api.call("POST", path, ADMIN, ORDER, KEY)
    api.as_administrator("PATCH", f"/users/{user_id}", {"status": "suspended"})
    assert api.call("POST", path, ADMIN, ORDER, KEY).body == first.body
