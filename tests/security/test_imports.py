"""The API's function loads nothing that only the authorizer or the local server needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.served import ENVIRONMENT, ROOT

CODE = """
import json, sys
import app

def ask(method, resource, caller, body=None):
    event = {
        "resource": resource,
        "path": resource,
        "headers": {"content-type": "application/json"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": json.dumps(body) if body else None,
        "isBase64Encoded": False,
        "requestContext": {
            "httpMethod": method, "resourcePath": resource, "requestId": "1", "authorizer": caller,
        },
    }
    return app.app(event, None)["statusCode"]

boss = {"principalId": "boss", "admin": "true", "expires_at": "9999999999"}
new = {"name": "Ann Example", "email": "ann@example.com"}
assert ask("POST", "/users", boss, new) == 201
assert ask("GET", "/users", boss) == 200
assert ask("GET", "/users", {"principalId": "somebody", "admin": "false"}) == 403
assert ask("GET", "/users", None) == 401
unwanted = {"jwt", "cryptography", "boto3", "botocore", "sqlalchemy", "ssl", "localdev", "click"}
print(sorted(unwanted & sys.modules.keys()))
"""


def test_the_apis_function_never_loads_cryptography() -> None:
    """After serving requests, PyJWT, cryptography and local modules are not loaded."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT, "AWS_LAMBDA_FUNCTION_NAME": "user-management-api"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    # Before it are the lines of the log.
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["[]"]), done.stderr


@pytest.mark.parametrize(("handler", "loads_storage"), [("app.tokens", False), ("app.app", True)])
def test_the_authorizers_function_opens_no_storage(
    tmp_path: Path, handler: str, *, loads_storage: bool
) -> None:
    """Lambda names the handler: only functions that use storage prepare it."""
    code = (
        "import sys, app\n"
        "print([auth.handler_string for auth in app.app.builtin_auth_handlers])\n"
        "print('sqlalchemy' in sys.modules)"
    )
    environment = {
        "STORAGE_URL": f"sqlite:///{tmp_path}/api.db",
        "AWS_LAMBDA_FUNCTION_NAME": "user-management",
        "_HANDLER": handler,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (0, f"['app.tokens']\n{loads_storage}\n"), done.stderr
