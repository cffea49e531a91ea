"""What identity providers send, as their documentation shows it, with this API's ids.

- Okta: https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20
- Microsoft Entra ID:
  https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
  and, for what it sent before and still may,
  https://learn.microsoft.com/en-us/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
"""

from typing import Any

import pytest

from tests.scim.provisioner import (
    ENTERPRISE_USER,
    GROUP,
    LIST_RESPONSE,
    PATCH_OP,
    USER,
    Provisioner,
    assert_error,
    members,
)

OKTA_USER: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "test.user@okta.local",
    "name": {"givenName": "Test", "familyName": "User"},
    "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
    "displayName": "Test User",
    "locale": "en-US",
    "externalId": "00ujl29u0le5T6Aj10h7",
    "groups": [],
    "password": "1mz050nq",
    "active": True,
}
OKTA_CONTENT = {
    "Content-Type": "application/scim+json; charset=utf-8",
    "Accept": "application/scim+json",
    "User-Agent": "Okta SCIM Client 1.0.0",
}
ENTRA_USER: dict[str, Any] = {
    "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    ],
    "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
    "userName": "Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1",
    "active": True,
    "emails": [
        {
            "primary": True,
            "type": "work",
            "value": "Test_User_fd0ea19b-0777-472c-9f96-4f70d2226f2e@testuser.com",
        }
    ],
    "meta": {"resourceType": "User"},
    "name": {
        "formatted": "givenName familyName",
        "familyName": "familyName",
        "givenName": "givenName",
    },
    "roles": [],
}
ENTRA_GROUP: dict[str, Any] = {
    "schemas": [
        "urn:ietf:params:scim:schemas:core:2.0:Group",
        "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
    ],
    "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
    "displayName": "displayName",
    "meta": {"resourceType": "Group"},
}
NOBODY = "usr_0190a0b0c0d07e0f8123456789abcdef"


@pytest.fixture
def okta_user(provider: Provisioner) -> str:
    """Return the id of the user that Okta has created."""
    return str(provider.send("POST", "/Users", OKTA_USER, OKTA_CONTENT).body["id"])


@pytest.fixture
def entra_user(provider: Provisioner) -> str:
    """Return the id of the user that Entra ID has created."""
    return str(provider.send("POST", "/Users", ENTRA_USER).body["id"])


def two_users(provider: Provisioner) -> tuple[str, str]:
    """Return the ids of two users."""
    first = provider.create("Users", userName="first@example.com")
    second = provider.create("Users", userName="second@example.com")
    return first["id"], second["id"]


def test_okta_tests_its_connection(provider: Provisioner) -> None:
    """The requests that Okta's test of a connector sends get empty lists."""
    for path, count in (("/Users", 2), ("/Users", 100), ("/Groups", 100)):
        body = provider.get(path, startIndex=1, count=count)
        assert body == {
            "schemas": [LIST_RESPONSE],
            "totalResults": 0,
            "startIndex": 1,
            "itemsPerPage": 0,
            "Resources": [],
        }


def test_okta_looks_a_user_up_and_creates_it(provider: Provisioner) -> None:
    """Okta finds nobody by userName, creates the user, and finds it from then on."""
    query = {"filter": 'userName eq "test.user@okta.local"', "startIndex": 1, "count": 100}
    assert provider.get("/Users", **query)["totalResults"] == 0

    created = provider.send("POST", "/Users", OKTA_USER, OKTA_CONTENT)

    assert created.status == 201
    assert created.headers["Location"] == created.body["meta"]["location"]
    expected = {
        "userName": "test.user@okta.local",
        "displayName": "Test User",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"value": "test.user@okta.local", "type": "work"}],
        "externalId": "00ujl29u0le5T6Aj10h7",
        "active": True,
    }
    assert {name: created.body[name] for name in expected} == expected
    found = provider.get("/Users", **query)
    assert (found["totalResults"], found["startIndex"], found["itemsPerPage"]) == (1, 1, 1)
    assert found["Resources"] == [created.body]


def test_what_okta_sends_for_a_password_is_kept_nowhere(
    provider: Provisioner, okta_user: str
) -> None:
    """A password and a locale, which are no attributes here, are ignored (RFC 7643 §7)."""
    shown = provider.get(f"/Users/{okta_user}")
    stored = provider.rest("GET", f"/users/{okta_user}").body

    assert "password" not in shown
    assert "locale" not in shown
    assert "1mz050nq" not in str(stored)


def test_okta_creates_a_user_that_exists(provider: Provisioner, okta_user: str) -> None:
    """The second creation is 409 with scimType uniqueness, and changes nothing."""
    assert okta_user
    assert_error(provider.send("POST", "/Users", OKTA_USER, OKTA_CONTENT), 409, "uniqueness")
    assert provider.get("/Users")["totalResults"] == 1


