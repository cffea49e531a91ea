"""Bulk requests (RFC 7644 §3.7)."""

from typing import Any

import pytest

from tests.scim.provisioner import (
    BULK_RESPONSE,
    Provisioner,
    assert_error,
    bulk_of,
    members,
    patch_of,
    resource,
)
from tests.support.served import Reply


def post(number: int, bulk_id: str | None = None, **attributes: object) -> dict[str, Any]:
    """Return the operation that creates a user."""
    data = resource("Users", **{"userName": f"user{number}@example.com", **attributes})
    operation = {"method": "POST", "path": "/Users", "bulkId": bulk_id or f"b{number}"}
    return {**operation, "data": data}


def sent(provider: Provisioner, *operations: dict[str, Any], **more: object) -> Reply:
    """Send a bulk request."""
    return provider.send("POST", "/Bulk", bulk_of(*operations, **more))


def results(reply: Reply) -> list[Any]:
    """Return the results of a bulk request that was carried out."""
    assert reply.status == 200, reply
    assert reply.body["schemas"] == [BULK_RESPONSE]
    listed: list[Any] = reply.body["Operations"]
    return listed


def test_operations_of_every_method(provider: Provisioner) -> None:
    """Each operation has the effect and the status of the request that it stands for."""
    users = [provider.create("Users", userName=f"u{n}@example.com") for n in range(3)]
    paths = [f"/Users/{user['id']}" for user in users]
    put = resource("Users", userName="put@example.com", displayName="Put", active=True)
    suspend = patch_of({"op": "Replace", "path": "active", "value": "False"})

    done = results(
        sent(
            provider,
            post(1),
            {"method": "PUT", "path": paths[0], "data": put},
            {"method": "PATCH", "path": paths[1], "data": suspend},
            {"method": "DELETE", "path": paths[2]},
        )
    )

    assert [one["status"] for one in done] == ["201", "200", "200", "204"]
    assert [one["method"] for one in done] == ["POST", "PUT", "PATCH", "DELETE"]
    assert done[0]["bulkId"] == "b1"
    created = done[0]["location"].partition("/scim/v2")[2]
    assert provider.get(created)["userName"] == "user1@example.com"
    assert done[0]["version"] == 'W/"1"'
    assert provider.get(paths[0])["displayName"] == "Put"
    assert done[1]["version"] == provider.get(paths[0])["meta"]["version"] == 'W/"2"'
    assert provider.get(paths[1])["active"] is False
    assert provider.send("GET", paths[2]).status == 404


def test_a_group_of_users_that_are_created_with_it(provider: Provisioner) -> None:
    """References by bulkId are resolved, also to what comes later in the request."""
    listed = [{"value": "bulkId:b1"}, {"value": "bulkId:b2"}]
    group = {
        "method": "POST",
        "path": "/Groups",
        "bulkId": "g",
        "data": resource("Groups", displayName="Staff", members=listed),
    }

    done = results(sent(provider, post(1), group, post(2)))

    assert {one["status"] for one in done} == {"201"}
    (found,) = provider.found("Groups", 'displayName eq "Staff"')
    users = set(provider.found("Users", "userName pr"))
    assert len(users) == 2
    assert members(provider.get(f"/Groups/{found}")) == users


def test_a_patch_of_what_is_created_in_the_same_request(provider: Provisioner) -> None:
    """A path may hold a bulkId, and a member of a PATCH too."""
    group = provider.create("Groups", displayName="Staff")
    join = patch_of({"op": "add", "path": "members", "value": [{"value": "bulkId:b1"}]})

    done = results(
        sent(
            provider,
            post(1),
            {"method": "PATCH", "path": f"/Groups/{group['id']}", "data": join},
        )
    )

    assert [one["status"] for one in done] in (["201", "200"], ["201", "204"])
    assert len(members(provider.get(f"/Groups/{group['id']}"))) == 1


def test_an_unknown_reference_is_an_error(provider: Provisioner) -> None:
    """What refers to nothing is refused with the operation, and the others are carried out."""
    data = resource("Groups", displayName="Staff", members=[{"value": "bulkId:none"}])
    group = {"method": "POST", "path": "/Groups", "bulkId": "g", "data": data}

    done = results(sent(provider, group, post(1)))

    assert [one["status"] for one in done] == ["409", "201"]
    assert provider.get("/Groups")["totalResults"] == 0


