"""External tools, which `tests/install-tools` installs: optional locally, required in CI."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.server import ROOT
from tests.support.needs import missing, program

TOOLS = ROOT / ".tools"
HERE = Path(__file__).parent


def external_tools(*names: str) -> list[str]:
    """Return the paths of the tools; skip the test without one of them, or fail it in CI.

    A name with a slash is a path within the folder of tools; any other is a command.
    """
    found = []
    for name in names:
        if name.startswith("node_modules/"):
            program("node")
        path = str(TOOLS / name) if "/" in name else program(name)
        if not Path(path).exists():
            missing(f"{name} is missing: run 'make tools'")
        found.append(path)
    return found


def run(
    *command: str | Path,
    cwd: Path,
    seconds: int = 120,
    variables: Mapping[str, str] | None = None,
) -> str:
    """Return the output of the command, which must succeed, run with `variables` added."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", **(variables or {})},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
