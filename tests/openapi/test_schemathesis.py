"""Schemathesis makes requests from the document, and holds every answer against it."""

import re
import sys
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, Server, environment
from tests.openapi.outsiders import HERE, outsider, run

pytestmark = pytest.mark.slow

# In each of the two modes.
CASES = 2_500


def test_an_open_server_answers_as_the_document_says(open_server: Server) -> None:
    """Thousands of requests, linked ones too, meet no failed check and no fault of the server."""
    assert requests_of(open_server) >= CASES


def test_a_closed_server_answers_as_the_document_says(
    closed_server: Server, tmp_path: Path
) -> None:
    """An administrator's requests meet none either, and no request without a token comes in."""
    command = [sys.executable, "-m", "localdev.token", "--role", "admin"]
    token = run(*command, cwd=ROOT, **environment(tmp_path)).strip()

    assert requests_of(closed_server, "--header", f"Authorization: Bearer {token}") >= CASES


def requests_of(server: Server, *options: str) -> int:
    """Let schemathesis loose on the server; return how many requests it sent, all answered well."""
    (schemathesis,) = outsider("python/bin/schemathesis")
    config = HERE / "schemathesis.toml"
    address = f"{server.url}/openapi.json"
    shown = ["--no-color", "--url", server.url, "--checks", "all"]
    command = [schemathesis, "--config-file", config, "run", address, *shown, *options]

    printed = run(*command, cwd=HERE, seconds=1200)

    made = re.search(r"(\d+) generated, (\d+) passed", printed)
    assert made is not None, printed
    assert made[1] == made[2], printed
    return int(made[1])
