"""Searches: filters, pages and projections, and which filters are refused."""

from typing import Any

import pytest

from tests.scim.provisioner import (
    LIST_RESPONSE,
    SEARCH_REQUEST,
    Provisioner,
    assert_error,
)

NAMES = ("ann", "bob", "cid", "dan")


@pytest.fixture
def ids(provider: Provisioner) -> dict[str, str]:
    """Return the ids of four users by their short names; Dan is suspended and has a userName."""
    found = {}
    for number, name in enumerate(NAMES, 1):
        attributes: dict[str, Any] = {
            "userName": f"{name}@example.com",
            "displayName": f"{name.title()} Example",
            "externalId": f"X{number}",
        }
        if name == "bob":
            attributes["name"] = {"givenName": "Bob", "familyName": "Builder"}
        if name == "dan":
            attributes |= {"userName": "Daniel", "active": False}
            attributes["emails"] = [{"value": "dan@example.com", "type": "work"}]
            del attributes["externalId"]
        found[name] = provider.create("Users", **attributes)["id"]
    return found


@pytest.mark.parametrize(
    ("filtered", "names"),
    [
        ('userName eq "ann@example.com"', ["ann"]),
        ('USERNAME EQ "ANN@EXAMPLE.COM"', ["ann"]),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ann@example.com"', ["ann"]),
        ('userName eq "daniel"', ["dan"]),
        ('userName eq "dan@example.com"', []),
        ('userName ne "daniel"', ["ann", "bob", "cid"]),
        ('userName sw "d"', ["dan"]),
        ('userName co "@example"', ["ann", "bob", "cid"]),
        ('userName ew "IEL"', ["dan"]),
        ('userName gt "bob@example.com"', ["cid", "dan"]),
        ('userName ge "bob@example.com"', ["bob", "cid", "dan"]),
        ('userName lt "bob@example.com"', ["ann"]),
        ('userName le "bob@example.com"', ["ann", "bob"]),
        ('externalId eq "X2"', ["bob"]),
        ('externalId eq "x2"', []),
        ("externalId pr", ["ann", "bob", "cid"]),
        ("not (externalId pr)", ["dan"]),
        ('emails eq "dan@example.com"', ["dan"]),
        ('emails.value eq "dan@example.com"', ["dan"]),
        ('emails[type eq "work" and value sw "d"]', ["dan"]),
        ('emails[type eq "home"]', []),
        ("active eq false", ["dan"]),
        ("active eq true", ["ann", "bob", "cid"]),
        ("active ne true", ["dan"]),
        ('name.familyName eq "builder"', ["bob"]),
        ("name.givenName pr", ["bob"]),
        ('displayName co "example"', list(NAMES)),
        ('displayName sw "b" or displayName sw "c"', ["bob", "cid"]),
        ('not (displayName sw "b") and active eq true', ["ann", "cid"]),
        ('userName eq "ann@example.com" or userName eq "daniel"', ["ann", "dan"]),
        ('userName eq "ann@example.com" and active eq false', []),
        ('(userName sw "a" or userName sw "b") and externalId eq "X2"', ["bob"]),
        ('meta.created gt "2020-01-01T00:00:00Z"', list(NAMES)),
        ('meta.created lt "2020-01-01T00:00:00Z"', []),
        ('meta.lastModified ge "2020-01-01T00:00:00+02:00"', list(NAMES)),
        ('meta.resourceType eq "User"', list(NAMES)),
        ('schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"', list(NAMES)),
        ("userName pr", list(NAMES)),
        ('id eq "none"', []),
        ('userName eq ""', []),
    ],
)
def test_what_a_filter_finds(
    provider: Provisioner, ids: dict[str, str], filtered: str, names: list[str]
) -> None:
    """A filter finds exactly the users that it describes, the oldest first."""
    assert provider.found("Users", filtered) == [ids[name] for name in names]
    assert provider.get("/Users", filter=filtered)["totalResults"] == len(names)


def test_a_user_is_found_by_its_time(provider: Provisioner, ids: dict[str, str]) -> None:
    """Times are compared exactly, whatever bounds the reads."""
    user = provider.get(f"/Users/{ids['bob']}")
    created = user["meta"]["created"]

    found = provider.found("Users", f'meta.created eq "{created}"')
    later = provider.found("Users", f'meta.created gt "{created}"')
    since = provider.found("Users", f'meta.created ge "{created}" and meta.created pr')
    until = provider.found("Users", f'meta.created le "{created}"')

    assert ids["bob"] in found
    assert set(later) == set(ids.values()) - set(until)
    assert set(since) == {*later, *found}
    assert provider.found("Users", f'id eq "{user["id"]}" and meta.created eq "{created}"')


