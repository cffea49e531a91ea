"""What HTTP does for every resource of the API, from the resources' descriptions and cases."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.domain.registry import RESOURCES
from chalicelib.security.permissions import PERMISSIONS
from chalicelib.web.problem_details import type_of
from tests.support.resource_case import Body, ResourceCase, an_id, parents_of, resource_cases
from tests.support.served import Reply, Served, bearer, served

ADMIN = bearer("boss", roles=["admin"])
CASES = resource_cases()
STRANGERS: Body = {"unknown": 1, "id": "1", "__class__": "x", "PK": "x"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
# No route can be declared without a row here.
ROUTES = frozenset(PERMISSIONS)
CHANGES = [
    (case, method)
    for case in CASES
    for method in ("PUT", "PATCH", "DELETE")
    if (method, case.item) in ROUTES
]


def routed(method: str) -> pytest.MarkDecorator:
    """Return the mark that runs a test for each case whose entity has a route with the method."""
    cases = [case for case in CASES if (method, case.item) in ROUTES]
    return pytest.mark.parametrize("case", cases, ids=str)


each = pytest.mark.parametrize("case", CASES, ids=str)


def ids_of_parents(api: Served, case: ResourceCase) -> dict[str, str]:
    """Return the ids of new entities for the path of the case's collection."""
    return api.ids_in(case.collection)


def created(api: Served, case: ResourceCase, ids: dict[str, str]) -> str:
    """Create an entity and return its path."""
    return f"{case.collection.format(**ids)}/{api.new(case, ids)}"


