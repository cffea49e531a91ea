"""What the project takes from others: pinned, with hashes, and with no more rights than needed."""

import re
from typing import Any

import pytest
import yaml

from tests.served import ROOT

LOCKS = ("requirements", "requirements-postgresql", "requirements-dev", "requirements-docs")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def locked(name: str) -> dict[str, str]:
    """Return the versions that a lock file pins, by name."""
    text = (ROOT / f"{name}.txt").read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE)
    return {pin.lower(): version for pin, version in pins}


@pytest.mark.parametrize("name", LOCKS)
def test_everything_is_pinned_with_a_hash(name: str) -> None:
    """Each package of a lock has a version and at least one hash, and no address of an index."""
    text = (ROOT / f"{name}.txt").read_text()
    entries = [
        entry for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if entry[:1] != "#"
    ]
    assert len(locked(name)) == len([entry for entry in entries if entry.strip()])
    for entry in entries:
        assert not entry.strip() or re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in text


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_was_asked_for(name: str) -> None:
    """Whatever the input names with a version is locked at that version."""
    asked = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)",
        (ROOT / f"{name}.in").read_text(),
        re.MULTILINE,
    )
    assert asked
    assert {pin.lower(): version for pin, version in asked}.items() <= locked(name).items()


def test_one_version_everywhere() -> None:
    """What is tested is what is deployed: the locks agree on every package that they share."""
    tested = locked("requirements-dev")
    for name in ("requirements", "requirements-postgresql"):
        assert locked(name).items() <= tested.items()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_use_pinned_actions_and_few_rights(path: Any) -> None:
    """Actions are named by commit, the token can only read, and is not left in the checkout."""
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            used = step.get("uses", "")
            assert not used or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used)
            if used.startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_every_command_of_the_workflows_is_there() -> None:
    """The targets that a workflow makes are targets of the Makefile."""
    assert WORKFLOWS
    targets = set(
        re.findall(r"^([a-z-]+)(?: [a-z-]+)*:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    for path in WORKFLOWS:
        used = set(re.findall(r"make ([a-z-]+)", path.read_text()))
        assert used
        assert used <= targets