def test_okta_updates_a_user_by_put(provider: Provisioner, okta_user: str) -> None:
    """Okta sends the whole user as it read it, with the changes and what it does not know."""
    reply = provider.send(
        "PUT",
        f"/Users/{okta_user}",
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": okta_user,
            "userName": "test.user@okta.local",
            "name": {"givenName": "Another", "middleName": "Excited", "familyName": "User"},
            "emails": [
                {
                    "primary": True,
                    "value": "test.user@okta.local",
                    "type": "work",
                    "display": "test.user@okta.local",
                }
            ],
            "active": True,
            "groups": [],
            "meta": {"resourceType": "User"},
        },
        OKTA_CONTENT,
    )

    assert reply.status == 200
    assert reply.body["name"] == {"givenName": "Another", "familyName": "User"}
    assert reply.body["displayName"] == "Another User"
    assert reply.body["meta"]["version"] == 'W/"2"'


def test_okta_deactivates_and_activates_a_user(provider: Provisioner, okta_user: str) -> None:
    """A PATCH without a path suspends the user, and another one ends that; nothing else changes."""
    before = provider.get(f"/Users/{okta_user}")
    for active in (False, True):
        reply = provider.send(
            "PATCH",
            f"/Users/{okta_user}",
            {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "value": {"active": active}}],
            },
            OKTA_CONTENT,
        )
        assert reply.status == 200
        assert reply.body["active"] is active
        status = provider.rest("GET", f"/users/{okta_user}").body["status"]
        assert status == ("active" if active else "suspended")
    after = provider.get(f"/Users/{okta_user}")
    assert {**after, "meta": None} == {**before, "meta": None}


def test_okta_deactivates_a_user_by_put(provider: Provisioner, okta_user: str) -> None:
    """Custom integrations send the whole user with active false."""
    user = provider.get(f"/Users/{okta_user}")

    reply = provider.send("PUT", f"/Users/{okta_user}", {**user, "active": False}, OKTA_CONTENT)

    assert reply.status == 200
    assert reply.body["active"] is False
    assert reply.body["externalId"] == OKTA_USER["externalId"]


def test_okta_pushes_a_group(provider: Provisioner) -> None:
    """Okta creates a group, renames it, changes and replaces its members, and deletes it."""
    first, second = two_users(provider)
    created = provider.send(
        "POST",
        "/Groups",
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "Test SCIMv2",
            "members": [],
        },
        OKTA_CONTENT,
    )
    assert created.status == 201
    group = f"/Groups/{created.body['id']}"
    probe = {"filter": 'displayName eq "Test SCIMv2"', "startIndex": 1, "count": 100}
    assert provider.get("/Groups", **probe)["Resources"][0]["id"] == created.body["id"]

    def pushed(*operations: object) -> Any:
        body = {"schemas": [PATCH_OP], "Operations": list(operations)}
        reply = provider.send("PATCH", group, body, OKTA_CONTENT)
        assert reply.status in {200, 204}, reply
        return provider.get(group)

    value = {"id": created.body["id"], "displayName": "Test SCIMv20"}
    renamed = pushed({"op": "replace", "value": value})
    assert renamed["displayName"] == "Test SCIMv20"

    joining = [{"value": first, "display": "test.user@okta.local"}]
    joined = pushed(
        {"op": "remove", "path": f'members[value eq "{second}"]'},
        {"op": "add", "path": "members", "value": joining},
    )
    assert members(joined) == {first}

    swapped = pushed(
        {"op": "remove", "path": f'members[value eq "{first}"]'},
        {"op": "add", "path": "members", "value": [{"value": second, "display": "x"}]},
    )
    assert members(swapped) == {second}

    both = [{"value": one, "display": "test.user@okta.local"} for one in (first, second)]
    assert members(pushed({"op": "replace", "path": "members", "value": both})) == {first, second}
    assert members(pushed({"op": "replace", "path": "members", "value": both[:1]})) == {first}

    assert provider.send("DELETE", group).status == 204
    assert provider.get("/Groups", **probe)["totalResults"] == 0


def test_okta_puts_a_group(provider: Provisioner) -> None:
    """Custom integrations send the whole group, without its id."""
    first, second = two_users(provider)
    group = provider.create("Groups", displayName="Test SCIMv1", members=[{"value": second}])

    reply = provider.send(
        "PUT",
        f"/Groups/{group['id']}",
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "Test SCIMv2",
            "members": [{"value": first, "display": "test.user@okta.local"}],
        },
        OKTA_CONTENT,
    )

    assert reply.status == 200
    assert reply.body["displayName"] == "Test SCIMv2"
    assert members(reply.body) == {first}