def test_a_failure_stops_nothing_by_default(provider: Provisioner) -> None:
    """Each operation has its own error, and those after it are carried out."""
    first = provider.create("Users", userName="user1@example.com")
    done = results(
        sent(
            provider,
            post(1),
            post(2, userName=""),
            {"method": "DELETE", "path": "/Users/none"},
            {
                "method": "PATCH",
                "path": f"/Users/{first['id']}",
                "version": 'W/"9"',
                "data": patch_of({"op": "replace", "value": {"active": False}}),
            },
            post(3),
        )
    )

    assert [one["status"] for one in done] == ["409", "400", "404", "412", "201"]
    assert done[0]["response"]["scimType"] == "uniqueness"
    assert done[1]["response"]["scimType"] == "invalidValue"
    assert all("response" in one for one in done[:4])
    assert "location" not in done[0]
    assert provider.get("/Users")["totalResults"] == 2


@pytest.mark.parametrize(("fail_on_errors", "carried_out"), [(1, 1), (2, 3), (5, 5)])
def test_fail_on_errors(provider: Provisioner, fail_on_errors: int, carried_out: int) -> None:
    """After so many errors the rest is left, and what was done stays."""
    provider.create("Users", userName="user1@example.com")

    done = results(
        sent(provider, post(1), post(2), post(1), post(3), post(4), failOnErrors=fail_on_errors)
    )

    assert len(done) == carried_out
    created = [one for one in done if one["status"] == "201"]
    assert provider.get("/Users")["totalResults"] == 1 + len(created)


def test_the_limits_that_are_announced_hold(provider: Provisioner) -> None:
    """One operation or one byte more is 413, with the limit in the error, and nothing is done."""
    config = provider.get("/ServiceProviderConfig")["bulk"]
    most = config["maxOperations"]

    assert len(results(sent(provider, *(post(number) for number in range(most))))) == most
    too_many = sent(provider, *(post(number) for number in range(most, 2 * most + 1)))
    assert_error(too_many, 413)
    assert str(most) in too_many.body["detail"]

    size = config["maxPayloadSize"]
    too_large = sent(provider, post(most, displayName="a" * size))
    assert_error(too_large, 413)
    assert str(size) in too_large.body["detail"]
    assert provider.get("/Users")["totalResults"] == most


@pytest.mark.parametrize(
    "operation",
    [
        {"method": "POST", "path": "/Users", "data": {}},
        {"method": "POST", "path": "/Users", "bulkId": "a"},
        {"method": "POST", "path": "/Users/usr_1", "bulkId": "a", "data": {}},
        {"method": "POST", "path": "/Nothing", "bulkId": "a", "data": {}},
        {"method": "POST", "path": "/Bulk", "bulkId": "a", "data": {}},
        {"method": "POST", "bulkId": "a", "data": {}},
        {"method": "PUT", "path": "/Users", "data": {}},
        {"method": "DELETE", "path": "/Users"},
        {"method": "GET", "path": "/Users"},
        {"method": "FOO", "path": "/Users"},
        {"path": "/Users"},
        {"method": "PATCH", "path": "/Users/usr_1", "data": {"Operations": 1}},
        {"method": "DELETE", "path": "/Users/" + "a" * 5000},
        {"method": "DELETE", "path": "\0"},
        {"method": "DELETE", "path": "https://example.com/Users/1"},
        None,
        1,
        [],
    ],
)
def test_an_operation_that_is_none(provider: Provisioner, operation: Any) -> None:
    """The error is the client's: of the operation, or of the whole request."""
    reply = sent(provider, operation)

    if reply.status == 200:
        (result,) = reply.body["Operations"]
        assert result["status"] in {"400", "404", "405"}, reply
    else:
        assert_error(reply, 400, reply.body.get("scimType"))
    assert provider.get("/Users")["totalResults"] == 0


@pytest.mark.parametrize("value", [0, -1, "x", None, 1.5])
def test_fail_on_errors_that_is_no_number(provider: Provisioner, value: object) -> None:
    """A malformed failOnErrors fails nothing but the request."""
    reply = sent(provider, post(1), failOnErrors=value)

    assert reply.status in {200, 400}
    assert reply.headers["Content-Type"] == "application/scim+json"


def test_the_same_user_twice(provider: Provisioner) -> None:
    """A request that creates a user twice creates it once."""
    done = results(sent(provider, post(1, "a"), post(1, "b")))

    assert [one["status"] for one in done] == ["201", "409"]
