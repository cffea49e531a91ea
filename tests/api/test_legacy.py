"""The behaviour that legacy clients rely on."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.legacy import MESSAGES
from tests.support.served import ORDER, Served, bearer

SAMPLE_EVENT = {
    "resource": "/user/get-details",
    "path": "/user/get-details",
    "httpMethod": "GET",
    "headers": {
        "Host": "your-api-id.execute-api.us-east-1.amazonaws.com",
        "User-Agent": "Mozilla/5.0",
        "Accept": "application/json",
    },
    "queryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "body": None,
    "isBase64Encoded": False,
}
LISTING = {
    "/user/get-details": '{"message": "user details"}',
    "/user/create": '{"message": "Create user"}',
    "/user/get-user": '{"message": "Single User Details"}',
    "/user/update": '{"message": "Update user details"}',
    "/user/delete": '{"message": "User Delete"}',
    "/user/unknown": '{"message": "Service not found"}',
    "/": '{"message": "Service not found"}',
}
FUNCTIONS = {
    "createUserLambda",
    "getUserLambda",
    "updateUserLambda",
    "deleteUserLambda",
    "listUsersLambda",
    "getUserOrdersLambda",
    "getOrderDetailsLambda",
    "userServiceLambda",
}


def invoke(api: Served, name: str, event: dict[str, Any]) -> tuple[int, Any]:
    """Invoke a Lambda function by name; return the status and the parsed body."""
    handler = api.module.app.handler_map[name]
    response = handler(event, SimpleNamespace(aws_request_id="invocation"))
    assert set(response) == {"statusCode", "headers", "body"}
    assert isinstance(response["body"], str)
    return response["statusCode"], json.loads(response["body"]) if response["body"] else None


@pytest.mark.parametrize("path", LISTING)
def test_the_path_router_responds_as_listed(api: Served, path: str) -> None:
    """lambda_handler chooses the listed response, byte for byte, by path alone."""
    expected = {"statusCode": 200, "body": LISTING[path]}
    assert api.module.lambda_handler({"path": path}, None) == expected
    assert api.module.lambda_handler({"path": path, "httpMethod": "DELETE"}, None) == expected


def test_the_path_router_handles_the_sample_event(api: Served) -> None:
    """The complete sample event gets the message of the user's details."""
    response = api.module.lambda_handler(SAMPLE_EVENT, SimpleNamespace())
    assert response == {"statusCode": 200, "body": '{"message": "user details"}'}


@pytest.mark.parametrize("event", [{}, {"path": None}, {"path": ["/user/create"]}])
def test_the_path_router_handles_events_without_a_path(api: Served, event: dict[str, Any]) -> None:
    """An event without a usable path gets `Service not found`."""
    assert api.module.lambda_handler(event, None)["body"] == '{"message": "Service not found"}'


@pytest.mark.parametrize("path", MESSAGES)
def test_the_old_paths_respond_over_http(api: Served, path: str) -> None:
    """Each old path returns its message to everyone, and links to its successor."""
    reply = api.call("GET", path)
    assert (reply.status, reply.body) == (200, json.loads(LISTING[path]))
    assert reply.headers["Deprecation"] == "@1795219200"
    assert reply.headers["Link"] == '</users>; rel="successor-version"'


def test_every_listed_function_exists_by_name(api: Served) -> None:
    """The seven listed functions and the path router are Lambda functions of the app."""
    declared = api.module.app.pure_lambda_functions
    assert {function.name for function in declared} == FUNCTIONS
    for function in declared:
        module, _, attribute = function.handler_string.partition(".")
        assert module == "app"
        assert callable(getattr(api.module, attribute))


