"""Groups and their members, by SCIM."""

from itertools import count
from typing import Any

import pytest

from tests.scim.provisioner import Provisioner, assert_error, members, resource

NOBODY = "usr_0190a0b0c0d07e0f8123456789abcdef"

_numbers = count(1)


def new_user(provider: Provisioner) -> str:
    """Return the id of a new user."""
    user_id: str = provider.create("Users", userName=f"u{next(_numbers)}@example.com")["id"]
    return user_id


def a_group(provider: Provisioner, *user_ids: str, name: str = "Staff") -> Any:
    """Return a new group with these members."""
    listed = [{"value": user_id} for user_id in user_ids]
    return provider.create("Groups", displayName=name, members=listed)


def test_a_group_has_what_it_was_given(provider: Provisioner) -> None:
    """A new group shows its name, externalId, members with their URLs, and its version."""
    user_id = new_user(provider)
    reply = provider.send(
        "POST",
        "/Groups",
        resource("Groups", displayName="Staff", externalId="g1", members=[{"value": user_id}]),
    )

    assert reply.status == 201
    group = reply.body
    assert reply.headers["Location"] == group["meta"]["location"]
    assert reply.headers["ETag"] == group["meta"]["version"] == 'W/"1"'
    assert (group["displayName"], group["externalId"]) == ("Staff", "g1")
    (member,) = group["members"]
    assert member["value"] == user_id
    assert member["type"] == "User"
    assert member["$ref"] == provider.get(f"/Users/{user_id}")["meta"]["location"]
    assert provider.get(f"/Groups/{group['id']}") == group


@pytest.mark.parametrize("attributes", [{"displayName": "STAFF"}, {"externalId": "g1"}])
def test_what_is_unique_is_409(provider: Provisioner, attributes: dict[str, str]) -> None:
    """A displayName, in any case, and an externalId belong to one group each."""
    provider.create("Groups", displayName="Staff", externalId="g1")
    other = provider.create("Groups", displayName="Others")
    path = f"/Groups/{other['id']}"
    body = resource("Groups", **{"displayName": "Others", **attributes})

    assert_error(provider.send("PUT", path, body), 409, "uniqueness")
    assert_error(provider.patch(path, {"op": "replace", "value": attributes}), 409, "uniqueness")
    body["displayName"] = attributes.get("displayName", "Third")
    assert_error(provider.send("POST", "/Groups", body), 409, "uniqueness")
    assert provider.get(path) == other


