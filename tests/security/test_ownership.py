"""No identifier of another's lets a caller see, change or detect anything of another's."""

from collections.abc import Iterator

import pytest

from tests.served import ORDER, Reply, Served, bearer, served

NEW_USER = {"name": "Mallory", "email": "mallory@example.com"}
NO_USER = "usr_0190a0b0c0d07e0f8123456789abcdef"
NO_ORDER = "ord_0190a0b0c0d07e0f8123456789abcdef"

# Every route under a user, with a body that would be good.
UNDER_A_USER = [
    ("GET", "/users/{user_id}", None),
    ("HEAD", "/users/{user_id}", None),
    ("PUT", "/users/{user_id}", NEW_USER),
    ("PATCH", "/users/{user_id}", {"name": "Mallory"}),
    ("PATCH", "/users/{user_id}", {"status": "suspended"}),
    ("DELETE", "/users/{user_id}", None),
    ("POST", "/users/{user_id}/orders", ORDER),
    ("GET", "/users/{user_id}/orders", None),
    ("GET", "/users/{user_id}/orders?cursor=x&limit=x", None),
    ("GET", "/users/{user_id}/orders/{order_id}", None),
    ("PATCH", "/users/{user_id}/orders/{order_id}", {"status": "cancelled"}),
    ("PATCH", "/users/{user_id}/orders/{order_id}", {"metadata": {"a": "b"}}),
    ("PATCH", "/users/{user_id}/orders/{order_id}", {"status": "nonsense"}),
    ("PATCH", "/users/{user_id}/orders/{order_id}", "no object"),
]
HEADERS = [{}, {"If-Match": '"1"'}, {"If-Match": '"7"'}, {"If-None-Match": "*"}]


def names(routes: list[tuple[str, str, object]]) -> list[str]:
    """Return names for the routes of a test."""
    return [f"{method} {path} {body}" for method, path, body in routes]


def everything(api: Served, user_id: str) -> list[Reply]:
    """Return all that can be read of a user."""
    paths = (f"/users/{user_id}", f"/users/{user_id}/orders")
    return [api.as_administrator("GET", path) for path in paths]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize(("method", "path", "body"), UNDER_A_USER, ids=names(UNDER_A_USER))
def test_anothers_user_is_like_no_user(
    api: Served, method: str, path: str, body: object, headers: dict[str, str]
) -> None:
    """Another's user answers as one that does not exist, in status, headers and body."""
    victim = api.user()
    order_id = api.order(victim)
    me = bearer(api.user())
    before = [reply.lasting for reply in everything(api, victim)]

    there = api.call(method, path.format(user_id=victim, order_id=order_id), me, body, headers)
    nowhere = api.call(
        method,
        path.format(user_id=NO_USER, order_id=NO_ORDER),
        me,
        body,
        headers,
    )

    assert there.status in {403, 404}
    assert there.lasting == nowhere.lasting
    assert [reply.lasting for reply in everything(api, victim)] == before


UNDER_AN_ORDER = [route for route in UNDER_A_USER if "{order_id}" in route[1]]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize(("method", "path", "body"), UNDER_AN_ORDER, ids=names(UNDER_AN_ORDER))
def test_anothers_order_under_ones_own_path_is_like_no_order(
    api: Served, method: str, path: str, body: object, headers: dict[str, str]
) -> None:
    """An order is reached under its own user only; elsewhere it does not exist."""
    victim, me = api.user(), api.user()
    order_id = api.order(victim)
    before = [reply.lasting for reply in everything(api, victim)]

    there = api.call(method, path.format(user_id=me, order_id=order_id), bearer(me), body, headers)
    nowhere = api.call(
        method,
        path.format(user_id=me, order_id=NO_ORDER),
        bearer(me),
        body,
        headers,
    )

    assert there.status in {400, 404, 422}
    assert there.lasting == nowhere.lasting
    assert [reply.lasting for reply in everything(api, victim)] == before


def test_a_deleted_user_can_do_nothing_more(api: Served) -> None:
    """A token that outlives its user reaches no user and makes no order."""
    me = api.user()
    api.as_administrator("DELETE", f"/users/{me}")

    assert api.call("GET", f"/users/{me}", bearer(me)).status == 404
    assert api.call("PATCH", f"/users/{me}", bearer(me), {"name": "Me"}).status == 404
    assert api.call("GET", f"/users/{me}/orders", bearer(me)).status == 404
    assert api.call("POST", f"/users/{me}/orders", bearer(me), ORDER).status == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/users/{0}/orders", None),
        ("GET", "/users/{0}/orders/{1}", None),
        ("PATCH", "/users/{0}/orders/{1}", {"metadata": {"a": "b"}}),
    ],
)
def test_the_orders_of_a_deleted_user_are_administrators_alone(
    api: Served, method: str, path: str, body: object
) -> None:
    """Closed orders outlive their user for administrators, and not for the user's token."""
    me = api.user()
    target = path.format(me, api.order(me, "cancelled"))
    api.as_administrator("DELETE", f"/users/{me}")

    assert api.as_administrator(method, target, body).status == 200
    assert api.call(method, target, bearer(me), body).status == 404


