"""What the API's functions load to work with DynamoDB."""

import json
import subprocess
import sys

import boto3

from tests.support.served import ROOT

CODE = """
import json, sys
from tests.support.every_route import request_each
from tests.support.served import served

settings = {"STORAGE_URL": sys.argv[1], "CURSOR_SECRET_PARAMETER": "/secret", "CURSOR_SECRET": ""}
with served(**settings) as api:
    statuses = request_each(api, api.routes)
print(json.dumps([statuses, sorted({"boto3", "botocore", "urllib3"} & sys.modules.keys())]))
"""


def test_no_request_loads_botocore(emulator: str) -> None:
    """After one request of each route, with a secret from SSM, botocore is not loaded."""
    client = boto3.client("ssm")
    client.put_parameter(Name="/secret", Value="a secret of the tests " * 2, Type="SecureString")
    client.close()
    done = subprocess.run(
        [sys.executable, "-c", CODE, f"dynamodb://{emulator}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # Before it are the lines of the log.
    statuses, loaded = json.loads(done.stdout.splitlines()[-1])
    assert loaded == []
    assert {status for status in statuses.values() if status >= 500} == set(), statuses
    assert statuses["GET /users/{user_id}/orders/{order_id}"] == 200
