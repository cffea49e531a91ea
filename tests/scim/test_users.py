"""Users: one and the same, by SCIM and by the API's own routes."""

from typing import Any

import pytest

from chalicelib.domain.users import USERS
from tests.scim.provisioner import Provisioner, assert_error, resource

ADDRESS = "ann@example.com"


def ann(provider: Provisioner, **attributes: object) -> Any:
    """Return a new user of SCIM."""
    return provider.create("Users", **{"userName": ADDRESS, **attributes})


def rest_user(provider: Provisioner, user_id: str) -> dict[str, Any]:
    """Return a user as the API's own routes show it."""
    reply = provider.rest("GET", f"/users/{user_id}")
    assert reply.status == 200
    body: dict[str, Any] = reply.body
    return body


def test_a_user_of_scim_is_a_user_of_the_api(provider: Provisioner) -> None:
    """Each attribute has its member in the API's own representation."""
    created = ann(
        provider,
        userName="ann.example",
        displayName="Ann Example",
        name={"givenName": "Ann", "familyName": "Example"},
        emails=[{"value": ADDRESS, "type": "work", "primary": True}],
        externalId="00u1",
        active=False,
    )

    shown = rest_user(provider, created["id"])

    times = {"created_at", "updated_at"}
    assert {name: value for name, value in shown.items() if name not in times} == {
        "user_id": created["id"],
        "name": "Ann Example",
        "email": ADDRESS,
        "status": "suspended",
        "metadata": {},
        "user_name": "ann.example",
        "external_id": "00u1",
        "given_name": "Ann",
        "family_name": "Example",
        "version": 1,
    }
    assert created["meta"]["created"][:23] == shown["created_at"][:23]
    assert created["meta"]["lastModified"][:23] == shown["updated_at"][:23]


def test_a_user_of_the_api_is_a_user_of_scim(provider: Provisioner) -> None:
    """A user that was created by the API's own route is found, and changed, by SCIM."""
    new = {"name": "Bob Example", "email": "bob@example.com", "metadata": {"plan": "gold"}}
    user_id = provider.rest("POST", "/users", new).body["user_id"]

    shown = provider.get(f"/Users/{user_id}")
    assert provider.found("Users", 'userName eq "bob@example.com"') == [user_id]
    assert shown["userName"] == "bob@example.com"
    assert shown["displayName"] == "Bob Example"
    assert shown["emails"] == [{"value": "bob@example.com", "type": "work"}]
    assert shown["active"] is True
    assert "externalId" not in shown
    assert "name" not in shown

    provider.patch(f"/Users/{user_id}", {"op": "add", "path": "externalId", "value": "00u2"})
    assert rest_user(provider, user_id)["external_id"] == "00u2"


def test_metadata_survives(provider: Provisioner) -> None:
    """What SCIM does not show, it does not remove: neither by PUT nor by PATCH."""
    user_id = ann(provider)["id"]
    metadata = {"plan": "gold", "seats": "5"}
    provider.rest("PATCH", f"/users/{user_id}", {"metadata": metadata})

    put = resource("Users", userName=ADDRESS, displayName="Ann", active=True)
    assert provider.send("PUT", f"/Users/{user_id}", put).status == 200
    renamed = {"op": "replace", "path": "displayName", "value": "Ann B."}
    assert provider.patch(f"/Users/{user_id}", renamed).status == 200

    assert rest_user(provider, user_id)["metadata"] == metadata


def test_the_version_is_the_entity_tag(provider: Provisioner) -> None:
    """Both representations have the same version, which each change counts up."""
    user_id = ann(provider)["id"]
    path = f"/Users/{user_id}"

    provider.rest("PATCH", f"/users/{user_id}", {"name": "Ann"})
    reply = provider.send("GET", path)
    assert reply.headers["ETag"] == reply.body["meta"]["version"] == 'W/"2"'
    assert provider.send("GET", path, None, {"If-None-Match": 'W/"2"'}).status == 304

    changed = provider.patch(path, {"op": "replace", "value": {"active": False}})
    assert changed.headers["ETag"] == changed.body["meta"]["version"] == 'W/"3"'
    assert rest_user(provider, user_id)["version"] == 3


def test_a_patch_that_changes_nothing_makes_no_version(provider: Provisioner) -> None:
    """A provider that repeats itself leaves no trace, by PATCH or by PUT."""
    user = ann(provider, externalId="00u1")
    path = f"/Users/{user['id']}"

    for _ in range(2):
        reply = provider.patch(path, {"op": "replace", "value": {"externalId": "00u1"}})
        assert reply.body["meta"] == user["meta"]
        reply = provider.send("PUT", path, user)
        assert reply.body["meta"] == user["meta"]

    assert len(provider.rest("GET", f"/users/{user['id']}/history").body["history"]) == 1