@pytest.mark.parametrize(
    "filtered",
    [
        "userName",
        'userName eq "a',
        "userName eq a",
        "userName eq",
        'userName xx "a"',
        '"a" eq userName',
        '(userName eq "a"',
        'userName eq "a" and',
        'not userName eq "a"',
        "emails[type",
        "",
        " ",
        "(" * 500,
        "active gt true",
        "active co true",
        'meta.created gt "yesterday"',
        'title eq "Boss"',
    ],
)
@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
def test_a_filter_that_is_none_is_400(provider: Provisioner, endpoint: str, filtered: str) -> None:
    """A malformed filter, or one that an attribute's type does not allow, says what is wrong."""
    reply = provider.send("GET", f"/{endpoint}", filter=filtered)

    if reply.status == 200:
        # An attribute that this type of resource has not.
        assert endpoint == "Groups"
        assert filtered.startswith("active")
    else:
        assert_error(reply, 400, "invalidFilter")


@pytest.mark.parametrize(
    ("endpoint", "filtered", "instead"),
    [
        ("Users", 'groups.value eq "grp_1"', "members"),
        ("Users", "groups pr", "members"),
        ("Users", 'active eq true and not (groups.display eq "a")', "members"),
        ("Groups", "members pr", "members.value eq"),
        ("Groups", 'members.value sw "usr_"', "members.value eq"),
        ("Groups", 'displayName eq "a" or members eq "usr_1"', "members.value eq"),
        ("Groups", 'not (members.value eq "usr_1")', "members.value eq"),
    ],
)
def test_a_filter_that_nothing_serves_is_refused(
    provider: Provisioner, endpoint: str, filtered: str, instead: str
) -> None:
    """Where each candidate would cost a read, the error says which filter does not."""
    reply = provider.send("GET", f"/{endpoint}", filter=filtered)

    assert_error(reply, 400, "invalidFilter")
    assert instead in reply.body["detail"]


@pytest.mark.parametrize(
    "filtered",
    [
        'members eq "{ann}"',
        'members.value eq "{ann}"',
        'members[value eq "{ann}"]',
        'members.value eq "{ann}" and displayName sw "s"',
        'displayName eq "staff"',
        'externalId eq "g1"',
        'displayName sw "S" and externalId pr',
        'id eq "{group}"',
    ],
)
def test_what_a_filter_finds_of_groups(
    provider: Provisioner, ids: dict[str, str], filtered: str
) -> None:
    """Groups are found by name, externalId and member."""
    listed = [{"value": ids["ann"]}, {"value": ids["bob"]}]
    group = provider.create("Groups", displayName="Staff", externalId="g1", members=listed)
    provider.create("Groups", displayName="Others", members=[{"value": ids["cid"]}])

    written = filtered.format(ann=ids["ann"], group=group["id"])
    assert provider.found("Groups", written) == [group["id"]]


def test_pages_hold_everything_once(provider: Provisioner, ids: dict[str, str]) -> None:
    """Pages by startIndex and count follow each other, the oldest first."""
    found = []
    for start in (1, 3, 5):
        page = provider.get("/Users", startIndex=start, count=2)
        assert page["schemas"] == [LIST_RESPONSE]
        assert page["totalResults"] == 4
        assert page["startIndex"] == start
        assert page["itemsPerPage"] == len(page["Resources"])
        found += [one["id"] for one in page["Resources"]]
    assert found == list(ids.values())


@pytest.mark.parametrize(
    ("query", "start", "number"),
    [
        ({"count": 0}, 1, 0),
        ({"count": -5}, 1, 0),
        ({"startIndex": 0}, 1, 4),
        ({"startIndex": -3}, 1, 4),
        ({"startIndex": 4}, 4, 1),
        ({"startIndex": 5}, 5, 0),
        ({"startIndex": 10**12}, 10**12, 0),
        ({"count": 10**9}, 1, 4),
    ],
)
def test_the_bounds_of_pages(
    provider: Provisioner, ids: dict[str, str], query: dict[str, int], start: int, number: int
) -> None:
    """Values out of bounds are taken as the nearest that makes sense (RFC 7644 §3.4.2.4)."""
    page = provider.get("/Users", **query)

    assert page["totalResults"] == len(ids)
    assert page["startIndex"] == start
    assert len(page.get("Resources", ())) == number


@pytest.mark.parametrize("query", [{"count": "x"}, {"startIndex": "1.5"}, {"count": "9" * 5000}])
def test_a_page_that_is_none_is_400(provider: Provisioner, query: dict[str, str]) -> None:
    """What is no number is refused."""
    reply = provider.send("GET", "/Users", None, None, **query)
    assert_error(reply, 400, "invalidValue")