def as_admin(api: Served, method: str, path: str, body: object = None, **headers: str) -> Reply:
    """Send a request as an administrator; names of headers have underscores for hyphens."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.call(method, path, ADMIN, body, fields)


def problem(reply: Reply) -> tuple[int, str]:
    """Return the status and the type of a problem."""
    return reply.status, reply.body["type"]


def merged(target: Any, patch: Any) -> Any:
    """Return the target with a merge patch applied, as RFC 7396 §2 defines it."""
    if not isinstance(patch, dict):
        return patch
    found = {**target} if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def without(body: Body, *names: str) -> Body:
    """Return the body without some members."""
    return {name: value for name, value in body.items() if name not in names}


def test_every_resource_has_a_case(api: Served) -> None:
    """Each resource with routes of its own has a module in tests.resources; no others have one."""
    collections = {path.rpartition("/")[2] for _, path in api.routes}
    routed = [resource.name for resource in RESOURCES if resource.name in collections]
    assert sorted(map(str, CASES)) == sorted(routed)
    assert all(case.resource in RESOURCES for case in CASES)


@each
def test_every_resource_is_routed(api: Served, case: ResourceCase) -> None:
    """The paths of a resource follow from its name and its parent; the case has what they take."""
    routes = {(method, path) for method, path in api.routes if method != "HEAD"}
    parent = next((one for one in CASES if one.resource is case.resource.parent), None)
    assert case.collection == f"{parent.item if parent else ''}/{case.resource.name}"
    assert {("POST", case.collection), ("GET", case.collection), ("GET", case.item)} <= routes
    with_bodies = {
        (method, path)
        for method, path in routes
        if path in {case.collection, case.item} and method in {"POST", "PUT", "PATCH"}
    }
    assert case.bodies(1).keys() == with_bodies


@each
def test_creation(api: Served, case: ResourceCase) -> None:
    """A creation is 201 with the location, the entity tag and all that the server sets."""
    ids = ids_of_parents(api, case)
    path = case.collection.format(**ids)
    body = case.creation(1)

    reply = as_admin(api, "POST", path, body)

    own_id = reply.body[case.resource.id_field]
    assert reply.status == 201
    assert reply.headers["Location"].endswith(f"{path}/{own_id}")
    assert (reply.headers["ETag"], reply.body["version"]) == ('"1"', 1)
    assert reply.body["created_at"] == reply.body["updated_at"]
    assert set(case.read_only) - case.resource.optional <= reply.body.keys()
    assert {**reply.body, **ids, **body} == reply.body
    found = as_admin(api, "GET", f"{path}/{own_id}")
    assert {**reply.body, **found.body} == reply.body
    assert set(case.resource.fields) - case.resource.optional <= found.body.keys()
    assert found.body.keys() <= set(case.resource.fields)


@each
def test_invalid_bodies(api: Served, case: ResourceCase) -> None:
    """An invalid body is 422 with a pointer to each invalid member, and creates nothing."""
    assert case.invalid
    path = case.collection.format(**ids_of_parents(api, case))
    for body, pointers in case.invalid:
        reply = as_admin(api, "POST", path, body)
        assert problem(reply) == (422, "/problems/invalid-body")
        assert {error["pointer"] for error in reply.body["errors"]} == pointers, body
    assert as_admin(api, "GET", path).body[case.resource.name] == []


@each
def test_members_that_clients_may_not_send(api: Served, case: ResourceCase) -> None:
    """Unknown and read-only members of every body are 422, each with a pointer and a reason."""
    ids = ids_of_parents(api, case)
    item = created(api, case, ids)
    before = as_admin(api, "GET", item).body
    set_by_server = {name: before.get(name, "x") for name in case.read_only}

    for (method, template), body in case.bodies(7).items():
        path = item if template == case.item else case.collection.format(**ids)
        reply = as_admin(api, method, path, {**body, **set_by_server, **STRANGERS})
        details = {error["pointer"]: error["detail"] for error in reply.body["errors"]}
        assert problem(reply) == (422, "/problems/invalid-body")
        assert details == {
            **{f"/{name}": "Is set by the server; leave it out." for name in set_by_server},
            **{f"/{name}": "Is not a known member; leave it out." for name in STRANGERS},
        }
    assert as_admin(api, "GET", item).body == before


@each
def test_conditional_reads(api: Served, case: ResourceCase) -> None:
    """A GET with the current entity tag is 304 without a body, and with another one 200.

    An entity that does not exist is 404, whatever the condition.
    """
    item = created(api, case, ids_of_parents(api, case))

    for current in ('"1"', 'W/"1"', '"7", "1"', "*"):
        reply = as_admin(api, "GET", item, If_None_Match=current)
        assert (reply.status, reply.body, reply.headers["ETag"]) == (304, None, '"1"')
    for other in ('"2"', '"x"'):
        reply = as_admin(api, "GET", item, If_None_Match=other)
        assert (reply.status, reply.headers["ETag"]) == (200, '"1"')
        assert reply.body["version"] == 1
    missing = f"{item.rpartition('/')[0]}/{an_id(case)}"
    for condition in ('"1"', "*"):
        reply = as_admin(api, "GET", missing, If_None_Match=condition, If_Match=condition)
        assert problem(reply) == (404, type_of(case.resource.not_found))


@routed("PATCH")
def test_a_merge_patch(api: Served, case: ResourceCase) -> None:
    """A PATCH changes what it names and nothing else, in either media type (RFC 7396)."""
    item = created(api, case, ids_of_parents(api, case))
    before = as_admin(api, "GET", item).body
    assert merged(before, case.patch) != before

    first = as_admin(api, "PATCH", item, case.patch)
    second = as_admin(api, "PATCH", item, {}, **MERGE_PATCH)

    for version, patch, reply in ((2, case.patch, first), (3, {}, second)):
        expected = merged(before, patch) | {"version": version}
        assert reply.status == 200
        assert without(reply.body, "updated_at") == without(expected, "updated_at")
        assert reply.headers["ETag"] == f'"{version}"'
        before = reply.body
    assert as_admin(api, "GET", item).body == second.body


@routed("PATCH")
def test_null_removes_what_is_optional(api: Served, case: ResourceCase) -> None:
    """A PATCH with null removes an optional member, and is 422 for a required one."""
    ids = ids_of_parents(api, case)
    item = created(api, case, ids)
    before = as_admin(api, "GET", item).body
    assert case.patch is not None

    for name in sorted(case.creation(1).keys() & case.resource.fields.keys()):
        reply = as_admin(api, "PATCH", item, {name: None})
        if name in case.resource.optional:
            assert reply.status == 200
            assert name not in reply.body
            restored = as_admin(api, "PATCH", item, {name: before[name]})
            assert restored.body[name] == before[name]
        elif isinstance(before[name], dict):
            assert reply.body[name] == {}
        else:
            assert reply.status == 422
            assert [error["pointer"] for error in reply.body["errors"]] == [f"/{name}"]


@routed("PUT")
def test_a_replacement(api: Served, case: ResourceCase) -> None:
    """A PUT sets all that clients may set; a second one changes only version and time."""
    item = created(api, case, ids_of_parents(api, case))
    assert case.replacement is not None
    body = case.replacement(7)

    first, second = (as_admin(api, "PUT", item, body) for _ in range(2))

    assert (first.status, first.headers["ETag"]) == (200, '"2"')
    assert {**first.body, **body} == first.body
    changing = ("version", "updated_at")
    assert without(second.body, *changing) == without(first.body, *changing)
    assert second.body["version"] == 3
    missing = f"{item.rpartition('/')[0]}/{an_id(case)}"
    assert problem(as_admin(api, "PUT", missing, body)) == (404, type_of(case.resource.not_found))


@pytest.mark.parametrize(("case", "method"), CHANGES, ids=str)
def test_conditional_changes(api: Served, case: ResourceCase, method: str) -> None:
    """A change with a stale entity tag is 412 and changes nothing; with the current one it is made.

    An entity that does not exist is 404, whatever the condition.
    """
    item = created(api, case, ids_of_parents(api, case))
    body = case.bodies(7).get((method, case.item))
    before = as_admin(api, "GET", item)

    for stale in ('"2"', 'W/"1"', '"x"'):
        reply = as_admin(api, method, item, body, If_Match=stale, If_None_Match=stale)
        assert problem(reply) == (412, "/problems/version-mismatch")
    assert as_admin(api, "GET", item).stable == before.stable
    assert as_admin(api, method, item, body, If_Match='"7", "1"').status in {200, 204}
    missing = f"{item.rpartition('/')[0]}/{an_id(case)}"
    for condition in ('"1"', "*"):
        reply = as_admin(api, method, missing, body, If_Match=condition, If_None_Match=condition)
        assert problem(reply) == (404, type_of(case.resource.not_found))


@routed("DELETE")
def test_deletion(api: Served, case: ResourceCase) -> None:
    """A deletion is 204 without a body; then the entity is 404, and its values are free."""
    ids = ids_of_parents(api, case)
    collection, body = case.collection.format(**ids), case.creation(7)
    item = f"{collection}/{as_admin(api, 'POST', collection, body).body[case.resource.id_field]}"

    reply = as_admin(api, "DELETE", item)

    assert (reply.status, reply.body) == (204, None)
    for method in ("GET", "DELETE"):
        found = as_admin(api, method, item)
        assert problem(found) == (404, type_of(case.resource.not_found))
    assert as_admin(api, "GET", collection).body[case.resource.name] == []
    assert as_admin(api, "POST", collection, body).status == 201


@each
def test_idempotent_creation(api: Served, case: ResourceCase) -> None:
    """A repeated creation is replayed, also after a change; another body with the key is 422."""
    ids = ids_of_parents(api, case)
    path, body = case.collection.format(**ids), case.creation(7)
    first = as_admin(api, "POST", path, body, Idempotency_Key="a key")
    item = f"{path}/{first.body[case.resource.id_field]}"
    if case.patch is not None:
        as_admin(api, "PATCH", item, case.patch)

    again = as_admin(api, "POST", path, dict(reversed(body.items())), Idempotency_Key="a key")

    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    for name in ("ETag", "Location", "Content-Type", "Cache-Control"):
        assert again.headers[name] == first.headers[name]
    assert len(as_admin(api, "GET", path).body[case.resource.name]) == 1
    reply = as_admin(api, "POST", path, other_body(case), Idempotency_Key="a key")
    assert problem(reply) == (422, "/problems/idempotency-key-reused")
    if ("DELETE", case.item) in ROUTES:
        as_admin(api, "DELETE", item)
        for repeated in (body, other_body(case)):
            reply = as_admin(api, "POST", path, repeated, Idempotency_Key="a key")
            assert problem(reply) == (410, "/problems/creation-undone")
        assert as_admin(api, "GET", path).body[case.resource.name] == []
        assert as_admin(api, "POST", path, body, Idempotency_Key="another").status == 201
    else:
        again = as_admin(api, "POST", path, body, Idempotency_Key="another")
        assert again.status in {201, 409}


def other_body(case: ResourceCase) -> Body:
    """Return a valid body of POST that differs from `case.creation(7)`."""
    body = case.creation(8)
    return body if body != case.creation(7) else {**body, **(case.patch or {})}


@each
def test_pages(api: Served, case: ResourceCase) -> None:
    """Pages of one entity show all of them, newest or oldest first, with links to the next one."""
    ids = ids_of_parents(api, case)
    path = case.collection.format(**ids)
    made = [api.new(case, ids) for _ in range(3)]

    for order, expected in (("asc", made), ("desc", made[::-1])):
        seen = []
        target = f"{path}?limit=1&order={order}"
        while target:
            reply = as_admin(api, "GET", target)
            assert reply.status == 200
            assert reply.body.keys() == {case.resource.name, "next_cursor"}
            assert "ETag" not in reply.headers
            seen += [entity[case.resource.id_field] for entity in reply.body[case.resource.name]]
            cursor = reply.body["next_cursor"]
            link = reply.headers.get("Link", "")
            assert (cursor is None) is (link == "")
            target = f"{path}{link[1:].partition('>')[0]}" if cursor else ""
            assert cursor is None or urlencode({"cursor": cursor}) in target
        assert seen == expected
    for parameter in ("limit=0", "limit=x", "order=up", "created_after=x"):
        reply = as_admin(api, "GET", f"{path}?{parameter}")
        assert problem(reply) == (400, "/problems/invalid-parameter")


@each
def test_cursors_are_bound_to_their_list(api: Served, case: ResourceCase) -> None:
    """A cursor is 400 for another order or filter, for another parent's list, and for others."""
    first, second = (ids_of_parents(api, case) for _ in range(2))
    for ids in (first, first, second, second):
        api.new(case, ids)
    path = case.collection.format(**first)
    cursor = as_admin(api, "GET", f"{path}?limit=1").body["next_cursor"]
    refused = [f"{path}?cursor={cursor}&order=asc", f"{path}?cursor={cursor[:-1]}"]
    refused.append(f"{path}?cursor={cursor}&created_after=2020-01-01T00:00:00Z")
    if case.resource.parent:
        refused.append(f"{case.collection.format(**second)}?cursor={cursor}")
    refused += [
        f"{other.collection.format(**api.ids_in(other.item))}?cursor={cursor}"
        for other in CASES
        if other is not case
    ]

    for target in refused:
        assert problem(as_admin(api, "GET", target)) == (400, "/problems/invalid-cursor"), target
    assert as_admin(api, "GET", f"{path}?limit=9&cursor={cursor}").status == 200