def test_changes_by_scim_are_in_the_history(provider: Provisioner) -> None:
    """Who provisioned a user, when, and in which request, is told as of any other change."""
    user_id = ann(provider)["id"]
    path = f"/Users/{user_id}"
    patched = provider.patch(path, {"op": "replace", "value": {"active": False}})
    provider.send("DELETE", path)

    entries = provider.rest("GET", f"/users/{user_id}/history").body["history"]

    assert [(one["action"], one["version"]) for one in entries] == [
        ("deleted", 3),
        ("changed", 2),
        ("created", 1),
    ]
    assert {(one["by_role"], one["by"]) for one in entries} == {("administrator", "provider")}
    assert entries[1]["request_id"] == patched.headers["x-request-id"]


def test_the_conditions_of_a_change(provider: Provisioner) -> None:
    """If-Match lets a change through only if the version is the one that was read."""
    user_id = ann(provider)["id"]
    path = f"/Users/{user_id}"
    suspend = {"op": "replace", "value": {"active": False}}
    put = resource("Users", userName=ADDRESS, displayName="A", active=True)

    for method, body in (("PUT", put), ("DELETE", None)):
        stale = provider.send(method, path, body, {"If-Match": 'W/"7"'})
        assert_error(stale, 412)
    assert_error(provider.patch(path, suspend, headers={"If-Match": 'W/"7"'}), 412)
    assert provider.get(path)["meta"]["version"] == 'W/"1"'

    changes = (('W/"1"', 2), ('"2"', 3), ("*", 4), ('W/"1", W/"4"', 5))
    for number, (tag, version) in enumerate(changes):
        renamed = {"op": "replace", "path": "displayName", "value": f"Ann {number}"}
        reply = provider.patch(path, renamed, headers={"If-Match": tag})
        assert reply.status == 200, tag
        assert reply.body["meta"]["version"] == f'W/"{version}"'
    assert provider.send("DELETE", path, None, {"If-Match": 'W/"5"'}).status == 204


def test_a_suspended_user_cannot_order(provider: Provisioner) -> None:
    """Deactivation has the effect that suspension has."""
    user_id = ann(provider, active=False)["id"]
    order = {"currency": "EUR", "items": [{"sku": "a", "quantity": 1, "unit_price": 1}]}

    refused = provider.rest("POST", f"/users/{user_id}/orders", order)
    assert refused.body["type"] == "/problems/user-suspended"

    provider.patch(f"/Users/{user_id}", {"op": "replace", "path": "active", "value": True})
    assert provider.rest("POST", f"/users/{user_id}/orders", order).status == 201


def test_a_user_with_open_orders_cannot_be_deleted(provider: Provisioner) -> None:
    """The rule of the API holds here too: 409, which is no matter of uniqueness."""
    user_id = ann(provider)["id"]
    order = {"currency": "EUR", "items": [{"sku": "a", "quantity": 1, "unit_price": 1}]}
    provider.rest("POST", f"/users/{user_id}/orders", order)

    assert_error(provider.send("DELETE", f"/Users/{user_id}"), 409)
    assert provider.get(f"/Users/{user_id}")["active"] is True


@pytest.mark.parametrize(
    "attributes",
    [
        {"userName": ADDRESS},
        {"userName": ADDRESS.upper()},
        {"userName": "other", "emails": [{"value": "Ann@Example.com"}]},
        {"userName": "other@example.com", "externalId": "00u1"},
    ],
)
def test_what_is_unique_is_409(provider: Provisioner, attributes: dict[str, Any]) -> None:
    """A userName, an address and an externalId belong to one user each, by POST, PUT and PATCH."""
    ann(provider, externalId="00u1")
    other = provider.create("Users", userName="third@example.com")
    path = f"/Users/{other['id']}"
    whole = {"active": True, "displayName": "Other", **attributes}

    assert_error(provider.send("POST", "/Users", resource("Users", **whole)), 409, "uniqueness")
    assert_error(provider.send("PUT", path, resource("Users", **whole)), 409, "uniqueness")
    reply = provider.patch(path, {"op": "replace", "value": attributes})
    assert_error(reply, 409, "uniqueness")
    assert provider.get(path) == other


