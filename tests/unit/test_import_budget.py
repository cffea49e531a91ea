"""What the API's function loads, since every cold start pays for it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Besides the standard library: the application, and its accepted dependencies.
BUDGET = {"app", "chalice", "chalicelib", "msgspec"}
# What DynamoDB adds. jmespath, dateutil and six are botocore's.
DYNAMODB = {"botocore", "dateutil", "jmespath", "six", "urllib3"}
# Loaded if something else has installed them; not in the package.
OPTIONAL = {"certifi", "typing_extensions"}
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
tops = {name.partition(".")[0] for name in sys.modules}
print(*sorted(tops - sys.stdlib_module_names - {"__main__"}))
"""
SETTINGS = {
    "AWS_LAMBDA_FUNCTION_NAME": "user-management",
    "AUTH_ISSUER": "issuer",
    "AUTH_AUDIENCE": "api",
    "AUTH_SECRET_PARAMETER": "/secret",
    "CURSOR_SECRET_PARAMETER": "/secret",
}


def loaded(**environment: str) -> set[str]:
    """Return the top-level packages that are loaded after one request."""
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
    return {name for name in done.stdout.split() if not name.startswith("_")}


def test_the_api_function_loads_only_listed_packages() -> None:
    """After one request, only the packages listed here are loaded."""
    assert loaded(STORAGE_URL="memory:") <= BUDGET | OPTIONAL


def test_dynamodb_adds_only_botocore_and_its_requirements() -> None:
    """With a table, botocore and its requirements are loaded too, but not boto3."""
    settings = {
        "STORAGE_URL": "dynamodb://users",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        # Nothing listens there: storage gives up within its budget.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    assert loaded(**settings) <= BUDGET | DYNAMODB | OPTIONAL