def test_a_user_may_be_known_as_a_group_is(provider: Provisioner) -> None:
    """The external ids of users and of groups are apart."""
    provider.create("Groups", displayName="Staff", externalId="1")
    user = provider.create("Users", userName="ann@example.com", externalId="1")

    assert provider.found("Users", 'externalId eq "1"') == [user["id"]]


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "add", "path": "members", "value": [{"value": "B"}]}],
        [{"op": "add", "path": "members", "value": {"value": "B"}}],
        [{"op": "add", "value": {"members": [{"value": "B"}]}}],
        [{"op": "add", "value": {"Members": [{"Value": "B"}]}}],
        [{"op": "Add", "path": "Members", "value": [{"value": "B", "type": "User"}]}],
        [
            {"op": "remove", "path": 'members[value eq "B"]'},
            {"op": "add", "path": "members", "value": [{"value": "B"}]},
        ],
        [{"op": "add", "path": "members", "value": [{"value": "A"}, {"value": "B"}]}],
        [{"op": "replace", "path": "members", "value": [{"value": "A"}, {"value": "B"}]}],
        [{"op": "replace", "value": {"members": [{"value": "A"}, {"value": "B"}]}}],
        [
            {"op": "remove", "path": "members"},
            {"op": "add", "path": "members", "value": [{"value": "A"}, {"value": "B"}]},
        ],
        [
            {
                "op": "add",
                "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members",
                "value": [{"value": "B"}],
            }
        ],
    ],
)
def test_every_way_to_let_a_user_join(
    provider: Provisioner, operations: list[dict[str, Any]]
) -> None:
    """However a PATCH says it, B joins and A stays."""
    a, b = new_user(provider), new_user(provider)
    group = f"/Groups/{a_group(provider, a)['id']}"

    reply = provider.patch(group, *filled(operations, a, b))

    assert reply.status in {200, 204}, reply
    assert members(provider.get(group)) == {a, b}
    assert provider.get(f"/Users/{b}")["groups"][0]["display"] == "Staff"


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "remove", "path": 'members[value eq "B"]'}],
        [{"op": "remove", "path": "members", "value": [{"value": "B"}]}],
        [{"op": "remove", "path": "members", "value": {"value": "B"}}],
        [{"op": "remove", "path": 'members[type eq "User" and value eq "B"]'}],
        [{"op": "remove", "path": 'members[not (value eq "A")]'}],
        [{"op": "replace", "path": "members", "value": [{"value": "A"}]}],
        [
            {"op": "add", "path": "members", "value": [{"value": "B"}]},
            {"op": "remove", "path": "members", "value": [{"value": "B"}]},
        ],
    ],
)
def test_every_way_to_let_a_user_leave(
    provider: Provisioner, operations: list[dict[str, Any]]
) -> None:
    """However a PATCH says it, B leaves and A stays."""
    a, b = new_user(provider), new_user(provider)
    group = f"/Groups/{a_group(provider, a, b)['id']}"

    reply = provider.patch(group, *filled(operations, a, b))

    assert reply.status in {200, 204}, reply
    assert members(provider.get(group)) == {a}
    assert not provider.get(f"/Users/{b}").get("groups")


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "members"},
        {"op": "replace", "path": "members", "value": []},
        {"op": "replace", "value": {"members": []}},
    ],
)
def test_every_way_to_empty_a_group(provider: Provisioner, operation: dict[str, Any]) -> None:
    """All members leave at once."""
    group = f"/Groups/{a_group(provider, new_user(provider), new_user(provider))['id']}"

    assert provider.patch(group, operation).status in {200, 204}
    assert members(provider.get(group)) == set()


def test_operations_are_applied_in_order(provider: Provisioner) -> None:
    """The last operation on a member decides."""
    a, b = new_user(provider), new_user(provider)
    group = f"/Groups/{a_group(provider)['id']}"
    add, remove = (
        [{"op": op, "path": "members", "value": [{"value": one}]} for one in (a, b)]
        for op in ("add", "remove")
    )

    provider.patch(group, add[0], add[1], remove[0])
    assert members(provider.get(group)) == {b}
    provider.patch(group, remove[1], add[1], add[0], remove[1])
    assert members(provider.get(group)) == {a}


def test_who_does_not_exist_is_no_member(provider: Provisioner) -> None:
    """Users that are gone, and other things than ids, are left out; the others join."""
    user_id = new_user(provider)
    wanted = [{"value": value} for value in (NOBODY, user_id, "x", "\0", "grp_1", "a" * 5000)]

    group = provider.create("Groups", displayName="Staff", members=wanted)
    assert members(group) == {user_id}

    path = f"/Groups/{provider.create('Groups', displayName='Others')['id']}"
    added = {"op": "add", "path": "members", "value": wanted}
    assert provider.patch(path, added).status in {200, 204}
    assert members(provider.get(path)) == {user_id}
    put = resource("Groups", displayName="Others", members=wanted)
    assert members(provider.send("PUT", path, put).body) == {user_id}


def test_a_deleted_user_leaves_its_groups(provider: Provisioner) -> None:
    """A group does not show a user that is gone."""
    a, b = new_user(provider), new_user(provider)
    group = f"/Groups/{a_group(provider, a, b)['id']}"

    assert provider.send("DELETE", f"/Users/{a}").status == 204

    assert members(provider.get(group)) == {b}
    assert provider.found("Groups", f'members.value eq "{a}"') == []


