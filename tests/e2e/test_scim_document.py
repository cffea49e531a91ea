"""docs/scim.md: its commands print what it shows, and its token is accepted."""

import re
import subprocess
import time
from pathlib import Path

import jwt

from chalicelib.scim.schemas import MAX_BODY_BYTES, provider
from chalicelib.scim.storage import MAX_READ
from tests.e2e.server import ROOT, environment, running
from tests.e2e.tour import take_the_tour
from tests.support.issuer import AUDIENCE, ISSUER, SECRET
from tests.support.served import served

DOCUMENT = "docs/scim.md"
TEXT = (ROOT / DOCUMENT).read_text()


def rows(section: str) -> dict[str, str]:
    """Return the last cells of a section's tables, by their first cells."""
    [text] = re.findall(rf"^## {section}\n(.*?)^## ", TEXT, re.DOTALL | re.MULTILINE)
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line] for line in lines]
    return {first: last for first, *_, last in cells}


def test_the_commands_are_correct(tmp_path: Path) -> None:
    """Each command prints what the document shows."""
    with running(tmp_path) as server:
        take_the_tour(DOCUMENT, server.url, environment(tmp_path))


def test_the_token_is_an_administrators(tmp_path: Path) -> None:
    """The command that signs a token makes one that lists users over SCIM, for a year."""
    [block] = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    _, _, command = block.partition("export AUTH_ISSUER=https://issuer.example AUTH_AUDIENCE=")
    signed = subprocess.run(
        ["bash", "-c", re.sub("^  ", "", command.partition("\n")[2], flags=re.MULTILINE)],
        env=environment(tmp_path, AUTH_SECRET=SECRET, AUTH_ISSUER=ISSUER, AUTH_AUDIENCE=AUDIENCE),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    token = signed.stdout.strip()
    with served() as api:
        assert api.call("GET", "/scim/v2/Users", f"Bearer {token}").status == 200
    claims = jwt.decode(token, SECRET, ["HS256"], audience=AUDIENCE)
    assert abs(claims["exp"] - time.time() - 365 * 86400) < 60


def test_each_attribute_is_in_the_document() -> None:
    """The tables name the attributes that the schemas declare, and no others."""
    schemas = {schema.name: schema for schema in provider().schemas}
    common = {"id", "externalId", "meta"}
    for name, section in (("User", "Users"), ("Group", "Groups")):
        named = set(re.findall(r"`(\w+)", " ".join(rows(section))))
        declared = {attribute.name for attribute in schemas[name].attributes or ()}
        assert named - {"attribute"} == declared | common, name


def test_the_limits_are_correct() -> None:
    """The table has the limits that the configuration announces."""
    limits, config = rows("Limits"), provider().config
    assert config is not None
    assert config.bulk is not None
    assert config.filter is not None
    assert limits["operations of a bulk request"] == str(config.bulk.max_operations)
    assert config.bulk.max_payload_size == MAX_BODY_BYTES
    assert limits["size of a body"] == f"{MAX_BODY_BYTES // 1024**2} MiB"
    assert limits["resources in one response"].startswith(f"{config.filter.max_results};")
    assert limits["resources that a search reads"] == f"{MAX_READ:,}"