@each
def test_every_resource_has_a_history(api: Served, case: ResourceCase) -> None:
    """Each accepted change is in the history of its entity, paged as lists are."""
    ids = ids_of_parents(api, case)
    item = created(api, case, ids)
    expected: list[tuple[str, list[str]]] = [("created", [])]
    for (method, template), body in [*case.bodies(7).items()] * 3:
        if template == case.item:
            assert as_admin(api, method, item, body, If_Match='"99"').status == 412
            assert as_admin(api, method, item, STRANGERS).status == 422
            assert as_admin(api, method, item, body).status == 200
            expected.append(("changed", sorted(body)))
    if ("DELETE", case.item) in ROUTES and as_admin(api, "DELETE", item).status == 204:
        expected.append(("deleted", []))
    path = f"{item}/history"
    whole = as_admin(api, "GET", f"{path}?limit=100&order=asc").body["history"]
    assert [entry["version"] for entry in whole] == [*range(1, len(expected) + 1)]
    # A replacement also sets what it leaves out.
    assert [entry["action"] for entry in whole] == [action for action, _ in expected]
    for entry, (_, fields) in zip(whole, expected, strict=True):
        assert set(fields) <= set(entry["fields"]) <= case.resource.fields.keys()
    assert {entry["by"] for entry in whole} == {"boss"}

    for order, ordered in (("asc", whole), ("desc", whole[::-1])):
        seen = []
        target = f"{path}?limit=1&order={order}"
        while target:
            reply = as_admin(api, "GET", target)
            assert (reply.status, len(reply.body["history"])) == (200, 1)
            seen += reply.body["history"]
            cursor = reply.body["next_cursor"]
            link = reply.headers.get("Link", "")
            assert (cursor is None) is (link == "")
            target = f"{path}{link[1:].partition('>')[0]}" if cursor else ""
        assert seen == ordered


