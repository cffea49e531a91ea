"""Dependencies and workflows: pinned, with hashes, and with minimal permissions."""

import re
from typing import Any

import pytest
import yaml

from tests.support.served import ROOT

LOCKS = ("requirements", "requirements-postgresql", "requirements-dev", "requirements-docs")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def locked(name: str) -> dict[str, str]:
    """Return the versions that a lock file pins, by name."""
    text = (ROOT / f"{name}.txt").read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE)
    return {pin.lower(): version for pin, version in pins}


@pytest.mark.parametrize("name", LOCKS)
def test_everything_is_pinned_with_a_hash(name: str) -> None:
    """Each package of a lock file has a version and a hash, and there is no index URL."""
    text = (ROOT / f"{name}.txt").read_text()
    entries = [
        entry for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if entry[:1] != "#"
    ]
    assert len(locked(name)) == len([entry for entry in entries if entry.strip()])
    for entry in entries:
        assert not entry.strip() or re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in text


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_the_requested_versions(name: str) -> None:
    """Every version that the input names is locked."""
    requested = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)",
        (ROOT / f"{name}.in").read_text(),
        re.MULTILINE,
    )
    assert requested
    assert {pin.lower(): version for pin, version in requested}.items() <= locked(name).items()


def test_the_lock_files_agree() -> None:
    """The lock files agree on every shared package: what is tested is deployed."""
    tested = locked("requirements-dev")
    for name in ("requirements", "requirements-postgresql"):
        assert locked(name).items() <= tested.items()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_use_pinned_actions_and_few_permissions(path: Any) -> None:
    """Actions are pinned by commit; the token is read-only and not left in the checkout."""
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


def test_every_make_target_of_the_workflows_exists() -> None:
    """The targets that a workflow makes are in the Makefile."""
    assert WORKFLOWS
    targets = set(
        re.findall(r"^([a-z-]+)(?: [a-z-]+)*:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    for path in WORKFLOWS:
        used = set(re.findall(r"make ([a-z-]+)", path.read_text()))
        assert used
        assert used <= targets
