"""Concurrent provisioners: one application each, on one database."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from localdev.emulators import Emulators
from tests.scim.provisioner import Provisioner, assert_error, members, resource
from tests.scim.servers import ENGINES, settings_of
from tests.support.served import Reply, served

PROVISIONERS = 50
FEW = 5


@pytest.fixture(params=ENGINES)
def provisioners(
    request: pytest.FixtureRequest, engines: Emulators, tmp_path: Path
) -> Iterator[list[Provisioner]]:
    """Return provisioners, whose applications share nothing but the database, as in Lambda."""
    with ExitStack() as stack:
        settings = stack.enter_context(settings_of(request.param, engines, tmp_path))
        apps = [stack.enter_context(served(**settings)) for _ in range(PROVISIONERS)]
        for app in apps:
            app.module.storage()
        apps[0].user()
        yield [Provisioner(app) for app in apps]


def at_once(acts: list[Callable[[], Reply]]) -> list[Reply]:
    """Return the replies of requests that begin together."""
    barrier = Barrier(len(acts))

    def act(send: Callable[[], Reply]) -> Reply:
        barrier.wait()
        return send()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act, acts))


@pytest.mark.parametrize(
    "attributes",
    [
        {"userName": "ann@example.com"},
        {"userName": "ann", "emails": [{"value": "{n}@example.com"}]},
        {"userName": "{n}@example.com", "externalId": "00u1"},
    ],
)
def test_one_of_fifty_creates_the_user(
    provisioners: list[Provisioner], attributes: dict[str, object]
) -> None:
    """Of fifty that create one userName or externalId, one gets 201 and all others 409."""

    def creation(number: int) -> Callable[[], Reply]:
        numbered = {
            name: value.replace("{n}", str(number)) if isinstance(value, str) else value
            for name, value in attributes.items()
        }
        if "emails" in attributes:
            numbered["emails"] = [{"value": f"{number}@example.com"}]
        body = resource("Users", **numbered)
        return lambda: provisioners[number].send("POST", "/Users", body)

    replies = at_once([creation(number) for number in range(PROVISIONERS)])

    assert Counter(reply.status for reply in replies) == {201: 1, 409: PROVISIONERS - 1}
    for reply in replies:
        if reply.status == 409:
            assert_error(reply, 409, "uniqueness")
    # Another user was there before.
    assert provisioners[0].get("/Users")["totalResults"] == 2


def test_one_of_fifty_creates_the_group(provisioners: list[Provisioner]) -> None:
    """Of fifty that create a group of one name, one gets 201 and all others 409."""
    body = resource("Groups", displayName="Staff")

    def creation(one: Provisioner) -> Callable[[], Reply]:
        return lambda: one.send("POST", "/Groups", body)

    replies = at_once([creation(one) for one in provisioners])

    assert Counter(reply.status for reply in replies) == {201: 1, 409: PROVISIONERS - 1}


def test_changes_without_a_condition_all_succeed(provisioners: list[Provisioner]) -> None:
    """Concurrent changes of different attributes are all kept: none overwrites another."""
    first = provisioners[0]
    path = f"/Users/{first.create('Users', userName='ann@example.com')['id']}"
    changes: list[dict[str, Any]] = [
        {"op": "replace", "path": "displayName", "value": "Ann Example"},
        {"op": "replace", "path": "name.givenName", "value": "Ann"},
        {"op": "replace", "path": "name.familyName", "value": "Example"},
        {"op": "replace", "path": "externalId", "value": "00u1"},
        {"op": "replace", "path": "active", "value": False},
    ]

    def change(number: int) -> Callable[[], Reply]:
        return lambda: provisioners[number].patch(path, changes[number])

    replies = at_once([change(number) for number in range(len(changes))])

    assert [reply.status for reply in replies] == [200] * len(changes)
    user = first.get(path)
    assert user["displayName"] == "Ann Example"
    assert user["name"] == {"givenName": "Ann", "familyName": "Example"}
    assert (user["externalId"], user["active"]) == ("00u1", False)
    assert user["meta"]["version"] == f'W/"{1 + len(changes)}"'


def test_one_change_with_a_condition_succeeds(provisioners: list[Provisioner]) -> None:
    """Of those that name the same version in If-Match, one succeeds and the others get 412."""
    path = f"/Users/{provisioners[0].create('Users', userName='ann@example.com')['id']}"

    def change(number: int) -> Callable[[], Reply]:
        renamed = {"op": "replace", "path": "displayName", "value": f"Ann {number}"}
        return lambda: provisioners[number].patch(path, renamed, headers={"If-Match": 'W/"1"'})

    replies = at_once([change(number) for number in range(FEW)])

    assert Counter(reply.status for reply in replies) == {200: 1, 412: FEW - 1}
    (won,) = [reply for reply in replies if reply.status == 200]
    assert provisioners[0].get(path) == won.body


def test_all_members_that_join_at_once_are_in(provisioners: list[Provisioner]) -> None:
    """Concurrent changes of a group's members lose none."""
    first = provisioners[0]
    ids = [
        first.create("Users", userName=f"member{number}@example.com")["id"] for number in range(FEW)
    ]
    path = f"/Groups/{first.create('Groups', displayName='Staff')['id']}"

    def join(number: int) -> Callable[[], Reply]:
        joined = {"op": "add", "path": "members", "value": [{"value": ids[number]}]}
        return lambda: provisioners[number].patch(path, joined)

    replies = at_once([join(number) for number in range(FEW)])

    assert {reply.status for reply in replies} <= {200, 204}
    assert members(first.get(path)) == set(ids)