def test_a_page_is_bounded(provider: Provisioner) -> None:
    """No more comes at once than the configuration tells, whatever the client asks for."""
    most = provider.get("/ServiceProviderConfig")["filter"]["maxResults"]
    for number in range(most + 1):
        provider.create("Groups", displayName=f"Group {number}")

    page = provider.get("/Groups", count=most * 2)

    assert page["totalResults"] == most + 1
    assert page["itemsPerPage"] == len(page["Resources"]) == most


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"attributes": "userName"}, {"userName"}),
        ({"attributes": "userName,displayName"}, {"userName", "displayName"}),
        ({"attributes": "USERNAME"}, {"userName"}),
        (
            {"attributes": "urn:ietf:params:scim:schemas:core:2.0:User:active"},
            {"active"},
        ),
        ({"attributes": "name.givenName"}, {"name"}),
        ({"attributes": "emails.value"}, {"emails"}),
        ({"attributes": "meta.version"}, {"meta"}),
        ({"attributes": "title"}, set()),
        (
            {"excludedAttributes": "emails,name,meta"},
            {"userName", "displayName", "active", "externalId"},
        ),
        (
            {"excludedAttributes": "id,name.givenName"},
            {"userName", "displayName", "active", "externalId", "emails", "name", "meta"},
        ),
    ],
)
def test_projections(
    provider: Provisioner, ids: dict[str, str], query: dict[str, str], shown: set[str]
) -> None:
    """A response has the attributes that were asked for, and always id and schemas."""
    one = provider.get(f"/Users/{ids['bob']}", **query)
    (listed,) = provider.get("/Users", filter='externalId eq "X2"', **query)["Resources"]

    assert one.keys() == {"id", "schemas", *shown}
    assert listed == one
    if query.get("attributes") == "name.givenName":
        assert one["name"] == {"givenName": "Bob"}


def test_attributes_both_ways_are_refused(provider: Provisioner, ids: dict[str, str]) -> None:
    """The two parameters exclude each other (RFC 7644 §3.9)."""
    query = {"attributes": "userName", "excludedAttributes": "name"}
    assert_error(
        provider.send("GET", f"/Users/{ids['ann']}", None, None, **query), 400, "invalidValue"
    )


def test_a_search_by_post(provider: Provisioner, ids: dict[str, str]) -> None:
    """`.search` takes the parameters in its body, and finds what GET finds."""
    body = {
        "schemas": [SEARCH_REQUEST],
        "filter": "active eq true",
        "startIndex": 2,
        "count": 1,
        "attributes": ["userName"],
    }

    posted = provider.send("POST", "/Users/.search", body)

    assert posted.status == 200
    assert posted.body == provider.get(
        "/Users", filter="active eq true", startIndex=2, count=1, attributes="userName"
    )
    assert [one["id"] for one in posted.body["Resources"]] == [ids["bob"]]
    assert posted.body["totalResults"] == 3


def test_a_search_of_all_resources(provider: Provisioner, ids: dict[str, str]) -> None:
    """`.search` at the root finds users and groups (RFC 7644 §3.4.3)."""
    group = provider.create("Groups", displayName="Staff", externalId="X2")
    body = {"schemas": [SEARCH_REQUEST], "filter": 'externalId eq "X2"'}

    reply = provider.send("POST", "/.search", body)

    assert reply.status == 200
    assert {one["id"] for one in reply.body["Resources"]} == {ids["bob"], group["id"]}


def test_sorting_is_refused(provider: Provisioner) -> None:
    """The configuration says that nothing is sorted, and a request for it is 501 (§3.12)."""
    assert provider.get("/ServiceProviderConfig")["sort"] == {"supported": False}
    assert_error(provider.send("GET", "/Users", None, None, sortBy="userName"), 501)


def test_discovery_cannot_be_filtered(provider: Provisioner) -> None:
    """A filter of schemas, resource types or the configuration is 403 (RFC 7644 §4)."""
    for path in ("/Schemas", "/ResourceTypes", "/ServiceProviderConfig"):
        assert_error(provider.send("GET", path, None, None, filter='id eq "a"'), 403)


def test_discovery_tells_the_truth(provider: Provisioner) -> None:
    """What is announced as supported is, and each location leads to what it names."""
    config = provider.get("/ServiceProviderConfig")
    for name in ("patch", "bulk", "filter", "etag"):
        assert config[name]["supported"] is True, name
    for name in ("sort", "changePassword"):
        assert config[name]["supported"] is False, name
    assert [one["type"] for one in config["authenticationSchemes"]] == ["oauthbearertoken"]

    types = provider.get("/ResourceTypes")["Resources"]
    schemas = provider.get("/Schemas")["Resources"]
    assert {one["endpoint"] for one in types} == {"/Users", "/Groups"}
    assert {one["schema"] for one in types} == {one["id"] for one in schemas}
    for one in (*types, *schemas):
        path = one["meta"]["location"].partition("/scim/v2")[2]
        assert provider.get(path) == one
