"""What the API's function loads, since every cold start pays for it."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Besides the standard library: the application, and its accepted dependencies.
BUDGET = {"app", "chalice", "chalicelib", "msgspec"}
# Parts of the standard library that take longer to import than what they would be used for.
HEAVY = {"asyncio", "email", "http.client", "multiprocessing", "urllib.request", "xml"}
# Loaded if something else has installed it; not in the package.
OPTIONAL = {"certifi"}
CODE = """
import sys
import app
response = app.app({
    "headers": {},
    "multiValueQueryStringParameters": None,
    "pathParameters": {"user_id": "usr_" + "0" * 32},
    "stageVariables": None,
    "body": None,
    "requestContext": {
        "httpMethod": "GET",
        "resourcePath": "/users/{user_id}",
        "requestId": "1",
        "authorizer": {"principalId": "boss", "admin": "true", "expires_at": "9999999999"},
    },
}, None)
assert response["statusCode"] in {404, 503}, response
print(*sorted(sys.modules))
"""
# What only SCIM's requests need.
SCIM = {"chalicelib.scim", "email_validator", "lark", "pydantic", "scim2_models", "scim2_server"}
EVERY_ROUTE = f"""
import json, sys
from tests.support.every_route import request_each
from tests.support.served import served

scim = {SCIM}
with served() as api:
    of_scim = [route for route in api.routes if route[1].startswith("/scim/")]
    others = [route for route in api.routes if route not in of_scim]
    assert of_scim
    statuses = request_each(api, others)
    loaded = sorted(scim & sys.modules.keys())
    request_each(api, of_scim)
print(json.dumps([statuses, loaded, sorted(scim & sys.modules.keys())]))
"""
SETTINGS = {
    "AWS_LAMBDA_FUNCTION_NAME": "user-management",
    "AUTH_ISSUER": "issuer",
    "AUTH_AUDIENCE": "api",
    "AUTH_SECRET_PARAMETER": "/secret",
    "CURSOR_SECRET_PARAMETER": "/secret",
    "WEBHOOK_KEY_PARAMETER": "/secret",
}


def loaded(**environment: str) -> set[str]:
    """Return the modules that are loaded after one request."""
    done = subprocess.run(
        # Without site's own imports, such as those of editable installations.
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{CODE}"],
        env={**SETTINGS, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    # The line before is the log's.
    return set(done.stdout.splitlines()[-1].split())


def packages(modules: set[str]) -> set[str]:
    """Return the top-level packages of modules that are not of the standard library."""
    tops = {name.partition(".")[0] for name in modules if not name.startswith("_")}
    return tops - sys.stdlib_module_names


def test_the_api_function_loads_only_listed_packages() -> None:
    """After one request, only the packages listed here are loaded."""
    assert packages(loaded(STORAGE_URL="memory:")) <= BUDGET | OPTIONAL


def test_dynamodb_adds_no_package() -> None:
    """With a table, nothing more is loaded, and no heavy part of the standard library."""
    settings = {
        "STORAGE_URL": "dynamodb://users",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        # Nothing listens there: storage gives up within its budget.
        "AWS_ENDPOINT_URL": "https://127.0.0.1:9",
    }
    modules = loaded(**settings)
    assert "ssl" in modules
    assert packages(modules) <= BUDGET | OPTIONAL
    assert not modules & HEAVY


def test_only_scim_requests_load_what_scim_needs() -> None:
    """After one request of every other route, neither SCIM nor a library of it is loaded."""
    done = subprocess.run(
        [sys.executable, "-c", EVERY_ROUTE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    statuses, loaded, loaded_by_scim = json.loads(done.stdout.splitlines()[-1])
    assert loaded == []
    assert set(loaded_by_scim) == SCIM
    assert {status for status in statuses.values() if status >= 500} == set(), statuses
    assert statuses["GET /users/{user_id}/orders/{order_id}"] == 200
