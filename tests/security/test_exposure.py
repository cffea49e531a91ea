"""Limits of requests, and what responses may reveal."""

import logging

import pytest

from tests.support.served import ORDER, Served, bearer, served

BOSS = bearer("boss", roles=["admin"], exp=9_999_999_999)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "Ann", "email": "ann@example.com", "metadata": {"a": "x" * 65_536}}, 413),
        ({"name": "x" * 201, "email": "ann@example.com"}, 422),
        (
            {
                "name": "Ann",
                "email": "ann@example.com",
                "metadata": {str(n): "" for n in range(51)},
            },
            422,
        ),
        (
            {"name": "Ann", "email": "ann@example.com", "metadata": {"a": {"b": {"c": {"d": 1}}}}},
            400,
        ),
    ],
    ids=["bytes", "characters", "pairs", "levels"],
)
def test_bodies_are_bounded(api: Served, body: object, status: int) -> None:
    """No body exceeds the documented size, width or depth."""
    assert api.call("POST", "/users", BOSS, body).status == status


def test_orders_are_bounded(api: Served) -> None:
    """No order has more lines than documented."""
    body = {**ORDER, "items": ORDER["items"] * 101}

    assert api.call("POST", f"/users/{api.user()}/orders", BOSS, body).status == 422


@pytest.mark.parametrize("limit", ["0", "101", "1000000", "-1", "all", ""])
def test_pages_are_bounded(api: Served, limit: str) -> None:
    """No page has more than a hundred items."""
    assert api.call("GET", f"/users?limit={limit}", BOSS).status == 400


def test_a_fault_shows_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    """A 500 response has no traceback, path, class or setting; the log has."""
    caplog.set_level(logging.CRITICAL)
    with served(STORAGE_URL="sqlite:////dev/null/users.db") as api:
        reply = api.call("GET", "/users/usr_0190a0b0c0d07e0f8123456789abcdef", BOSS)

    assert reply.status in {500, 503}
    assert reply.headers["Content-Type"] == "application/problem+json"
    text = str(reply.body)
    for word in ("Traceback", "/dev/null", "sqlite", "Error", "chalicelib", "STORAGE_URL"):
        assert word not in text


def test_other_origins_are_not_let_in(api: Served) -> None:
    """Without configured origins no web page of another origin may read a response."""
    origin = {"Origin": "https://evil.example"}
    preflight = {**origin, "Access-Control-Request-Method": "GET"}

    for reply in (
        api.call("GET", "/users", BOSS, headers=origin),
        api.call("GET", "/users", None, headers=origin),
        api.call("OPTIONS", "/users", None, headers=preflight),
    ):
        assert "access-control-allow-origin" not in {name.lower() for name in reply.headers}


def test_what_belongs_to_a_caller_is_kept_by_no_cache(api: Served) -> None:
    """No shared cache may store a caller's response."""
    user_id = api.user()
    paths = ("/users", f"/users/{user_id}", f"/users/{user_id}/orders", "/users/usr_1")

    for path in paths:
        policy = api.call("GET", path, BOSS).headers["Cache-Control"]
        assert "no-store" in policy or "private" in policy
