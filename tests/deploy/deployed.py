"""A deployed API, and the suite that each way of deploying has to pass."""

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

import httpx

from chalicelib.legacy import MESSAGES
from tests.deploy.cloud import Cloud
from tests.issuer import AUDIENCE, ISSUER, SECRET, claims, shared

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
    """The API `api` at its `stage`, whose functions' names begin with `prefix`.

    `token` is an administrator's, by default one with the tests' shared secret.
    """

    def __init__(
        self, cloud: Cloud, api: str, stage: str, prefix: str, token: str | None = None
    ) -> None:
        self.cloud = cloud
        self.prefix = prefix
        self._token = token or bearer("boss", roles=["admin"])
        self._http = httpx.Client(base_url=cloud.url(api, stage), timeout=60)
        self._numbers = count(1)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(self, method: str, path: str, token: str | None = "", **options: Any) -> Any:
        """Send a request, as an administrator unless `token` is another one or None."""
        sent = self._token if token == "" else token
        headers = {"Authorization": f"Bearer {sent}"} if sent else {}
        return self._http.request(
            method, path, headers={**headers, **options.pop("headers", {})}, **options
        )

    def user(self) -> str:
        """Return the id of a new user."""
        email = f"user{next(self._numbers)}.{id(self)}@example.com"
        answer = self.call("POST", "/users", json={"name": "Ann Example", "email": email})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["user_id"])

    def order(self, user_id: str) -> str:
        """Return the id of a new order of the user."""
        answer = self.call("POST", f"/users/{user_id}/orders", json=ORDER)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["order_id"])

    def invoke(self, function: str, event: object) -> Any:
        """Return what one of the named functions returns."""
        return self.cloud.invoke(f"{self.prefix}-{function}", event)


def bearer(subject: str, **changes: object) -> str:
    """Return a token of a caller."""
    return shared(claims(sub=subject, **changes), SECRET)


def assert_is_problem(answer: Any, status: int, name: str) -> None:
    """Check that the answer is a problem as the application makes them."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == _PROBLEM_MEMBERS
    assert (body["type"], body["status"]) == (f"/problems/{name}", status)
    assert body["message"] == body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]


class DeployedSuite:
    """What holds of every deployed API; each way of deploying has a subclass."""

    def test_health_needs_no_token(self, api: Deployed) -> None:
        """The API and its storage answer, whoever asks."""
        answer = api.call("GET", "/health", None)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_the_founding_routes_serve_a_users_life(self, api: Deployed) -> None:
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

    def test_an_orders_life(self, api: Deployed) -> None:
        """An order is created once, goes its way, and takes no step back."""
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

    def test_a_list_goes_on_with_its_cursor(self, api: Deployed) -> None:
        """The key that signs cursors is read, and a second page follows the first."""
        api.user()
        api.user()
        first = api.call("GET", "/users", params={"limit": 1}).json()
        rest = api.call("GET", "/users", params={"limit": 1, "cursor": first["next_cursor"]}).json()
        assert first["users"] != rest["users"]

    def test_old_paths_answer_as_they_did(self, api: Deployed) -> None:
        """The five paths of the old router answer their message without a token."""
        for path, message in MESSAGES.items():
            answer = api.call("GET", path, None)
            assert (answer.status_code, answer.json()) == (200, message)

    def test_the_application_answers_unknown_paths(self, api: Deployed) -> None:
        """A path that no route has is a problem of the application, however deep."""
        for path in ("/nothing", "/users/one/two/three/four", "/user/unknown"):
            answer = api.call("GET", path, None)
            assert_is_problem(answer, 404, "service-not-found")
            assert answer.json()["message"] == "Service not found"

    def test_the_application_answers_unknown_methods(self, api: Deployed) -> None:
        """A method that the path does not take is 405, and the answer says which it takes."""
        answer = api.call("PUT", "/users", None)
        assert_is_problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"

    def test_the_gateway_refuses_as_the_application_does(self, api: Deployed) -> None:
        """Without a good token the gateway's own answer is a problem that a web page can read."""
        for token in (None, "nonsense", bearer("boss", aud="another service")):
            answer = api.call("GET", "/users", token, headers={"Origin": "https://shop.example"})
            assert_is_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"

    def test_callers_have_their_own_rights(self, api: Deployed) -> None:
        """A user reaches itself, no other user, and nothing of the administrators."""
        user, other = api.user(), api.user()
        assert api.call("GET", f"/users/{user}", bearer(user)).status_code == 200
        assert_is_problem(api.call("GET", f"/users/{other}", bearer(user)), 404, "user-not-found")
        assert_is_problem(api.call("GET", "/users", bearer(user)), 403, "forbidden")

    def test_the_named_functions_can_be_invoked(self, api: Deployed) -> None:
        """Each function of the founding table answers a bare event under its own name."""
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
            answer = api.invoke(name, {"pathParameters": parameters, "body": new})
            assert answer["statusCode"] == status, (name, answer)

    def test_the_path_router_can_be_invoked(self, api: Deployed) -> None:
        """The old router answers by path alone, with status 200 also for what it does not know."""
        known = api.invoke("userServiceLambda", {"path": "/user/create"})
        assert known == {"statusCode": 200, "body": '{"message": "Create user"}'}
        unknown = api.invoke("userServiceLambda", {"path": "/nothing"})
        assert unknown == {"statusCode": 200, "body": '{"message": "Service not found"}'}