def test_entra_discovers_the_schemas(provider: Provisioner) -> None:
    """The schemas are a list without null values, with members of enumerations in camel case."""
    body = provider.get("/Schemas")

    assert body["schemas"] == [LIST_RESPONSE]
    assert body["totalResults"] == len(body["Resources"]) == 2
    assert {schema["id"] for schema in body["Resources"]} == {USER, GROUP}
    assert "None" not in str(body)
    attributes = body["Resources"][0]["attributes"]
    assert {attribute["mutability"] for attribute in attributes} <= {
        *("readOnly", "readWrite", "immutable", "writeOnly")
    }


def test_entra_looks_a_user_up_and_creates_it(provider: Provisioner) -> None:
    """Entra ID finds nobody, creates the user, and finds it by each attribute it matches by."""
    user_name, external_id = ENTRA_USER["userName"], ENTRA_USER["externalId"]
    address = ENTRA_USER["emails"][0]["value"]
    assert provider.found("Users", 'userName eq "non-existent user"') == []
    assert provider.found("Users", f'externalId eq "{external_id}"') == []

    created = provider.send("POST", "/Users", ENTRA_USER)

    assert created.status == 201
    assert created.body["schemas"] == [USER]
    assert created.body["userName"] == user_name
    assert created.body["displayName"] == "givenName familyName"
    assert created.body["name"] == {"familyName": "familyName", "givenName": "givenName"}
    assert created.body["emails"] == [{"value": address, "type": "work"}]
    for filtered in (
        f'userName eq "{user_name}"',
        f'userName eq "{user_name.upper()}"',
        f'externalId eq "{external_id}"',
        f'emails[type eq "work"].value eq "{address}"',
        f'emails[type eq "work" and value eq "{address}"]',
        f'emails.value eq "{address}"',
        f'id eq "{created.body["id"]}" and externalId eq "{external_id}"',
    ):
        assert provider.found("Users", filtered) == [created.body["id"]], filtered


def test_entra_reads_a_user_that_is_gone(provider: Provisioner) -> None:
    """Reading a user by an id that is none of this API's is 404 as a SCIM error."""
    assert_error(provider.send("GET", "/Users/5171a35d82074e068ce2"), 404)
    assert_error(provider.send("GET", f"/Users/{NOBODY}"), 404)


def test_entra_updates_multi_valued_properties(provider: Provisioner, entra_user: str) -> None:
    """Operations with a capital, one with a filter in its path."""
    reply = provider.send(
        "PATCH",
        f"/Users/{entra_user}",
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [
                {
                    "op": "Replace",
                    "path": 'emails[type eq "work"].value',
                    "value": "updatedEmail@microsoft.com",
                },
                {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
            ],
        },
    )

    assert reply.status == 200
    assert reply.body["emails"] == [{"value": "updatedEmail@microsoft.com", "type": "work"}]
    assert reply.body["name"] == {"familyName": "updatedFamilyName", "givenName": "givenName"}
    assert provider.found("Users", 'emails.value eq "updatedemail@microsoft.com"') == [entra_user]


def test_entra_updates_single_valued_properties(provider: Provisioner, entra_user: str) -> None:
    """The userName changes, and the old one is free."""
    reply = provider.send(
        "PATCH",
        f"/Users/{entra_user}",
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [
                {
                    "op": "Replace",
                    "path": "userName",
                    "value": "5b50642d-79fc-4410-9e90-4c077cdd1a59@testuser.com",
                }
            ],
        },
    )

    assert reply.status == 200
    assert reply.body["userName"] == "5b50642d-79fc-4410-9e90-4c077cdd1a59@testuser.com"
    assert provider.found("Users", f'userName eq "{ENTRA_USER["userName"]}"') == []


@pytest.mark.parametrize("value", [False, "False", "false"])
def test_entra_disables_a_user(
    provider: Provisioner,
    entra_user: str,
    value: bool | str,  # noqa: FBT001
) -> None:
    """Booleans also come as strings."""
    reply = provider.send(
        "PATCH",
        f"/Users/{entra_user}",
        {
            "Operations": [{"op": "Replace", "path": "active", "value": value}],
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        },
    )

    assert reply.status == 200
    assert reply.body["active"] is False


def test_entra_adds_what_it_maps_by_default(provider: Provisioner, entra_user: str) -> None:
    """Attributes of the enterprise extension and others that are not kept are ignored."""
    reply = provider.send(
        "PATCH",
        f"/Users/{entra_user}",
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [
                {"op": "Add", "path": "displayName", "value": "Ann Example"},
                {"op": "Add", "path": f"{ENTERPRISE_USER}:department", "value": "Research"},
                {"op": "Replace", "path": f"{ENTERPRISE_USER}:manager", "value": "271"},
                {"op": "Add", "path": "title", "value": "Engineer"},
                {"op": "Replace", "path": "name.givenName", "value": "Ann"},
                {"op": "Replace", "path": "name.formatted", "value": "Ann Other"},
                {
                    "op": "Add",
                    "path": 'phoneNumbers[type eq "mobile"].value',
                    "value": "+1 555 0100",
                },
                {
                    "op": "Add",
                    "path": 'addresses[type eq "work"].formatted',
                    "value": "100 Universal City Plaza",
                },
                {"op": "Remove", "path": "preferredLanguage"},
            ],
        },
    )

    assert reply.status == 200, reply
    assert reply.body["displayName"] == "Ann Example"
    assert reply.body["name"] == {"familyName": "familyName", "givenName": "Ann"}
    assert ENTERPRISE_USER not in reply.body