def test_put_replaces_the_members(provider: Provisioner) -> None:
    """A PUT without members empties the group, and one without externalId removes that."""
    a, b, c = (new_user(provider) for _ in range(3))
    group = provider.create(
        "Groups", displayName="Staff", externalId="g1", members=[{"value": a}, {"value": b}]
    )
    path = f"/Groups/{group['id']}"

    body = resource(
        "Groups", displayName="Staff", externalId="g1", members=[{"value": b}, {"value": c}]
    )
    assert members(provider.send("PUT", path, body).body) == {b, c}

    emptied = provider.send("PUT", path, resource("Groups", displayName="Staff")).body
    assert members(emptied) == set()
    assert "externalId" not in emptied


def test_the_version_of_a_group(provider: Provisioner) -> None:
    """Each change makes a version, and If-Match holds for changes of members too."""
    user_id = new_user(provider)
    path = f"/Groups/{a_group(provider)['id']}"
    joined = {"op": "add", "path": "members", "value": [{"value": user_id}]}

    assert_error(provider.patch(path, joined, headers={"If-Match": 'W/"9"'}), 412)
    assert provider.patch(path, joined, headers={"If-Match": 'W/"1"'}).status in {200, 204}

    group = provider.send("GET", path)
    assert group.headers["ETag"] == group.body["meta"]["version"]
    assert group.body["meta"]["version"] != 'W/"1"'
    stale = provider.send("DELETE", path, None, {"If-Match": 'W/"1"'})
    assert_error(stale, 412)


def test_a_put_that_changes_nothing_makes_no_version(provider: Provisioner) -> None:
    """A provider that pushes the same group again leaves no trace."""
    group = a_group(provider, new_user(provider), new_user(provider))

    again = provider.send("PUT", f"/Groups/{group['id']}", group)
    listed = [{"value": one} for one in sorted(members(group), reverse=True)]
    plain = provider.send(
        "PUT", f"/Groups/{group['id']}", resource("Groups", displayName="Staff", members=listed)
    )

    assert again.body == plain.body == group


def test_the_response_to_a_patch_shows_a_small_group(provider: Provisioner) -> None:
    """A group with few members is shown whole; of a large one, only the version is told."""
    users = [new_user(provider) for _ in range(3)]
    path = f"/Groups/{a_group(provider, *users[:2])['id']}"
    joined = {"op": "add", "path": "members", "value": [{"value": users[2]}]}

    reply = provider.patch(path, joined)

    assert reply.status == 200
    assert members(reply.body) == set(users)
    projected = provider.send(
        "PATCH",
        path,
        {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [joined]},
        attributes="displayName",
    )
    assert projected.body.keys() - {"schemas", "id", "meta"} == {"displayName"}


@pytest.mark.parametrize("value", ["", " ", "a" * 5000, "a\0b", "a\nb"])
def test_a_name_that_is_no_name_is_400(provider: Provisioner, value: str) -> None:
    """The error names the attribute, by POST and by PATCH."""
    path = f"/Groups/{a_group(provider)['id']}"
    for reply in (
        provider.send("POST", "/Groups", resource("Groups", displayName=value)),
        provider.patch(path, {"op": "replace", "path": "displayName", "value": value}),
    ):
        assert_error(reply, 400, "invalidValue")
        assert "displayName" in reply.body["detail"]
    assert provider.get(path)["displayName"] == "Staff"


def filled(operations: list[dict[str, Any]], a: str, b: str) -> list[dict[str, Any]]:
    """Return the operations with the ids of the users instead of their letters."""

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fill(one) for name, one in value.items()}
        if isinstance(value, list):
            return [fill(one) for one in value]
        if isinstance(value, str):
            letters = {"A": a, "B": b}
            for letter, user_id in letters.items():
                value = value.replace(f'"{letter}"', f'"{user_id}"')
            return letters.get(value, value)
        return value

    filled_in: list[dict[str, Any]] = fill(operations)
    return filled_in