def test_the_case_of_an_external_id_matters(provider: Provisioner) -> None:
    """An externalId is compared with its case (RFC 7643 §3.1)."""
    first = ann(provider, externalId="abc")
    second = provider.create("Users", userName="bob@example.com", externalId="ABC")

    assert provider.found("Users", 'externalId eq "abc"') == [first["id"]]
    assert provider.found("Users", 'externalId eq "ABC"') == [second["id"]]


def test_a_user_name_that_is_the_address(provider: Provisioner) -> None:
    """The API's own representation names no user_name; a change of the address changes both."""
    user = ann(provider)
    path = f"/Users/{user['id']}"
    assert user["emails"] == [{"value": ADDRESS, "type": "work"}]
    assert "user_name" not in rest_user(provider, user["id"])

    provider.rest("PATCH", f"/users/{user['id']}", {"email": "new@example.com"})

    assert provider.get(path)["userName"] == "new@example.com"
    assert provider.found("Users", 'userName eq "new@example.com"') == [user["id"]]
    assert provider.found("Users", f'userName eq "{ADDRESS}"') == []


def test_a_user_name_that_is_not_the_address(provider: Provisioner) -> None:
    """It is kept beside the address, in its own case, and found in any."""
    user = ann(provider, userName="Ann.Example", emails=[{"value": ADDRESS}])

    assert user["userName"] == "Ann.Example"
    assert rest_user(provider, user["id"])["user_name"] == "Ann.Example"
    assert provider.found("Users", 'userName eq "ann.EXAMPLE"') == [user["id"]]
    # Its address is no name of it.
    assert provider.found("Users", f'userName eq "{ADDRESS}"') == []
    assert provider.found("Users", f'emails.value eq "{ADDRESS}"') == [user["id"]]


def test_a_user_name_cannot_be_anothers_address(provider: Provisioner) -> None:
    """A name that looks like an address would otherwise find two users."""
    ann(provider)
    body = resource("Users", userName=ADDRESS, emails=[{"value": "other@example.com"}])

    assert_error(provider.send("POST", "/Users", body), 409, "uniqueness")


def test_a_user_name_that_becomes_the_address(provider: Provisioner) -> None:
    """Where the two become one, the address is enough."""
    user = ann(provider, userName="ann", emails=[{"value": ADDRESS}])
    path = f"/Users/{user['id']}"

    provider.patch(path, {"op": "replace", "path": "userName", "value": ADDRESS})

    assert "user_name" not in rest_user(provider, user["id"])
    assert provider.found("Users", f'userName eq "{ADDRESS}"') == [user["id"]]


def test_a_user_without_any_address_is_refused(provider: Provisioner) -> None:
    """A userName that is no address needs emails, and the error says so."""
    reply = provider.send("POST", "/Users", resource("Users", userName="ann"))

    assert_error(reply, 400, "invalidValue")
    assert "emails" in reply.body["detail"]


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"displayName": "A B", "name": {"formatted": "C D"}}, "A B"),
        ({"name": {"formatted": "C D", "givenName": "E"}}, "C D"),
        ({"name": {"givenName": "E", "familyName": "F"}}, "E F"),
        ({"name": {"givenName": "E"}}, "E"),
        ({}, ADDRESS),
    ],
)
def test_a_name_is_made_of_what_there_is(
    provider: Provisioner, attributes: dict[str, Any], name: str
) -> None:
    """A user without displayName gets it from the other names, or from userName."""
    user = ann(provider, **attributes)

    assert user["displayName"] == name
    assert rest_user(provider, user["id"])["name"] == name


def test_of_several_addresses_the_primary_one_is_kept(provider: Provisioner) -> None:
    """The API has one address for each user."""
    user = ann(
        provider,
        userName="ann",
        emails=[
            {"value": "home@example.com", "type": "home"},
            {"value": "work@example.com", "type": "work", "primary": True},
        ],
    )

    assert user["emails"] == [{"value": "work@example.com", "type": "work"}]
    assert rest_user(provider, user["id"])["email"] == "work@example.com"


