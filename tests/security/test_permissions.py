"""Every route and every caller, compared with the documented permissions."""

from collections.abc import Iterator

import pytest

from tests.support.issuer import SECRET
from tests.support.resource_case import Permission, case_in, resource_cases
from tests.support.served import Reply, Served, bearer, served

USERS = "/users"
USER = "/users/{user_id}"
ORDERS = "/users/{user_id}/orders"
ONE_ORDER = "/users/{user_id}/orders/{order_id}"
PUBLIC = {
    "/",
    "/health",
    "/problems/{name}",
    "/openapi.json",
    "/asyncapi.json",
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

SCIM = "/scim/v2/{proxy+}"
PATCH_OP = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "value": {"active": False}}],
}
SCIM_USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "scim@example.com",
    "active": True,
}

# Each resource brings its own rows: see tests.resources. Identity providers act as administrators.
CASES = [row for case in resource_cases() for row in case.permissions] + [
    Permission("GET", SCIM, None, 200, 403, 403, 403),
    Permission("HEAD", SCIM, None, 200, 403, 403, 403),
    Permission("POST", SCIM, SCIM_USER, 201, 403, 403, 403),
    Permission("PUT", SCIM, SCIM_USER, 200, 403, 403, 403),
    Permission("PATCH", SCIM, PATCH_OP, 200, 403, 403, 403),
    Permission("DELETE", SCIM, None, 204, 403, 403, 403),
]


def authorization(caller: str, owner: str, other: str) -> str | None:
    """Return the Authorization header of `caller` for the user `owner`."""
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


def sent(api: Served, row: Permission, caller: str) -> Reply:
    """Send the row's request as `caller`, for new entities; other children are closed ones."""
    owner, other = api.user(), api.user()
    # Deliveries are no resource that a test could create: this one does not exist.
    ids = {"user_id": owner, "delivery_id": f"dlv_{'0' * 32}"}
    ids["proxy+"] = "Users" if row.method == "POST" else f"Users/{owner}"
    target = case_in(row.path)
    for case in resource_cases():
        field = case.resource.id_field
        if field in ids:
            continue
        closing = [case.closing_patch] if case.closing_patch else []
        ids[field] = api.new(case, ids, *(row.before if case is target else closing))
    if caller == "suspended self":
        api.as_administrator("PATCH", f"/users/{owner}", {"status": "suspended"})
    return api.call(
        row.method, row.path.format(**ids), authorization(caller, owner, other), row.body
    )


@pytest.fixture(scope="module")
def shared_api() -> Iterator[Served]:
    """Serve one application for all tests that only read."""
    with served() as fresh:
        yield fresh


def test_every_route_is_in_the_contract(shared_api: Served) -> None:
    """Each route is in a resource's rows or public, and there are no others."""
    protected = {(case.method, case.path) for case in CASES}
    declared = {route for route in shared_api.routes if route[1] not in PUBLIC}

    assert declared == protected


def test_every_route_that_is_not_public_has_the_authorizer(shared_api: Served) -> None:
    """API Gateway requires a token exactly where the documentation does."""
    for method, path in shared_api.routes:
        entry = shared_api.module.app.routes[path][method]
        assert (entry.authorizer is None) is (path in PUBLIC), (method, path)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.method} {case.path} {case.body} {case.before}"
)
def test_each_cell_of_the_contract(api: Served, case: Permission, caller: str) -> None:
    """Each caller gets the documented status at each route."""
    reply = sent(api, case, caller)

    assert reply.status == case.expected(caller), reply


@pytest.mark.parametrize("caller", CALLERS)
def test_public_routes_are_for_everyone(shared_api: Served, caller: str) -> None:
    """A public route responds to everyone alike, even with an invalid token."""
    header = authorization(caller, "usr_1", "usr_2")
    public = [route for route in shared_api.routes if route[1] in PUBLIC]

    assert public
    for method, path in public:
        target = path.format(name="email-taken", asset="page.css", **{"proxy+": "some/where"})
        reply = shared_api.call(method, target, header)
        assert reply.status not in {401, 403}, (method, path)
        assert reply.stable == shared_api.call(method, target).stable, (method, path)


@pytest.mark.parametrize("caller", CALLERS)
def test_other_methods_and_paths_are_everybodys(shared_api: Served, caller: str) -> None:
    """Unknown paths and methods are 404 or 405 for everyone."""
    header = authorization(caller, "usr_1", "usr_2")

    assert shared_api.call("POST", "/users/usr_1", header).status == 405
    assert shared_api.call("GET", "/users/usr_1/orders/1/items", header).status == 404
    assert shared_api.call("OPTIONS", "/users", header).status == 204


@pytest.mark.parametrize("caller", WITHOUT_CALLER)
def test_a_refused_token_gets_a_challenge(shared_api: Served, caller: str) -> None:
    """A 401 has the challenge and describes valid tokens, but not why this one was refused."""
    header = authorization(caller, "usr_1", "usr_2")
    reply = shared_api.call("GET", "/users", header)

    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.body["type"] == "/problems/unauthenticated"
    assert "Authorization: Bearer <token>" in reply.body["detail"]
    assert reply.stable == shared_api.call("GET", "/users").stable


def test_a_policy_serves_every_route(shared_api: Served) -> None:
    """A token's policy is the same for each route, so a cached policy denies none."""
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
    """A cached policy lets nobody in after the token has expired."""
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
    """A function for one route, behind an API Gateway, has the same permissions."""
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
