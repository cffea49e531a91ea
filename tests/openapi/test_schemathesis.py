"""Schemathesis makes requests from the document, and holds every answer against it."""

import re

import pytest

from tests.openapi.local_server import LocalServer
from tests.openapi.outsiders import HERE, outsider, run

# Both runs together; each makes about the same number.
CASES = 5_000


@pytest.mark.slow
@pytest.mark.parametrize("server", ["open", "closed"], indirect=True)
def test_every_answer_is_what_the_document_says(
    server: LocalServer, request: pytest.FixtureRequest
) -> None:
    """Thousands of requests, linked ones too, meet no failed check and no fault of the server."""
    (schemathesis,) = outsider("python/bin/schemathesis")
    options = ["--checks", "all", "--url", server.url, "--seed", "7", "--no-color"]
    if request.node.callspec.params["server"] == "closed":
        options += ["--header", f"Authorization: Bearer {server.token('--role', 'admin')}"]

    printed = run(
        schemathesis,
        "--config-file",
        HERE / "schemathesis.toml",
        "run",
        *options,
        f"{server.url}/openapi.json",
        cwd=HERE,
        seconds=900,
    )

    made = re.search(r"(\d+) generated, (\d+) passed", printed)
    assert made is not None, printed
    assert made[1] == made[2]
    assert int(made[1]) >= CASES // 2
