"""What holds for every route: one table, made from the routes that the app declares."""

import json

import pytest

from chalicelib.web.problem_details import KINDS
from tests.served import ORDER, Served, bearer

ADMIN = bearer("boss", roles=["admin"])
BODIES = {
    ("POST", "/users"): {"name": "New", "email": "new@example.com"},
    ("PUT", "/users/{user_id}"): {"name": "New", "email": "put@example.com"},
    ("PATCH", "/users/{user_id}"): {"name": "New"},
    ("POST", "/users/{user_id}/orders"): ORDER,
    ("PATCH", "/users/{user_id}/orders/{order_id}"): {"status": "cancelled"},
}


def filled(api: Served, path: str) -> str:
    """Return the path of things that exist."""
    user_id = api.user()
    order_id = api.order(user_id, "cancelled") if "{order_id}" in path else ""
    path = path.replace("{proxy+}", "no/such/thing").replace("{name}", "email-taken")
    path = path.replace("{asset}", "page.css")
    return path.replace("{user_id}", user_id).replace("{order_id}", order_id)


def test_every_route_answers_as_the_conventions_say(api: Served) -> None:
    """Each route answers what exists, with an id of its own, media type and caching."""
    seen = set()
    for method, path in api.routes:
        target = filled(api, path)
        if (method, path) == ("PATCH", "/users/{user_id}/orders/{order_id}"):
            target = target.rpartition("/")[0] + "/" + api.order(target.split("/")[2])
        reply = api.call(method, target, ADMIN, BODIES.get((method, path)))
        assert reply.status < 500, (method, path, reply)
        if path != "/{proxy+}" and (path, method) not in {
            ("/", other) for other in ("POST", "PUT", "PATCH", "DELETE")
        }:
            assert reply.status in {200, 201, 204}, (method, path, reply)
        assert reply.headers["Cache-Control"]
        assert reply.headers["x-request-id"] not in seen
        seen.add(reply.headers["x-request-id"])
        if reply.body is not None:
            problem = reply.status >= 400
            expected = "application/problem+json" if problem else "application/json"
            assert reply.headers["Content-Type"].startswith((expected, "text/"))


def test_head_answers_as_get_without_a_body(api: Served) -> None:
    """Every GET route takes HEAD, with the same status and headers and no body."""
    for method, path in api.routes:
        if method != "GET":
            continue
        target = filled(api, path)
        get, head = (api.call(verb, target, ADMIN) for verb in ("GET", "HEAD"))
        assert head.body is None, path
        assert head.lasting[:2] == get.lasting[:2]


def test_no_route_takes_a_condition_or_key_for_more_than_it_says(api: Served) -> None:
    """Conditions that hold and keys that are new change no answer's status."""
    for method, path in api.routes:
        if "order_id" in path and method == "PATCH":
            continue
        plain = api.call(method, filled(api, path), ADMIN, BODIES.get((method, path)))
        if (method, path) == ("POST", "/users"):
            api.as_administrator("DELETE", f"/users/{plain.body['user_id']}")
        if (method, path) == ("PUT", "/users/{user_id}"):
            api.as_administrator("DELETE", f"/users/{plain.body['user_id']}")
        headers = {"If-Match": "*", "If-None-Match": '"99"', "Idempotency-Key": f"{method} {path}"}
        held = api.call(method, filled(api, path), ADMIN, BODIES.get((method, path)), headers)
        assert held.status == plain.status, (method, path)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_on_every_path_is_answered(api: Served, method: str) -> None:
    """A method that a path does not take is 405, with those that it takes in Allow."""
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


def test_every_kind_of_problem_explains_itself(api: Served) -> None:
    """The `type` of every problem is a path that answers what it is about."""
    for kind in KINDS.values():
        reply = api.call("GET", kind.type)
        assert reply.status == 200
        assert reply.body == {
            "type": kind.type,
            "name": kind.name,
            "status": kind.status,
            "title": kind.title,
            "explanation": kind.explanation,
        }
    assert api.call("GET", "/problems/unknown").status == 404


def test_a_fault_of_ours_shows_nothing(api: Served) -> None:
    """An event that no gateway sends is a 500 problem without a name of ours in it."""
    for event in ({}, {"requestContext": None}, {"requestContext": {"resourcePath": "/users"}}):
        answer = api.module.app(event, None)
        problem = json.loads(answer["body"])
        assert (answer["statusCode"], problem["type"]) == (500, "/problems/internal-error")
        assert problem["request_id"] == answer["headers"]["x-request-id"]
        assert "Error" not in problem["detail"]
