"""Schemathesis generates requests from the document and checks every response against it."""

import re
import sys
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, Server, environment
from tests.openapi.external_tools import HERE, external_tools, run

pytestmark = pytest.mark.slow

# For each of the two modes.
CASES = 2_500


def test_an_open_server_matches_the_document(open_server: Server) -> None:
    """Thousands of requests, linked ones included, fail no check and cause no server error."""
    assert requests_of(open_server) >= CASES


def test_a_closed_server_matches_the_document(closed_server: Server, tmp_path: Path) -> None:
    """The same holds for an administrator, and requests without a token are refused."""
    command = [sys.executable, "-m", "localdev.token", "--role", "admin"]
    token = run(*command, cwd=ROOT, variables=environment(tmp_path)).strip()

    assert requests_of(closed_server, "--header", f"Authorization: Bearer {token}") >= CASES


def requests_of(server: Server, *options: str) -> int:
    """Run schemathesis on the server; return the number of requests, all of which passed."""
    (schemathesis,) = external_tools("python/bin/schemathesis")
    config = HERE / "schemathesis.toml"
    address = f"{server.url}/openapi.json"
    shown = ["--no-color", "--url", server.url, "--checks", "all"]
    command = ["run", address, *shown, *options]

    printed = run(schemathesis, "--config-file", config, *command, cwd=HERE, seconds=1200)

    made = re.search(r"(\d+) generated, (\d+) passed", printed)
    assert made is not None, printed
    assert made[1] == made[2], printed
    return int(made[1])
