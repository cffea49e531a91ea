"""Records of the standard library's logging, in a Lambda function."""

import json
import subprocess
import sys

from tests.support.served import ENVIRONMENT, ROOT

CODE = """
import logging
import app
logging.getLogger("chalicelib.somewhere").warning("%d", "not a number")
logging.getLogger("chalicelib.somewhere").info("too little to be told")
logging.getLogger("chalicelib.somewhere").warning("two\\nlines of %s", "text\\x1b[31m\\ud800")
try:
    raise ValueError("broken")
except ValueError:
    logging.getLogger("chalicelib.somewhere").exception("failed")
"""


def test_records_are_lines_of_json() -> None:
    """Warnings and errors of any logger are one line of JSON each, with their traceback."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env={**ENVIRONMENT, "AWS_LAMBDA_FUNCTION_NAME": "user-management-prod"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    # As with the standard library's handlers, the fault of a call is told on stderr.
    assert "--- Logging error ---" in done.stderr
    warning, error = map(json.loads, done.stdout.splitlines())
    assert warning["level"] == "WARN"
    assert warning["message"] == "two\nlines of text\x1b[31m?"
    assert "\x1b" not in done.stdout
    assert (error["level"], error["exception.type"]) == ("ERROR", "ValueError")
    assert "Traceback" in error["exception.stacktrace"]
    assert error["logger"] == "chalicelib.somewhere"