def test_the_functions_handle_bare_events(api: Served) -> None:
    """Each named function runs its route for the documented bare events."""
    new = {"name": "Ann", "email": "ann@example.com"}
    status, created = invoke(api, "createUserLambda", {"body": json.dumps(new)})
    assert (status, created["message"]) == (201, "User created")
    of_user = {"pathParameters": {"user_id": created["user_id"]}}

    status, user = invoke(api, "getUserLambda", of_user)
    assert (status, user["user_id"], user["name"]) == (200, created["user_id"], "Ann")

    body = json.dumps({**new, "name": "Ann Example"})
    status, user = invoke(api, "updateUserLambda", {**of_user, "body": body})
    assert (status, user["name"], user["version"]) == (200, "Ann Example", 2)

    query = {"queryStringParameters": {"email": "ANN@example.com"}}
    status, listed = invoke(api, "listUsersLambda", query)
    assert (status, listed["users"]) == (200, [user])

    order_id = api.order(user["user_id"])
    status, listed = invoke(api, "getUserOrdersLambda", of_user)
    assert (status, [order["order_id"] for order in listed["orders"]]) == (200, [order_id])

    of_order = {"pathParameters": {**of_user["pathParameters"], "order_id": order_id}}
    status, order = invoke(api, "getOrderDetailsLambda", of_order)
    assert (status, order["items"]) == (200, ORDER["items"])

    status, problem = invoke(api, "deleteUserLambda", of_user)
    assert (status, problem["type"]) == (409, "/problems/user-has-open-orders")
    api.as_administrator(
        "PATCH", f"/users/{user['user_id']}/orders/{order_id}", {"status": "cancelled"}
    )
    assert invoke(api, "deleteUserLambda", of_user) == (204, None)
    status, problem = invoke(api, "getUserLambda", of_user)
    assert (status, problem["message"]) == (404, "There is no user with this id.")


@pytest.mark.parametrize("event", [{}, {"body": None}, {"body": "{"}, {"body": "null"}])
def test_the_functions_refuse_bad_bare_events(api: Served, event: dict[str, Any]) -> None:
    """A bare event without a JSON object is a 400, never a crash."""
    assert invoke(api, "createUserLambda", event)[0] == 400


def test_a_bare_event_without_path_parameters_is_404(api: Served) -> None:
    """A bare event without a user id is a 404."""
    assert invoke(api, "getUserLambda", {})[0] == 404


def test_headers_of_bare_events_are_read(api: Served) -> None:
    """The headers of a bare event are case-insensitive, as on the route."""
    user_id = api.user()
    event = {
        "pathParameters": {"user_id": user_id},
        "headers": {"IF-MATCH": '"7"'},
    }
    assert invoke(api, "deleteUserLambda", event)[0] == 412


def test_an_event_of_the_gateway_has_its_callers_permissions(api: Served) -> None:
    """A function called by API Gateway has the authorizer's caller, if any."""
    user_id = api.user()
    path = f"/users/{user_id}"
    event = api.gateway.event("GET", path, [("Authorization", bearer(user_id))], b"")
    assert invoke(api, "getUserLambda", event)[0] == 401

    event["requestContext"]["authorizer"] = {"principalId": user_id, "admin": "false"}
    assert invoke(api, "getUserLambda", event)[0] == 200
    assert invoke(api, "deleteUserLambda", event)[0] == 403


def test_a_function_serves_only_its_own_route(api: Served) -> None:
    """An event that names another route does not reach that route."""
    user_id = api.user()
    event = api.gateway.event("DELETE", f"/users/{user_id}", [], b"")
    event["requestContext"]["authorizer"] = {"principalId": "boss", "admin": "true"}
    assert invoke(api, "getUserLambda", event)[0] == 200
    assert api.call("GET", f"/users/{user_id}", bearer(user_id)).status == 200


def test_the_app_handles_unknown_paths_and_methods(api: Served) -> None:
    """Any other path is 404 with `Service not found`; a wrong method is 405 with Allow."""
    for path in ("/nothing", "/a/b/c", "/users/x/y/z/1", "/user", "/user/create/deep"):
        reply = api.call("GET", path)
        assert (reply.status, reply.body["message"]) == (404, "Service not found"), path
    reply = api.call("DELETE", "/users")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    reply = api.call("POST", "/")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
