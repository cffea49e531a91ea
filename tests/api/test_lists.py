"""Lists: pages, filters, order, and cursors that are bound to their list."""

import json
import string
import threading
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlsplit

import pytest

from tests.support.served import Served, bearer, load

ADMIN = bearer("boss", roles=["admin"])


def walk(api: Served, path: str, **query: object) -> list[dict[str, Any]]:
    """Return all items of a list, page by page."""
    items: list[dict[str, Any]] = []
    target = f"{path}?{urlencode(query)}"
    while True:
        reply = api.call("GET", target, ADMIN)
        assert reply.status == 200, reply
        page = reply.body["users" if path == "/users" else "orders"]
        items += page
        if reply.body["next_cursor"] is None:
            assert "Link" not in reply.headers
            return items
        assert page
        link = reply.headers["Link"]
        assert link.endswith('>; rel="next"')
        target = path + link.removeprefix("<").partition(">")[0]
        assert f"cursor={reply.body['next_cursor']}" in target


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 100])
def test_pages_cover_the_whole_list(api: Served, limit: int) -> None:
    """With any page size every user is listed once, newest or oldest first."""
    ids = [api.user() for _ in range(6)]
    assert [user["user_id"] for user in walk(api, "/users", limit=limit)] == ids[::-1]
    assert [user["user_id"] for user in walk(api, "/users", limit=limit, order="asc")] == ids


def test_the_default_page_has_twenty(api: Served) -> None:
    """Without a limit a page has twenty items; next_cursor is null on the last page."""
    for _ in range(21):
        api.user()
    first = api.call("GET", "/users", ADMIN).body
    rest = api.call("GET", f"/users?cursor={first['next_cursor']}", ADMIN).body
    assert (len(first["users"]), len(rest["users"]), rest["next_cursor"]) == (20, 1, None)
    assert api.call("GET", "/users?limit=21", ADMIN).body["next_cursor"] is None


def test_users_are_filtered(api: Served) -> None:
    """Users are filtered by e-mail in any case, status and creation time, combined."""
    ids = [api.user("suspended" if n % 2 else "active") for n in range(6)]
    users = {user["user_id"]: user for user in walk(api, "/users")}
    second = users[ids[1]]
    found = walk(api, "/users", email=second["email"].upper())
    assert [user["user_id"] for user in found] == [ids[1]]
    assert walk(api, "/users", email=second["email"], status="active") == []
    assert walk(api, "/users", email="nobody@example.com") == []
    suspended = walk(api, "/users", status="suspended", limit=2)
    assert [user["user_id"] for user in suspended] == [ids[5], ids[3], ids[1]]
    time = datetime.fromisoformat(second["created_at"])
    for order in ("asc", "desc"):
        for bounds in (
            {"created_after": time.isoformat()},
            {"created_before": time.isoformat()},
            {"created_after": (time - timedelta(milliseconds=1)).isoformat()},
            {"created_before": (time + timedelta(microseconds=1)).isoformat()},
            {
                "created_after": (time - timedelta(days=1)).isoformat(),
                "created_before": (time + timedelta(days=1)).isoformat(),
            },
        ):
            expected = {
                user_id
                for user_id, user in users.items()
                if all(
                    (datetime.fromisoformat(user["created_at"]) > datetime.fromisoformat(bound))
                    == (name == "created_after")
                    and datetime.fromisoformat(user["created_at"]) != datetime.fromisoformat(bound)
                    for name, bound in bounds.items()
                )
            }
            listed = walk(api, "/users", limit=2, order=order, **bounds)
            assert {user["user_id"] for user in listed} == expected


def test_orders_are_filtered(api: Served) -> None:
    """A user's orders are filtered by status, newest first."""
    user_id = api.user()
    ids = [api.order(user_id, *(["paid"] if n % 2 else [])) for n in range(5)]
    path = f"/users/{user_id}/orders"
    paid = walk(api, path, status="paid", limit=1)
    assert [order["order_id"] for order in paid] == [ids[3], ids[1]]
    assert walk(api, path, status="delivered") == []
    assert walk(api, f"/users/{api.user()}/orders") == []


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=", "limit"),
        ("limit=1.0", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=1&limit=1", "limit"),
        ("order=up", "order"),
        ("status=pending", "status"),
        ("email=nobody", "email"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-11-21", "created_after"),
        ("created_before=2026-11-21T09:30:00", "created_before"),
        ("created_before=1", "created_before"),
    ],
)
def test_a_bad_value_is_named(api: Served, query: str, name: str) -> None:
    """A known parameter that is invalid or repeated is 400, and is named."""
    reply = api.call("GET", f"/users?{query}", ADMIN)
    assert (reply.status, reply.body["type"]) == (400, "/problems/invalid-parameter")
    assert f"'{name}'" in reply.body["detail"]


def test_unknown_parameters_are_ignored(api: Served) -> None:
    """Unknown parameters have no effect, whatever their values."""
    assert api.call("GET", "/users?x=%00&y&z=1&z=2&=&%FF=%FF", ADMIN).status == 200


