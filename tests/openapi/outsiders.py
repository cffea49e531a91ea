"""Tools of others, which `tests/install-tools` installs: used where they are, insisted on in CI."""

import os
import subprocess
from pathlib import Path

from tests.e2e.server import ROOT
from tests.needs import missing, program

TOOLS = ROOT / ".tools"
HERE = Path(__file__).parent


def outsider(*names: str) -> list[str]:
    """Return the paths of the tools; without one of them the test skips, in CI it fails.

    A name with a slash is a path within the folder of tools, another one a command.
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


def run(*command: str | Path, cwd: Path, seconds: int = 120, **environment: str) -> str:
    """Return what the command prints; it must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", **environment},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
