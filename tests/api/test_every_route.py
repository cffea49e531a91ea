"""Rules for every route, checked on all routes that the app declares."""

import json

import pytest

from chalicelib.domain.errors import problem_types
from chalicelib.web.problem_details import type_of
from tests.support.resource_case import resource_cases
from tests.support.served import Served, bearer

ADMIN = bearer("boss", roles=["admin"])


def body_of(method: str, path: str, number: int) -> object:
    """Return a valid body for the route, None if it takes none."""
    bodies = [case.bodies(number).get((method, path)) for case in resource_cases()]
    return next((body for body in bodies if body is not None), None)


def filled(api: Served, path: str) -> str:
    """Return the path with ids of existing resources."""
    ids = api.ids_in(path)
    return path.format(**ids, name="email-taken", asset="page.css", **{"proxy+": "no/such/thing"})


def test_every_route_follows_the_conventions(api: Served) -> None:
    """Each route responds with a request id, its media type and caching."""
    seen = set()
    for number, (method, path) in enumerate(api.routes, 1001):
        target = filled(api, path)
        reply = api.call(method, target, ADMIN, body_of(method, path, number))
        assert reply.status < 500, (method, path, reply)
        if not path.endswith("{proxy+}") and (path, method) not in {
            ("/", other) for other in ("POST", "PUT", "PATCH", "DELETE")
        }:
            assert reply.status in {200, 201, 204}, (method, path, reply)
        assert reply.headers["Cache-Control"]
        assert reply.headers["x-request-id"] not in seen
        seen.add(reply.headers["x-request-id"])
        if reply.body is not None:
            problem = reply.status >= 400
            # Where another specification describes the errors, the route says of which type.
            error_type = api.module.app.operations[method, path].error_type
            expected = error_type if problem else "application/json"
            assert reply.headers["Content-Type"].startswith((expected, "text/"))


def test_head_responds_as_get_without_a_body(api: Served) -> None:
    """Every GET route supports HEAD, with the same status and headers and no body."""
    for method, path in api.routes:
        if method != "GET":
            continue
        target = filled(api, path)
        get, head = (api.call(verb, target, ADMIN) for verb in ("GET", "HEAD"))
        assert head.body is None, path
        assert head.stable[:2] == get.stable[:2]


def test_conditions_and_keys_that_hold_change_no_status(api: Served) -> None:
    """Conditions that hold and new keys do not change the status of a response."""
    for number, (method, path) in enumerate(api.routes, 1001):
        plain = api.call(method, filled(api, path), ADMIN, body_of(method, path, number))
        headers = {"If-Match": "*", "If-None-Match": '"99"', "Idempotency-Key": f"{method} {path}"}
        body = body_of(method, path, -number)
        held = api.call(method, filled(api, path), ADMIN, body, headers)
        assert held.status == plain.status, (method, path)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_on_every_path_has_a_response(api: Served, method: str) -> None:
    """A method that a path does not support is 405, with the supported ones in Allow."""
    declared = dict[str, set[str]]()
    for taken, path in api.routes:
        declared.setdefault(path, set()).add(taken)
    for path, taken_methods in declared.items():
        reply = api.call(method, filled(api, path), None)
        if method not in taken_methods and path != "/{proxy+}" and method != "OPTIONS":
            assert reply.status == 405, (method, path)
            assert set(reply.headers["Allow"].split(", ")) == {*taken_methods, "OPTIONS"}
        else:
            assert reply.status != 405 or path == "/", (method, path)


def test_every_problem_type_is_documented(api: Served) -> None:
    """The `type` of every problem is a path whose response explains it."""
    for problem in problem_types():
        reply = api.call("GET", type_of(problem))
        assert reply.status == 200
        assert reply.body == {
            "type": type_of(problem),
            "name": problem.name,
            "status": problem.status,
            "title": problem.title,
            "explanation": problem.explanation,
        }
    assert api.call("GET", "/problems/unknown").status == 404


def test_an_internal_error_exposes_nothing(api: Served) -> None:
    """An event that no gateway sends is a 500 problem without internal names."""
    for event in ({}, {"requestContext": None}, {"requestContext": {"resourcePath": "/users"}}):
        response = api.module.app(event, None)
        problem = json.loads(response["body"])
        assert (response["statusCode"], problem["type"]) == (500, "/problems/internal-error")
        assert problem["request_id"] == response["headers"]["x-request-id"]
        assert "Error" not in problem["detail"]