@pytest.mark.parametrize("alphabet", [string.ascii_letters + string.digits + "-_=+/~."])
def test_an_altered_cursor_is_refused(api: Served, alphabet: str) -> None:
    """A cursor with any one character changed, added or removed is 400."""
    for _ in range(3):
        api.user()
    cursor = api.call("GET", "/users?limit=1", ADMIN).body["next_cursor"]
    altered = {cursor[:n] + c + cursor[n + 1 :] for n in range(len(cursor)) for c in alphabet}
    altered |= {cursor[:n] + c + cursor[n:] for n in range(len(cursor) + 1) for c in "A=é"}
    altered |= {cursor[:n] + cursor[n + 1 :] for n in range(len(cursor))} | {"", cursor * 2}
    for text in altered - {cursor}:
        reply = api.call("GET", f"/users?limit=1&cursor={quote(text)}", ADMIN)
        assert (reply.status, reply.body["type"]) == (400, "/problems/invalid-cursor"), text


def test_a_cursor_is_bound_to_its_list(api: Served) -> None:
    """A cursor is 400 for another list, user, filter or order, and valid for another limit."""
    user_id, other = api.user(), api.user()
    for owner in (user_id, other):
        for _ in range(3):
            api.order(owner)
    users = api.call("GET", "/users?limit=1&status=active", ADMIN).body["next_cursor"]
    path = f"/users/{user_id}/orders"
    orders = api.call("GET", f"{path}?limit=1", ADMIN).body["next_cursor"]
    for target in (
        f"/users?cursor={users}",
        f"/users?cursor={users}&status=suspended",
        f"/users?cursor={users}&status=active&order=asc",
        f"/users?cursor={users}&status=active&created_after=2020-01-01T00:00:00Z",
        f"/users?cursor={orders}",
        f"{path}?cursor={users}",
        f"/users/{other}/orders?cursor={orders}",
        f"{path}?cursor={orders}&status=pending",
    ):
        assert api.call("GET", target, ADMIN).status == 400, target
    assert api.call("GET", f"/users?cursor={users}&status=active&limit=9", ADMIN).status == 200
    assert api.call("GET", f"{path}?cursor={orders}&limit=9", ADMIN).status == 200


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_walk_shows_each_user_once_despite_changes(api: Served, order: str) -> None:
    """Walking 1,000 users by sevens shows each one that stays once, despite concurrent changes."""
    ids = [api.user() for _ in range(1000)]
    removed = ids[::20]

    def disturb() -> None:
        # Another function on the same data, since a function handles one request at a time.
        with Served(load()) as other:
            for n, user_id in enumerate(removed):
                for m in range(4):
                    body = {"name": "Late", "email": f"late{n}-{m}@example.com"}
                    other.as_administrator("POST", "/users", body)
                other.as_administrator("DELETE", f"/users/{user_id}")
                if n == len(removed) // 2:
                    halfway.set()

    halfway = threading.Event()
    thread = threading.Thread(target=disturb)
    thread.start()
    seen = [user["user_id"] for user in walk(api, "/users", limit=7, order=order)]
    thread.join()
    assert halfway.is_set()
    staying = set(ids) - set(removed)
    assert len(seen) == len(set(seen))
    assert staying <= set(seen)


def test_a_page_fits_into_a_response(api: Served) -> None:
    """A page of users of the largest size is shorter than the limit, and the next one continues."""
    ids = [api.user() for _ in range(60)]
    for user_id in ids:
        for part in range(5):
            pairs = {f"{'k' * 30}{part}{n}": "\U0001f4a9" * 500 for n in range(10)}
            api.as_administrator("PATCH", f"/users/{user_id}", {"metadata": pairs})
    first = api.call("GET", "/users?limit=100", ADMIN)
    assert len(json.dumps(first.body["users"], ensure_ascii=False).encode()) < 4 * 1024 * 1024
    assert first.body["next_cursor"] is not None
    assert [user["user_id"] for user in walk(api, "/users", limit=100)] == ids[::-1]


def test_the_next_link_repeats_only_known_parameters(api: Served) -> None:
    """The next link drops unknown parameters, and has the list's own ones once."""
    for _ in range(3):
        api.user()
    sent = "/users?unknown=1&limit=1&status=active&unknown=2&order=asc"
    target = api.call("GET", sent, ADMIN).headers["Link"].partition(">")[0][1:]
    again = api.call("GET", f"/users{target}&unknown=3", ADMIN)
    for link in (target, again.headers["Link"].partition(">")[0][1:]):
        given = parse_qs(urlsplit(link).query, strict_parsing=True)
        assert given.pop("cursor")
        assert given == {"limit": ["1"], "status": ["active"], "order": ["asc"]}


@pytest.mark.parametrize(
    "address",
    [
        "https://api.example.com/users?limit=1",
        "https://abc.execute-api.eu-central-1.amazonaws.com/prod/users?limit=1",
        "https://api.example.com/shop/v1/users/?limit=1",
    ],
)
def test_the_next_link_works_behind_every_prefix(api: Served, address: str) -> None:
    """Resolved by RFC 3986, the link keeps the stage, base path and trailing slash."""
    for _ in range(2):
        api.user()
    sent = urlsplit(address)
    path = sent.path[sent.path.index("/users") :]
    link = api.call("GET", f"{path}?{sent.query}", ADMIN).headers["Link"]
    following = urlsplit(urljoin(address, link.partition(">")[0][1:]))
    assert (following.netloc, following.path) == (sent.netloc, sent.path)
    assert len(api.call("GET", f"{path}?{following.query}", ADMIN).body["users"]) == 1