@each
def test_cursors_of_a_history_are_its_own(api: Served, case: ResourceCase) -> None:
    """A cursor is 400 for another entity's history, another order, and when it was altered."""
    ids = ids_of_parents(api, case)
    items = [created(api, case, ids) for _ in range(2)]
    for item in items:
        as_admin(api, "PATCH", item, {})
    cursor = as_admin(api, "GET", f"{items[0]}/history?limit=1").body["next_cursor"]
    altered = f"{cursor[:-1]}{'A' if cursor[-1] != 'A' else 'B'}"
    refused = [
        f"{items[1]}/history?cursor={cursor}",
        f"{items[0]}/history?cursor={cursor}&order=asc",
        f"{items[0]}/history?cursor={altered}",
        f"{case.collection.format(**ids)}?cursor={cursor}",
    ]

    for target in refused:
        assert problem(as_admin(api, "GET", target)) == (400, "/problems/invalid-cursor"), target
    assert as_admin(api, "GET", f"{items[0]}/history?cursor={cursor}&limit=5").status == 200
    for parameter in ("limit=0", "limit=101", "order=up"):
        reply = as_admin(api, "GET", f"{items[0]}/history?{parameter}")
        assert problem(reply) == (400, "/problems/invalid-parameter")


@pytest.mark.parametrize(
    "odd",
    ["x", "{}", "{}" + "g" * 32, "{}" + "0" * 33, "{}" + "0" * 3000, "%00" * 500, "%00", "%FF"],
)
@each
def test_malformed_ids(api: Served, case: ResourceCase, odd: str) -> None:
    """A malformed id, however long, in any place of a path is the 404 of what it would name."""
    ids = api.ids_in(case.item)
    for place in parents_of(case):
        malformed = {**ids, place.resource.id_field: odd.replace("{}", place.resource.prefix)}
        for method, path in sorted(ROUTES):
            if path in {case.collection, case.item} and f"{{{place.resource.id_field}}}" in path:
                body = case.bodies(7).get((method, path))
                reply = as_admin(api, method, path.format(**malformed), body)
                assert problem(reply) == (404, type_of(place.resource.not_found)), (method, path)


