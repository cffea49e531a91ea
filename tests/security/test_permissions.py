"""Every route, every caller: what the contract's table of permissions says is what happens."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.issuer import SECRET
from tests.served import ORDER, Reply, Served, bearer, served

USERS = "/users"
USER = "/users/{user_id}"
ORDERS = "/users/{user_id}/orders"
ONE_ORDER = "/users/{user_id}/orders/{order_id}"
PUBLIC = {
    "/",
    "/health",
    "/problems/{name}",
    "/openapi.json",
    "/docs",
    "/docs/{asset}",
    "/user/get-details",
    "/user/create",
    "/user/get-user",
    "/user/update",
    "/user/delete",
    "/{proxy+}",
}
WITHOUT_CALLER = ("nobody", "expired", "wrong audience", "wrong issuer", "forged")
CALLERS = ("administrator", "self", "suspended self", "other", *WITHOUT_CALLER)

NEW_USER = {"name": "Bob Example", "email": "bob@example.com"}


class Case(NamedTuple):
    """One thing to do at a route, and who may: the contract's row, written out.

    `steps` are taken with the order before; the four numbers are the statuses for an
    administrator, the user itself, the user itself while suspended, and another user.
    """

    method: str
    path: str
    body: object
    administrator: int
    self: int
    suspended: int
    other: int
    steps: tuple[str, ...] = ()

    def expected(self, caller: str) -> int:
        """Return the status due to `caller`."""
        return {
            "administrator": self.administrator,
            "self": self.self,
            "suspended self": self.suspended,
            "other": self.other,
        }.get(caller, 401)


CASES = [
    Case("POST", USERS, NEW_USER, 201, 403, 403, 403),
    Case("POST", USERS, {**NEW_USER, "status": "suspended"}, 201, 403, 403, 403),
    Case("GET", USERS, None, 200, 403, 403, 403),
    Case("HEAD", USERS, None, 200, 403, 403, 403),
    Case("DELETE", USER, None, 204, 403, 403, 403, ("cancelled",)),
    Case("GET", USER, None, 200, 200, 200, 404),
    Case("HEAD", USER, None, 200, 200, 200, 404),
    Case("PUT", USER, NEW_USER, 200, 200, 200, 404),
    Case("PATCH", USER, {"name": "Bob"}, 200, 200, 200, 404),
    Case("PUT", USER, {**NEW_USER, "status": "active"}, 200, 403, 403, 404),
    Case("PATCH", USER, {"status": "suspended"}, 200, 403, 403, 404),
    Case("PATCH", USER, {"status": "active"}, 200, 403, 403, 404),
    Case("POST", ORDERS, ORDER, 201, 201, 409, 404),
    Case("GET", ORDERS, None, 200, 200, 200, 404),
    Case("HEAD", ORDERS, None, 200, 200, 200, 404),
    Case("GET", ONE_ORDER, None, 200, 200, 200, 404),
    Case("HEAD", ONE_ORDER, None, 200, 200, 200, 404),
    Case("PATCH", ONE_ORDER, {"metadata": {"a": "b"}}, 200, 200, 200, 404),
    Case("PATCH", ONE_ORDER, {"metadata": {"a": "b"}}, 200, 200, 200, 404, ("paid", "shipped")),
    Case("PATCH", ONE_ORDER, {"status": "cancelled"}, 200, 200, 200, 404),
    Case("PATCH", ONE_ORDER, {"status": "paid"}, 200, 403, 403, 404),
    Case("PATCH", ONE_ORDER, {"status": "cancelled"}, 200, 403, 403, 404, ("paid",)),
    Case("PATCH", ONE_ORDER, {"status": "shipped"}, 200, 403, 403, 404, ("paid",)),
    Case("PATCH", ONE_ORDER, {"status": "delivered"}, 200, 403, 403, 404, ("paid", "shipped")),
]


def authorization(caller: str, owner: str, other: str) -> str | None:
    """Return the header that makes a request `caller`'s, where the path is `owner`'s."""
    return {
        "administrator": bearer("boss", roles=["admin"]),
        "self": bearer(owner),
        "suspended self": bearer(owner),
        "other": bearer(other, roles=["user", "administrator"]),
        "nobody": None,
        "expired": bearer(owner, roles=["admin"], exp=1_700_000_000),
        "wrong audience": bearer(owner, roles=["admin"], aud="another"),
        "wrong issuer": bearer(owner, roles=["admin"], iss="https://another.example"),
        "forged": bearer(owner, roles=["admin"], secret=SECRET[::-1]),
    }[caller]


def sent(api: Served, case: Case, caller: str) -> Reply:
    """Do what the case says as `caller`, with a user and an order of its own."""
    owner = api.user()
    other = api.user()
    order = api.order(owner, *case.steps)
    if caller == "suspended self":
        api.as_administrator("PATCH", f"/users/{owner}", {"status": "suspended"})
    path = case.path.format(user_id=owner, order_id=order)
    return api.call(case.method, path, authorization(caller, owner, other), case.body)


@pytest.fixture(scope="module")
def shared_api() -> Iterator[Served]:
    """Serve one application for all tests that read only."""
    with served() as fresh:
        yield fresh


def test_every_route_is_in_the_contract(shared_api: Served) -> None:
    """Each route stands in the table above or is public; none is forgotten, none made up."""
    protected = {(case.method, case.path) for case in CASES}
    declared = {route for route in shared_api.routes if route[1] not in PUBLIC}

    assert declared == protected


def test_every_route_that_is_not_public_has_the_authorizer(shared_api: Served) -> None:
    """API Gateway asks for a token wherever the contract does, and nowhere else."""
    for method, path in shared_api.routes:
        entry = shared_api.module.app.routes[path][method]
        assert (entry.authorizer is None) is (path in PUBLIC), (method, path)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.method} {case.path} {case.body} {case.steps}"
)
def test_each_cell_of_the_contract(api: Served, case: Case, caller: str) -> None:
    """Each caller gets at each route what the contract's table says."""
    reply = sent(api, case, caller)

    assert reply.status == case.expected(caller), reply


