"""A deployed API, and the test suite for every way of deploying it."""

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

import httpx

from chalicelib.legacy import MESSAGES
from tests.deploy.cloud import Cloud
from tests.support.issuer import AUDIENCE, ISSUER, SECRET, claims, shared

AUTH_PARAMETER = "/user-management/tests/auth-secret"
AUTHENTICATION: Mapping[str, str] = {
    "AUTH_ISSUER": ISSUER,
    "AUTH_AUDIENCE": AUDIENCE,
    "AUTH_SECRET_PARAMETER": AUTH_PARAMETER,
    "CORS_ORIGINS": "https://shop.example",
}
CURSOR_SECRET = "a secret of the tests that signs cursors"
ORDER = {"currency": "EUR", "items": [{"sku": "book", "quantity": 2, "unit_price": 1250}]}
_PROBLEM_MEMBERS = {"type", "title", "status", "detail", "message", "request_id"}


class Deployed:
    """The API `api` at its `stage`, with functions whose names begin with `prefix`.

    `token` is an administrator's; by default it is signed with the tests' shared secret.
    """

    def __init__(
        self, cloud: Cloud, api: str, stage: str, prefix: str, token: str | None = None
    ) -> None:
        self.cloud = cloud
        self.prefix = prefix
        self.id = api
        self.url = cloud.url(api, stage)
        self.token = token or bearer("boss", roles=["admin"])
        self._http = httpx.Client(base_url=self.url, timeout=60)
        self._numbers = count(1)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(self, method: str, path: str, token: str | None = "", **options: Any) -> Any:
        """Send a request: as an administrator by default, without a token if it is None."""
        used = self.token if token == "" else token
        headers = {"Authorization": f"Bearer {used}"} if used else {}
        return self._http.request(
            method, path, headers={**headers, **options.pop("headers", {})}, **options
        )

    def user(self) -> str:
        """Create a user and return its id."""
        email = f"user{next(self._numbers)}.{id(self)}@example.com"
        response = self.call("POST", "/users", json={"name": "Ann Example", "email": email})
        assert response.status_code == 201, response.text
        return str(response.json()["user_id"])

    def order(self, user_id: str) -> str:
        """Create an order of the user and return its id."""
        response = self.call("POST", f"/users/{user_id}/orders", json=ORDER)
        assert response.status_code == 201, response.text
        return str(response.json()["order_id"])

    def invoke(self, function: str, event: object) -> Any:
        """Return what a named function returns for `event`."""
        return self.cloud.invoke(f"{self.prefix}-{function}", event)


def bearer(subject: str, **changes: object) -> str:
    """Return a token for a caller."""
    return shared(claims(sub=subject, **changes), SECRET)