@pytest.mark.parametrize("case", [case for case in CASES if case.resource.parent], ids=str)
def test_the_path_of_another_parent(api: Served, case: ResourceCase) -> None:
    """An entity is 404 under another parent, as one that does not exist, and stays as it is."""
    first, second = (ids_of_parents(api, case) for _ in range(2))
    item = created(api, case, first)
    before = as_admin(api, "GET", item)
    elsewhere = f"{case.collection.format(**second)}/{item.rpartition('/')[2]}"
    nowhere = f"{case.collection.format(**second)}/{an_id(case)}"

    for method, path in sorted(ROUTES):
        if path == case.item:
            body = case.bodies(7).get((method, path))
            reply = as_admin(api, method, elsewhere, body)
            assert reply.status == 404
            assert reply.stable == as_admin(api, method, nowhere, body).stable
    assert as_admin(api, "GET", case.collection.format(**second)).body[case.resource.name] == []
    assert as_admin(api, "GET", item).stable == before.stable


@pytest.mark.parametrize("case", [case for case in CASES if case.resource.parent], ids=str)
def test_a_parent_that_does_not_exist(api: Served, case: ResourceCase) -> None:
    """Under a parent that does not exist, to create and to list is the parent's 404."""
    parent = next(one for one in CASES if one.resource is case.resource.parent)
    path = case.collection.format(**{parent.resource.id_field: an_id(parent)})

    for method, body in (("POST", case.creation(7)), ("GET", None)):
        reply = as_admin(api, method, path, body)
        assert problem(reply) == (404, type_of(parent.resource.not_found))


