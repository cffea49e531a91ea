"""Conditional requests: entity tags in responses, and preconditions of clients."""

import pytest

from tests.support.served import Served, bearer

ADMIN = bearer("boss", roles=["admin"])
ANN = {"name": "Ann", "email": "ann@example.com"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('"2"', 304),
        ('W/"2"', 304),
        ('"1", "2"', 304),
        ('"1",W/"2" ,"x"', 304),
        ("*", 304),
        (' "2" ', 304),
        ('"1"', 200),
        ('"02"', 200),
        ('"2x"', 200),
        ('""', 200),
        ("2", 400),
        ("", 400),
        (",", 400),
        ('"2" "3"', 400),
        ('"2', 400),
        ('*, "2"', 400),
    ],
)
def test_if_none_match(api: Served, method: str, condition: str, status: int) -> None:
    """A current If-None-Match is 304 without a body; a malformed entity tag is 400."""
    path = f"/users/{api.user()}"
    api.as_administrator("PATCH", path, {"name": "B"})
    reply = api.call(method, path, ADMIN, headers={"If-None-Match": condition})
    assert reply.status == status
    if status == 304:
        assert reply.body is None
        assert reply.headers["ETag"] == '"2"'
        assert reply.headers["Cache-Control"] == "private, no-cache"
    if status == 400 and method == "GET":
        assert "If-None-Match" in reply.body["detail"]


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('"2"', 200),
        ('"1", "2"', 200),
        ("*", 200),
        ('"1"', 412),
        ('W/"2"', 412),
        ('"02"', 412),
        ('"two"', 412),
        ('"99999999999999999999999"', 412),
        ("2", 400),
        (", ".join(f'"{n}"' for n in range(1, 102)), 400),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_if_match_on_users(api: Served, method: str, condition: str, status: int) -> None:
    """A change needs a matching strong tag; otherwise it is 412 and nothing is written."""
    path = f"/users/{api.user()}"
    before = api.as_administrator("PATCH", path, {"name": "B"}).body
    body = None if method == "DELETE" else ANN
    reply = api.call(method, path, ADMIN, body, {"If-Match": condition})
    assert reply.status == (204 if (method, status) == ("DELETE", 200) else status)
    if status != 200:
        assert api.call("GET", path, ADMIN).body == before
    elif method != "DELETE":
        assert reply.headers["ETag"] == '"3"'


def test_if_match_on_orders(api: Served) -> None:
    """A status change with a stale tag is 412, even if the transition itself is illegal."""
    user_id = api.user()
    path = f"/users/{user_id}/orders/{api.order(user_id, 'paid')}"
    for step in ("shipped", "delivered"):
        reply = api.call("PATCH", path, ADMIN, {"status": step}, {"If-Match": '"1"'})
        assert (reply.status, reply.body["type"]) == (412, "/problems/version-mismatch")
    reply = api.call("PATCH", path, ADMIN, {"status": "shipped"}, {"If-Match": '"2"'})
    assert (reply.status, reply.headers["ETag"]) == (200, '"3"')
