"""Tests without a tool: skipped with one line that says what to install, but never in CI."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.served import ROOT

NO_JAVA = "java is missing: install a Java runtime, version 11 or later"


def run_without_programs(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run tests that need Java with no program on PATH."""
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    chosen = ["test_differences.py", "test_idempotency.py"]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-k", "dynamodb-local", "-p", "no:cacheprovider"),
            *(ROOT / "tests" / "storage" / name for name in chosen),
        ],
        cwd=ROOT,
        env={**kept, "PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_tool_is_reported_in_one_line(tmp_path: Path) -> None:
    """All tests without the tool are skipped, and one line of the summary counts them."""
    done = run_without_programs(tmp_path)
    assert done.returncode == 0, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if "java" in line]
    count, _, rest = line.partition(" ")
    assert int(count) > 1
    assert rest == f"tests skipped: {NO_JAVA}"


def test_nothing_may_be_missing_in_ci(tmp_path: Path) -> None:
    """In CI the same tests fail and say why."""
    done = run_without_programs(tmp_path, CI="true")
    assert done.returncode == 1
    assert f"Failed: {NO_JAVA}" in done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1]