@each
def test_the_document(case: ResourceCase) -> None:
    """The document has each operation with its tag, its links and the problems that it can have."""
    with served() as api:
        document = api.call("GET", "/openapi.json").body
    own = [
        (method, path) for method, path in sorted(ROUTES) if path in {case.collection, case.item}
    ]
    operations = {(m, p): document["paths"][p][m.lower()] for m, p in own}
    tag = case.resource.name.capitalize()
    assert {"name": tag, "description": case.resource.description} in document["tags"]
    entity = document["components"]["schemas"][case.resource.entity.__name__]
    read_only = {name for name, field in entity["properties"].items() if field.get("readOnly")}
    assert read_only == set(case.read_only)
    assert set(entity["required"]) == set(case.resource.fields) - case.resource.optional
    ids = sorted(part.resource.id_field for part in parents_of(case))
    expected = {
        operation["operationId"]
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if sorted(name.strip("{}") for name in path.split("/") if name.startswith("{")) == ids
    }
    for (method, path), operation in operations.items():
        assert operation["tags"] == [tag]
        success = next(iter(operation["responses"].values()))
        if method != "DELETE":
            assert set(success["links"]) == expected
        for link in success.get("links", {}).values():
            assert sorted(link["parameters"]) == ids
        names = _problems(document, operation)
        in_path = [one for one in parents_of(case) if f"{{{one.resource.id_field}}}" in path]
        assert {type_of(one.resource.not_found) for one in in_path} <= names
        assert "/problems/unauthenticated" in names
        assert "/problems/unavailable" in names
        if "requestBody" in operation:
            assert {"/problems/malformed-json", "/problems/invalid-body"} <= names
        if method == "POST":
            assert {"/problems/idempotency-key-reused", "/problems/creation-undone"} <= names
            taken = {type_of(unique.taken) for unique in case.resource.unique}
            counter = case.resource.counter
            if counter is not None and counter.maximum is not None:
                taken.add(type_of(counter.exceeded))
            assert taken <= names
        if method in {"PUT", "PATCH", "DELETE"}:
            assert "/problems/version-mismatch" in names
        if (method, path) == ("GET", case.collection):
            assert {"/problems/invalid-cursor", "/problems/invalid-parameter"} <= names


def _problems(document: Body, operation: Body) -> set[str]:
    """Return the types of problems of the operation's responses, as far as they are named."""
    found: set[str] = set()
    for response in operation["responses"].values():
        name = response.get("$ref", "").rpartition("/")[2]
        text = json.dumps(document["components"]["responses"][name] if name else response)
        found |= {part for part in text.split('"') if part.startswith("/problems/")}
    return found


@each
def test_an_encoded_path_is_the_same_path(api: Served, case: ResourceCase) -> None:
    """Ids that are percent-encoded in a path change no Location, no cursor and no replay."""
    ids = ids_of_parents(api, case)
    path = case.collection.format(**ids)
    encoded = path.replace("usr_", "%75sr_")
    first = as_admin(api, "POST", path, case.creation(7), Idempotency_Key="a key")
    api.new(case, ids)

    again = as_admin(api, "POST", encoded, case.creation(7), Idempotency_Key="a key")
    cursor = as_admin(api, "GET", f"{encoded}?limit=1").body["next_cursor"]

    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Location"].endswith(f"{path}/{first.body[case.resource.id_field]}")
    assert as_admin(api, "GET", f"{path}?limit=1&cursor={cursor}").status == 200