@pytest.mark.parametrize("caller", CALLERS)
def test_public_routes_are_everybodys(shared_api: Served, caller: str) -> None:
    """A public route answers everybody the same, even with a token that is not good."""
    header = authorization(caller, "usr_1", "usr_2")
    public = [route for route in shared_api.routes if route[1] in PUBLIC]

    assert public
    for method, path in public:
        target = path.format(name="email-taken", asset="page.css", **{"proxy+": "some/where"})
        reply = shared_api.call(method, target, header)
        assert reply.status not in {401, 403}, (method, path)
        assert reply.lasting == shared_api.call(method, target).lasting, (method, path)


@pytest.mark.parametrize("caller", CALLERS)
def test_other_methods_and_paths_are_everybodys(shared_api: Served, caller: str) -> None:
    """What no route takes is 404 or 405 for everybody: there is nothing to protect."""
    header = authorization(caller, "usr_1", "usr_2")

    assert shared_api.call("POST", "/users/usr_1", header).status == 405
    assert shared_api.call("GET", "/users/usr_1/orders/1/items", header).status == 404
    assert shared_api.call("OPTIONS", "/users", header).status == 204


@pytest.mark.parametrize("caller", WITHOUT_CALLER)
def test_a_refused_token_is_told_to_try_another(shared_api: Served, caller: str) -> None:
    """A 401 has the challenge and says what a good token is, but not what was wrong with this."""
    header = authorization(caller, "usr_1", "usr_2")
    reply = shared_api.call("GET", "/users", header)

    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.body["type"] == "/problems/unauthenticated"
    assert "Authorization: Bearer <token>" in reply.body["detail"]
    assert reply.lasting == shared_api.call("GET", "/users").lasting


def test_a_policy_serves_every_route(shared_api: Served) -> None:
    """The policy of a token is the same for each route, so keeping it bars from none."""
    base = "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/api"
    policies = [
        shared_api.module.tokens(
            {
                "type": "TOKEN",
                "authorizationToken": bearer("usr_1", exp=9999999999),
                "methodArn": f"{base}/{method}{path}",
            },
            None,
        )
        for method, path in shared_api.routes
    ]

    assert policies[1:] == policies[:-1]
    assert policies[0]["policyDocument"]["Statement"][0]["Resource"] == [f"{base}/*/*"]


def test_a_kept_policy_ends_with_its_token(api: Served) -> None:
    """What API Gateway keeps of a token lets nobody in after the token has expired."""
    user_id = api.user()
    event = api.gateway.event("GET", f"/users/{user_id}", [], b"")
    kept = {"principalId": user_id, "admin": "false", "expires_at": "1700000000"}
    event["requestContext"]["authorizer"] = kept

    assert api.module.app(event, None)["statusCode"] == 401


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(
    ("function", "method", "path"),
    [
        ("create_user_lambda", "POST", USERS),
        ("get_user_lambda", "GET", USER),
        ("update_user_lambda", "PUT", USER),
        ("delete_user_lambda", "DELETE", USER),
        ("list_users_lambda", "GET", USERS),
        ("get_user_orders_lambda", "GET", ORDERS),
        ("get_order_details_lambda", "GET", ONE_ORDER),
    ],
)
def test_functions_behind_a_gateway_have_the_rights_of_its_caller(
    api: Served, function: str, method: str, path: str, caller: str
) -> None:
    """A function of one route, put behind an API Gateway, keeps the same table."""
    case = next(case for case in CASES if (case.method, case.path) == (method, path))
    owner = api.user("suspended" if caller == "suspended self" else "active")
    order = api.order(api.user()) if caller == "suspended self" else api.order(owner, "cancelled")
    context = {
        "administrator": {"principalId": "boss", "admin": "true"},
        "self": {"principalId": owner, "admin": "false"},
        "suspended self": {"principalId": owner, "admin": "false"},
        "other": {"principalId": api.user(), "admin": "false"},
    }.get(caller)
    event = {
        "pathParameters": {"user_id": owner, "order_id": order},
        "body": '{"name": "Bob Example", "email": "bob@example.com"}',
        "requestContext": {"authorizer": context} if context else {},
    }

    status = getattr(api.module, function)(event, None)["statusCode"]

    if (caller, path) == ("suspended self", ONE_ORDER):
        assert status == 404
    else:
        assert status == case.expected(caller)