@pytest.mark.parametrize("path", [{"path": "emails"}, {}])
@pytest.mark.parametrize(("primary", "kept"), [(True, "new@example.com"), (False, ADDRESS)])
def test_an_added_address_is_kept_if_it_is_primary(
    provider: Provisioner, path: dict[str, str], primary: object, kept: str
) -> None:
    """Another primary address replaces the one there is, and any other is left out."""
    user = ann(provider)
    emails = [{"value": "new@example.com", "type": "work", "primary": primary}]
    value = emails if path else {"emails": emails}
    reply = provider.patch(f"/Users/{user['id']}", {"op": "add", "value": value, **path})
    assert reply.status == 200
    assert rest_user(provider, user["id"])["email"] == kept


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "externalId"},
        {"op": "remove", "path": "name.givenName"},
        {"op": "remove", "path": "name"},
        {"op": "replace", "path": "externalId", "value": ""},
        {"op": "replace", "path": "externalId", "value": None},
    ],
)
def test_an_optional_attribute_can_be_removed(
    provider: Provisioner, operation: dict[str, Any]
) -> None:
    """What was removed is gone in both representations, and its value is free."""
    user = ann(provider, externalId="00u1", name={"givenName": "Ann", "familyName": "Example"})
    path = f"/Users/{user['id']}"

    reply = provider.patch(path, operation)

    assert reply.status == 200, reply
    top = operation["path"].split(".")[0]
    gone = {"externalId": "external_id", "name": "given_name"}[top]
    assert gone not in rest_user(provider, user["id"])
    if top == "externalId":
        assert "externalId" not in reply.body
        provider.create("Users", userName="bob@example.com", externalId="00u1")


@pytest.mark.parametrize("path", ["userName", "displayName", "active", "emails"])
def test_a_required_attribute_cannot_be_removed(provider: Provisioner, path: str) -> None:
    """The error is one of the client's, and the user stays what it was."""
    user = ann(provider)

    reply = provider.patch(f"/Users/{user['id']}", {"op": "remove", "path": path})

    assert reply.status == 400
    assert reply.body["scimType"] in {"invalidValue", "mutability"}
    assert provider.get(f"/Users/{user['id']}") == user


def test_what_the_server_assigns_stays(provider: Provisioner) -> None:
    """The id, meta and groups of a request are ignored (RFC 7643 §3.1, §4.1.2)."""
    user = ann(
        provider,
        id="usr_00000000000000000000000000000000",
        meta={"created": "2001-01-01T00:00:00Z", "version": 'W/"9"'},
        groups=[{"value": "grp_00000000000000000000000000000000"}],
    )

    assert user["id"] != "usr_00000000000000000000000000000000"
    assert user["meta"]["version"] == 'W/"1"'
    assert not user["meta"]["created"].startswith("2001")
    assert not user.get("groups")


def test_a_user_shows_its_groups(provider: Provisioner) -> None:
    """The groups of a user follow the members of the groups."""
    user = ann(provider)
    path = f"/Users/{user['id']}"
    group = provider.create("Groups", displayName="Staff", members=[{"value": user["id"]}])

    (shown,) = provider.get(path)["groups"]
    assert (shown["value"], shown["display"]) == (group["id"], "Staff")
    assert shown["$ref"] == group["meta"]["location"]

    provider.send("DELETE", f"/Groups/{group['id']}")
    assert not provider.get(path).get("groups")


def test_a_deleted_user_frees_what_was_unique(provider: Provisioner) -> None:
    """The same user can be created again, as another one."""
    first = ann(provider, externalId="00u1")
    assert provider.send("DELETE", f"/Users/{first['id']}").status == 204

    second = ann(provider, externalId="00u1")

    assert second["id"] != first["id"]
    assert_error(provider.send("DELETE", f"/Users/{first['id']}"), 404)


def test_head_is_get_without_its_body(provider: Provisioner) -> None:
    """HEAD has the status and the headers of GET."""
    path = f"/Users/{ann(provider)['id']}"
    for target in (path, "/Users", "/Schemas", "/Users/none"):
        get, head = (provider.send(method, target) for method in ("GET", "HEAD"))
        assert head.body is None
        assert head.stable[:2] == get.stable[:2]


def test_the_schema_names_exactly_what_is_kept(provider: Provisioner) -> None:
    """Each declared attribute comes back; the API's resource has a member for each."""
    (schema,) = [one for one in provider.get("/Schemas")["Resources"] if one["name"] == "User"]
    user = ann(
        provider,
        userName="ann",
        displayName="A B",
        name={"formatted": "A B", "givenName": "A", "familyName": "B"},
        active=True,
        emails=[{"value": ADDRESS, "type": "work"}],
    )
    provider.create("Groups", displayName="G", members=[{"value": user["id"]}])

    names = {one["name"] for one in schema["attributes"]}
    paths = ",".join([*names, "name.formatted"])
    shown = provider.get(f"/Users/{user['id']}", attributes=paths)

    assert names == shown.keys() - {"schemas", "id", "meta"}
    (parts,) = [one for one in schema["attributes"] if one["name"] == "name"]
    assert {one["name"] for one in parts["subAttributes"]} == {
        *("formatted", "givenName", "familyName")
    }
    assert {"user_name", "given_name", "family_name"} <= set(USERS.fields)