def test_entra_sends_paths_in_one_value(provider: Provisioner, entra_user: str) -> None:
    """Without its conforming mode, Entra ID sends one operation whose members are paths."""
    reply = provider.send(
        "PATCH",
        f"/Users/{entra_user}",
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [
                {
                    "op": "Replace",
                    "value": {
                        "displayName": "Bjfe",
                        "name.givenName": "Kkom",
                        "name.familyName": "Unua",
                        f"{ENTERPRISE_USER}:employeeNumber": "988",
                        "active": "False",
                    },
                }
            ],
        },
    )

    assert reply.status == 200, reply
    assert reply.body["displayName"] == "Bjfe"
    assert reply.body["name"] == {"givenName": "Kkom", "familyName": "Unua"}
    assert reply.body["active"] is False


def test_entra_creates_with_the_enterprise_extension(provider: Provisioner) -> None:
    """What a new user has of the extension is ignored; the response names what is kept."""
    body = {**ENTRA_USER, ENTERPRISE_USER: {"department": "Research", "employeeNumber": "701984"}}

    created = provider.send("POST", "/Users", body)

    assert created.status == 201
    assert created.body["schemas"] == [USER]
    assert "Research" not in str(created.body)


def test_entra_deletes_a_user(provider: Provisioner, entra_user: str) -> None:
    """The response is 204, and the user is gone."""
    assert provider.send("DELETE", f"/Users/{entra_user}").status == 204
    assert_error(provider.send("GET", f"/Users/{entra_user}"), 404)


def test_entra_provisions_a_group(provider: Provisioner) -> None:
    """Entra ID creates an empty group, reads it without members, renames it and deletes it."""
    created = provider.send("POST", "/Groups", ENTRA_GROUP)
    assert created.status == 201
    assert created.body["schemas"] == [GROUP]
    assert created.body["externalId"] == "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159"
    group = f"/Groups/{created.body['id']}"

    shown = provider.get(group, excludedAttributes="members")
    assert "members" not in shown
    found = provider.get(
        "/Groups", excludedAttributes="members", filter='displayName eq "displayName"'
    )
    assert found["Resources"] == [shown]

    reply = provider.send(
        "PATCH",
        group,
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [
                {
                    "op": "Replace",
                    "path": "displayName",
                    "value": "1879db59-3bdf-4490-ad68-ab880a269474updatedDisplayName",
                }
            ],
        },
    )
    assert reply.status in {200, 204}
    name = "1879db59-3bdf-4490-ad68-ab880a269474updatedDisplayName"
    assert provider.get(group)["displayName"] == name

    assert provider.send("DELETE", group).status == 204


@pytest.mark.parametrize("form", ["a list of values", "a filter in the path"])
def test_entra_adds_and_removes_members(provider: Provisioner, form: str) -> None:
    """Members are removed by a list of values, or by a filter in the path."""
    first, second = two_users(provider)
    group = f"/Groups/{provider.send('POST', '/Groups', ENTRA_GROUP).body['id']}"
    for user_id in (first, second):
        added = {"op": "Add", "path": "members", "value": [{"$ref": None, "value": user_id}]}
        assert provider.patch(group, added).status in {200, 204}
    assert members(provider.get(group)) == {first, second}

    removed: dict[str, Any] = {
        "op": "Remove",
        "path": "members",
        "value": [{"$ref": None, "value": first}],
    }
    if form == "a filter in the path":
        removed = {"op": "Remove", "path": f'members[value eq "{first}"]'}

    assert provider.patch(group, removed).status in {200, 204}
    assert members(provider.get(group)) == {second}
    # Again, which providers do after a lost response.
    assert provider.patch(group, removed).status in {200, 204}
    assert members(provider.get(group)) == {second}


def test_entra_asks_whether_a_user_is_a_member(provider: Provisioner) -> None:
    """A filter by the group's id and a member finds the group, or nothing."""
    first, second = two_users(provider)
    group = provider.create("Groups", displayName="A", members=[{"value": first}])

    def is_member(user_id: str) -> bool:
        filtered = f'id eq "{group["id"]}" and members eq "{user_id}"'
        found = provider.get("/Groups", filter=filtered, attributes="id")
        return bool(found["totalResults"])

    assert is_member(first)
    assert not is_member(second)