def assert_is_problem(response: Any, status: int, name: str) -> None:
    """Check that the response has the form of the application's problem details."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == _PROBLEM_MEMBERS
    assert (body["type"], body["status"]) == (f"/problems/{name}", status)
    assert body["message"] == body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]


class DeployedSuite:
    """The tests of every deployed API; each way of deploying has a subclass."""

    def test_health_needs_no_token(self, api: Deployed) -> None:
        """The API and its storage are healthy, for any caller."""
        response = api.call("GET", "/health", None)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})

    def test_a_user_life_cycle(self, api: Deployed) -> None:
        """A user is created, read, replaced, listed and deleted."""
        new = {"name": "Ann", "email": f"ann.{api.prefix}@example.com"}
        created = api.call("POST", "/users", json=new)
        assert (created.status_code, created.json()["message"]) == (201, "User created")
        path = f"/users/{created.json()['user_id']}"
        assert api.call("GET", path).json()["name"] == "Ann"
        replaced = api.call("PUT", path, json={**new, "name": "Ann Example"})
        assert (replaced.status_code, replaced.json()["name"]) == (200, "Ann Example")
        listed = api.call("GET", "/users").json()["users"]
        assert created.json()["user_id"] in [user["user_id"] for user in listed]
        assert api.call("DELETE", path).status_code == 204
        assert_is_problem(api.call("GET", path), 404, "user-not-found")

    def test_an_order_life_cycle(self, api: Deployed) -> None:
        """An order is created once, goes through its statuses, and never back."""
        user = api.user()
        orders = f"/users/{user}/orders"
        once = {"Idempotency-Key": f"order of {user}"}
        first = api.call("POST", orders, json=ORDER, headers=once)
        again = api.call("POST", orders, json=ORDER, headers=once)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        path = f"{orders}/{first.json()['order_id']}"
        for step in ("paid", "shipped", "delivered"):
            assert api.call("PATCH", path, json={"status": step}).json()["status"] == step
        assert_is_problem(
            api.call("PATCH", path, json={"status": "paid"}), 409, "illegal-transition"
        )
        assert api.call("GET", path).json()["total"] == 2500
        assert len(api.call("GET", orders).json()["orders"]) == 1

    def test_a_cursor_continues_a_list(self, api: Deployed) -> None:
        """The secret that signs cursors is read, and a second page follows the first."""
        api.user()
        api.user()
        first = api.call("GET", "/users", params={"limit": 1}).json()
        rest = api.call("GET", "/users", params={"limit": 1, "cursor": first["next_cursor"]}).json()
        assert first["users"] != rest["users"]

    def test_legacy_paths_return_their_message(self, api: Deployed) -> None:
        """The five legacy paths return their message without a token."""
        for path, message in MESSAGES.items():
            response = api.call("GET", path, None)
            assert (response.status_code, response.json()) == (200, message)

    def test_the_application_handles_unknown_paths(self, api: Deployed) -> None:
        """A path without a route is a problem from the application, at any depth."""
        for path in ("/nothing", "/users/one/two/three/four", "/user/unknown"):
            response = api.call("GET", path, None)
            assert_is_problem(response, 404, "service-not-found")
            assert response.json()["message"] == "Service not found"

    def test_the_application_handles_unknown_methods(self, api: Deployed) -> None:
        """A method that the path does not support is 405, with the supported ones in Allow."""
        response = api.call("PUT", "/users", None)
        assert_is_problem(response, 405, "method-not-allowed")
        assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"

    def test_the_gateway_sends_the_same_problems(self, api: Deployed) -> None:
        """Without a valid token, API Gateway's response is a problem that a web page can read."""
        for token in (None, "nonsense", bearer("boss", aud="another service")):
            response = api.call("GET", "/users", token, headers={"Origin": "https://shop.example"})
            assert_is_problem(response, 401, "unauthenticated")
            assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
            assert response.headers["access-control-allow-origin"] == "https://shop.example"

    def test_callers_have_their_own_permissions(self, api: Deployed) -> None:
        """A user can read itself, but no other user and nothing that is for administrators."""
        user, other = api.user(), api.user()
        assert api.call("GET", f"/users/{user}", bearer(user)).status_code == 200
        assert_is_problem(api.call("GET", f"/users/{other}", bearer(user)), 404, "user-not-found")
        assert_is_problem(api.call("GET", "/users", bearer(user)), 403, "forbidden")

    def test_an_identity_provider_manages_a_user(self, api: Deployed) -> None:
        """Over SCIM a user is created, found by its name, deactivated and deleted."""
        name = f"Cleo.{api.prefix}@example.com"
        created = api.call("POST", "/scim/v2/Users", json={"userName": name, "externalId": name})
        assert created.status_code == 201, created.text
        assert created.headers["location"] == created.json()["meta"]["location"]
        path = f"/scim/v2/Users/{created.json()['id']}"
        assert created.headers["location"].endswith(path)
        asked = {"filter": f'userName eq "{name.upper()}"'}
        assert api.call("GET", "/scim/v2/Users", params=asked).json()["totalResults"] == 1
        operations = [{"op": "Replace", "path": "active", "value": "False"}]
        schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
        patch = {"schemas": [schema], "Operations": operations}
        assert api.call("PATCH", path, json=patch).json()["active"] is False
        user = f"/users/{created.json()['id']}"
        assert api.call("GET", user).json()["status"] == "suspended"
        assert api.call("DELETE", path).status_code == 204
        assert api.call("GET", path).headers["content-type"] == "application/scim+json"

    def test_scim_is_for_administrators(self, api: Deployed) -> None:
        """Without a token API Gateway refuses SCIM requests; with a user's the application does."""
        assert_is_problem(api.call("GET", "/scim/v2/Users", None), 401, "unauthenticated")
        refused = api.call("GET", "/scim/v2/Users", bearer(api.user()))
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/scim+json"
        assert refused.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]

    def test_the_named_functions_can_be_invoked(self, api: Deployed) -> None:
        """Each named function handles an event that does not come from API Gateway."""
        new = json.dumps({"name": "Bo", "email": f"bo.{api.prefix}@example.com"})
        created = api.invoke("createUserLambda", {"body": new})
        assert created["statusCode"] == 201
        user = {"user_id": json.loads(created["body"])["user_id"]}
        customer = api.user()
        order = {"user_id": customer, "order_id": api.order(customer)}
        for name, parameters, status in (
            ("getUserLambda", user, 200),
            ("updateUserLambda", user, 200),
            ("listUsersLambda", {}, 200),
            ("getUserOrdersLambda", order, 200),
            ("getOrderDetailsLambda", order, 200),
            ("deleteUserLambda", user, 204),
        ):
            response = api.invoke(name, {"pathParameters": parameters, "body": new})
            assert response["statusCode"] == status, (name, response)

    def test_the_path_router_can_be_invoked(self, api: Deployed) -> None:
        """The legacy router uses only the path, and returns 200 for an unknown path too."""
        known = api.invoke("userServiceLambda", {"path": "/user/create"})
        assert known == {"statusCode": 200, "body": '{"message": "Create user"}'}
        unknown = api.invoke("userServiceLambda", {"path": "/nothing"})
        assert unknown == {"statusCode": 200, "body": '{"message": "Service not found"}'}
