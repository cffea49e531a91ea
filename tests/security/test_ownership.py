"""Ownership: no id lets a caller see, change or detect another user's resources."""

from collections.abc import Iterator

import pytest

from tests.support.resource_case import ResourceCase, an_id, resource_cases
from tests.support.served import ORDER, Reply, Served, bearer, served

CASES = [case for case in resource_cases() if case.item.startswith("/users/{user_id}")]
NOWHERE = {case.resource.id_field: an_id(case) for case in CASES}
NO_USER = NOWHERE["user_id"]


def _requests(case: ResourceCase) -> Iterator[tuple[str, str, object]]:
    for row in case.permissions:
        if "{user_id}" in row.path:
            yield row.method, row.path, row.body
    if "{user_id}" in case.collection:
        yield "GET", f"{case.collection}?cursor=x&limit=x", None
    yield from case.hostile


# Every route under a user, with otherwise valid bodies and with invalid ones.
UNDER_A_USER: list[tuple[str, str, object]] = [
    request
    for case in CASES
    for place, request in enumerate(_requests(case))
    if request not in [*_requests(case)][:place]
]
HEADERS = [{}, {"If-Match": '"1"'}, {"If-Match": '"7"'}, {"If-None-Match": "*"}]


def names(routes: list[tuple[str, str, object]]) -> list[str]:
    """Return the test ids of the routes."""
    return [f"{method} {path} {body}" for method, path, body in routes]


def all_representations(api: Served, user_id: str) -> list[Reply]:
    """Return the representations of a user and of all that belongs to it."""
    collections = [case.collection for case in CASES if "{user_id}" in case.collection]
    return [
        api.as_administrator("GET", path.format(user_id=user_id))
        for path in ("/users/{user_id}", *collections)
    ]


def everything(api: Served, user_id: str) -> dict[str, str]:
    """Return the ids of the user and of a new entity of each kind that belongs to it."""
    return api.ids_in("".join(case.item for case in CASES), user_id=user_id)


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize(("method", "path", "body"), UNDER_A_USER, ids=names(UNDER_A_USER))
def test_anothers_user_is_like_no_user(
    api: Served, method: str, path: str, body: object, headers: dict[str, str]
) -> None:
    """Another user's path gets the status, headers and body of a missing user."""
    victim = api.user()
    theirs = everything(api, victim)
    me = bearer(api.user())
    before = [reply.stable for reply in all_representations(api, victim)]

    there = api.call(method, path.format(**theirs), me, body, headers)
    nowhere = api.call(method, path.format(**NOWHERE), me, body, headers)

    assert there.status in {403, 404}
    assert there.stable == nowhere.stable
    assert [reply.stable for reply in all_representations(api, victim)] == before


# Those of a child that its user may send; the others are 403 before anything is read.
OF_A_CHILD = [
    request
    for case in CASES
    if case.resource.parent
    for request in UNDER_A_USER
    if request[1] == case.item
    and {row.self for row in case.permissions if (row.method, row.path, row.body) == request}
    != {403}
]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize(("method", "path", "body"), OF_A_CHILD, ids=names(OF_A_CHILD))
def test_anothers_order_under_ones_own_path_is_like_no_order(
    api: Served, method: str, path: str, body: object, headers: dict[str, str]
) -> None:
    """An order, or another child, is 404 unless it belongs to this user."""
    victim, me = api.user(), api.user()
    theirs = everything(api, victim) | {"user_id": me}
    before = [reply.stable for reply in all_representations(api, victim)]

    there = api.call(method, path.format(**theirs), bearer(me), body, headers)
    missing = NOWHERE | {"user_id": me}
    nowhere = api.call(method, path.format(**missing), bearer(me), body, headers)

    assert there.status in {400, 404, 422}
    assert there.stable == nowhere.stable
    assert [reply.stable for reply in all_representations(api, victim)] == before


def test_a_deleted_user_has_no_access(api: Served) -> None:
    """A token that outlives its user reaches no user and creates no order."""
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
def test_the_orders_of_a_deleted_user_are_for_administrators(
    api: Served, method: str, path: str, body: object
) -> None:
    """Closed orders of a deleted user stay visible to administrators, not to the user's token."""
    me = api.user()
    target = path.format(me, api.order(me, "cancelled"))
    api.as_administrator("DELETE", f"/users/{me}")

    assert api.as_administrator(method, target, body).status == 200
    assert api.call(method, target, bearer(me), body).status == 404


@pytest.mark.parametrize(
    "written",
    ["{0}/", "{0}%20", "{0}%00", "%75{1}", "U{1}", "{0}%2F..%2F{2}", "{0}?user_id={2}", "..%2F{2}"],
)
def test_no_spelling_of_a_path_reaches_another_user(api: Served, written: str) -> None:
    """Whatever a path's spelling, it reaches the caller's own user or nothing."""
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
    """Unauthorized requests are refused before storage is read, so timing reveals nothing."""
    header = bearer("usr_0190a0b0c0d07e0f8123456789abcde0") if caller == "another" else None

    reply = no_storage.call(method, path.format(**NOWHERE), header, body)

    assert reply.status in ({401} if header is None else {403, 404})


def test_another_lists_cursor_is_no_cursor(api: Served) -> None:
    """A cursor of another user's list reveals no more than an invented one."""
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
    assert replies[0].stable == replies[1].stable == replies[2].stable


@pytest.mark.parametrize("body", [ORDER, {**ORDER, "currency": "USD"}], ids=["same", "other"])
def test_anothers_idempotency_key_is_a_new_key(api: Served, body: dict[str, object]) -> None:
    """The same key of two callers is two keys: neither response nor existence is revealed."""
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


def test_the_owner_of_a_key_gets_a_replay(api: Served) -> None:
    """Proves that the test above does not pass for lack of idempotency."""
    me = api.user()
    sent = ("POST", f"/users/{me}/orders", bearer(me), ORDER, {"Idempotency-Key": "order-1"})
    first, second = api.call(*sent), api.call(*sent)

    assert first.body == second.body
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_subject_cannot_impersonate_a_caller_without_token(api: Served) -> None:
    """Callers authorized by IAM or the local server have names that no token can have."""
    for subject in (" iam", " local"):
        assert api.call("GET", "/users", bearer(subject, roles=["admin"])).status == 401