@pytest.mark.parametrize(
    "written",
    ["{0}/", "{0}%20", "{0}%00", "%75{1}", "U{1}", "{0}%2F..%2F{2}", "{0}?user_id={2}", "..%2F{2}"],
)
def test_no_spelling_of_a_path_reaches_another(api: Served, written: str) -> None:
    """However a path is written, it leads to the caller itself or to nothing."""
    me, victim = api.user(), api.user()

    reply = api.call("GET", "/users/" + written.format(me, me[1:], victim), bearer(me))

    assert reply.status in {200, 404}
    assert victim not in str(reply.body)


@pytest.fixture(scope="module")
def no_storage() -> Iterator[Served]:
    """Serve an application whose storage cannot be opened."""
    with served(STORAGE_URL="sqlite:////dev/null/users.db") as fresh:
        yield fresh


@pytest.mark.parametrize(("method", "path", "body"), UNDER_A_USER, ids=names(UNDER_A_USER))
@pytest.mark.parametrize("caller", ["another", "nobody"])
def test_refusing_does_not_even_look(
    no_storage: Served, method: str, path: str, body: object, caller: str
) -> None:
    """A caller without the right is refused before storage is asked, so time tells nothing."""
    header = bearer("usr_0190a0b0c0d07e0f8123456789abcde0") if caller == "another" else None

    reply = no_storage.call(method, path.format(user_id=NO_USER, order_id=NO_ORDER), header, body)

    assert reply.status in ({401} if header is None else {403, 404})


def test_another_lists_cursor_is_no_cursor(api: Served) -> None:
    """A cursor of another's list tells no more than one that is made up."""
    victim, me = api.user(), api.user()
    for user_id in (victim, victim, me, me):
        api.order(user_id)
    found = api.as_administrator("GET", f"/users/{victim}/orders?limit=1").body["next_cursor"]
    everybody = api.as_administrator("GET", "/users?limit=1").body["next_cursor"]
    made_up = found[:10] + ("A" if found[10] != "A" else "B") + found[11:]

    replies = [
        api.call("GET", f"/users/{me}/orders?limit=1&cursor={cursor}", bearer(me))
        for cursor in (found, everybody, made_up)
    ]

    assert [reply.status for reply in replies] == [400] * 3
    assert replies[0].lasting == replies[1].lasting == replies[2].lasting


@pytest.mark.parametrize("body", [ORDER, {**ORDER, "currency": "USD"}], ids=["same", "other"])
def test_anothers_idempotency_key_is_a_new_key(api: Served, body: dict[str, object]) -> None:
    """The same key of two callers is two keys: neither answer nor existence shows."""
    victim, me = api.user(), api.user()
    key = {"Idempotency-Key": "order-1"}
    first = api.call("POST", f"/users/{victim}/orders", bearer(victim), ORDER, key)

    mine = api.call("POST", f"/users/{me}/orders", bearer(me), body, key)
    administrators = api.call(
        "POST", f"/users/{victim}/orders", bearer("boss", roles=["admin"]), body, key
    )

    assert [reply.status for reply in (first, mine, administrators)] == [201] * 3
    assert mine.body["user_id"] == me
    assert "Idempotent-Replayed" not in {**mine.headers, **administrators.headers}
    assert len({reply.body["order_id"] for reply in (first, mine, administrators)}) == 3


def test_the_owner_of_a_key_gets_its_answer_again(api: Served) -> None:
    """The test above would pass without idempotency; this one would not."""
    me = api.user()
    sent = ("POST", f"/users/{me}/orders", bearer(me), ORDER, {"Idempotency-Key": "order-1"})
    first, second = api.call(*sent), api.call(*sent)

    assert first.body == second.body
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_subject_cannot_pose_as_a_caller_without_token(api: Served) -> None:
    """Whoever IAM or the local server lets in has a name that no token can carry."""
    for subject in (" iam", " local"):
        assert api.call("GET", "/users", bearer(subject, roles=["admin"])).status == 401
