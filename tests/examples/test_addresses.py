"""The worked example of a third resource, applied to a copy of the project: all tests pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localdev.emulators import EMULATORS_FOLDER
from tests.e2e.server import ROOT
from tests.support.needs import program

EXAMPLE = ROOT / "examples" / "addresses"
# Made by a command, or not part of the product.
NOT_COUNTED = ("docs/openapi.json", "docs/asyncapi.json", "docs/dynamodb.md", "tests/")
# What holds for any resource, and for the project as a whole.
GENERAL_TESTS = [
    "tests/resources",
    "tests/unit/test_architecture.py",
    "tests/unit/test_problems.py",
    "tests/unit/test_import_budget.py",
    "tests/openapi/test_document.py",
    "tests/openapi/test_breaking.py",
    "tests/security/test_permissions.py",
    "tests/security/test_ownership.py",
    "tests/security/test_mass_assignment.py",
    "tests/api/test_every_route.py",
    "tests/storage/test_dynamodb_requests.py",
    "tests/storage/test_postgresql.py",
    "tests/deploy/test_manifest.py",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project to which the commands in the example's README were applied."""
    folder = tmp_path_factory.mktemp("project")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    if EMULATORS_FOLDER.exists():
        (folder / EMULATORS_FOLDER.relative_to(ROOT)).symlink_to(EMULATORS_FOLDER)
    (commands,) = re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    *applied, document, server = commands.splitlines()
    assert (document, server) == ("make openapi", "make local")
    for command in [*applied, f"{sys.executable} -m localdev.document"]:
        subprocess.run(["bash", "-c", command], cwd=folder, check=True)
    return folder


def changed(project: Path) -> dict[str, int]:
    """Return the lines that the example adds to each file of the product."""
    added = {}
    for path in project.rglob("*"):
        name = path.relative_to(project).as_posix()
        if path.is_file() and not name.startswith((*NOT_COUNTED, ".emulators", "examples/")):
            before = ROOT / name
            old = before.read_text().splitlines() if before.exists() else []
            new = path.read_text(errors="replace").splitlines()
            if old != new:
                added[name] = len(new) - len(old)
    return added


def run(project: Path, *arguments: str) -> str:
    """Return the output of a Python module that must succeed in the copy."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    return done.stdout


def test_a_resource_is_a_module_and_a_few_declarations(project: Path) -> None:
    """The example adds at most 250 lines in at most 6 files of the product, none in an engine."""
    added = changed(project)

    assert len(added) <= 6, added
    assert sum(added.values()) <= 250, added
    assert not [
        name
        for name in added
        if name.startswith(("chalicelib/storage", "chalicelib/web", "chalicelib/openapi"))
    ]


def test_the_example_is_clean(project: Path) -> None:
    """The copy passes the linter, the formatter and the type checker."""
    run(project, "ruff", "check", ".")
    run(project, "ruff", "format", "--check", ".")
    run(project, "mypy", "app.py", "chalicelib", "tests/resources")


def test_the_general_tests_hold_for_it(project: Path) -> None:
    """Every test that is about any resource passes in the copy, on every quick engine."""
    # The table of costs is measured by the slow test.
    options = ("-q", "-p", "no:cacheprovider", "-k", "not documented_table")
    report = run(project, "pytest", *options, "-m", "not slow", *GENERAL_TESTS)

    assert re.search(r"\d+ passed", report)
    assert "addresses" in run(
        project, "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", "tests/resources"
    )


@pytest.mark.slow
def test_the_general_tests_hold_for_it_in_full(project: Path) -> None:
    """They pass with the slow ones too, on every engine, and the costs on DynamoDB are measured."""
    program("java")
    run(project, "tests.storage.capacity")
    assert "addresses: create" in (project / "docs" / "dynamodb.md").read_text()
    run(project, "pytest", "-q", "-p", "no:cacheprovider", *GENERAL_TESTS)
