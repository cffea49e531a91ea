"""Idempotency keys: one resource and one response for a request, however often it is retried."""

import pytest

from tests.support.served import ORDER, Served, bearer

ADMIN = bearer("boss", roles=["admin"])
ANN = {"name": "Ann", "email": "ann@example.com", "metadata": {"a": "1", "b": "2"}}
KEY = {"Idempotency-Key": "a key"}


def test_a_key_belongs_to_one_request(api: Served) -> None:
    """Another body, or another collection, with the same key is 422."""
    path = f"/users/{api.user()}/orders"
    api.call("POST", "/users", ADMIN, ANN, KEY)
    for other_path, body in (("/users", {**ANN, "name": "B"}), (path, ORDER)):
        reply = api.call("POST", other_path, ADMIN, body, KEY)
        assert (reply.status, reply.body["type"]) == (422, "/problems/idempotency-key-reused")
        assert "errors" not in reply.body


def test_a_late_retry_does_not_bring_a_deleted_user_back(api: Served) -> None:
    """After the created user is deleted, every request with its key is 410."""
    path = f"/users/{api.user()}/orders"
    created = api.call("POST", "/users", ADMIN, ANN, KEY)
    assert api.as_administrator("DELETE", f"/users/{created.body['user_id']}").status == 204
    for target, body in (("/users", ANN), ("/users", {**ANN, "name": "B"}), (path, ORDER)):
        reply = api.call("POST", target, ADMIN, body, KEY)
        assert (reply.status, reply.body["type"]) == (410, "/problems/creation-undone")
        assert "Idempotent-Replayed" not in reply.headers
    assert api.as_administrator("GET", f"/users?email={ANN['email']}").body["users"] == []
    assert api.call("POST", "/users", ADMIN, ANN, {"Idempotency-Key": "new"}).status == 201


def test_a_failed_request_does_not_use_up_its_key(api: Served) -> None:
    """The key of a refused request works for the corrected one."""
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
    """The same key of another caller is a separate request."""
    user_id = api.user()
    path = f"/users/{user_id}/orders"
    mine = api.call("POST", path, bearer(user_id), ORDER, KEY)
    theirs = api.call("POST", path, ADMIN, ORDER, KEY)
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.body["order_id"] != theirs.body["order_id"]


@pytest.mark.parametrize(("key", "status"), [("", 400), ("k" * 256, 400), ("k" * 255, 201)])
def test_a_key_has_1_to_255_characters(api: Served, key: str, status: int) -> None:
    """A key outside the limits is 400, and the header is named."""
    reply = api.call("POST", "/users", ADMIN, ANN, {"Idempotency-Key": key})
    assert reply.status == status
    assert status == 201 or "Idempotency-Key" in reply.body["detail"]


def test_a_replay_comes_before_later_conflicts(api: Served) -> None:
    """An order is replayed even after its user was suspended."""
    user_id = api.user()
    path = f"/users/{user_id}/orders"
    first = api.call("POST", path, ADMIN, ORDER, KEY)
    api.as_administrator("PATCH", f"/users/{user_id}", {"status": "suspended"})
    assert api.call("POST", path, ADMIN, ORDER, KEY).body == first.body
