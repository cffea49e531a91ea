"""The commands in docs/operating.md, by section, and a shell to run them in."""

import os
import re
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.deploy.project import ROOT

Command = list[str]
"""The words of a command that was run, its name first."""


def sections() -> dict[str, list[str]]:
    """Return the blocks of shell commands in each section of the runbook, by title."""
    _, _, runbook = (ROOT / "docs" / "operating.md").read_text().partition("\n## Runbook\n")
    found: dict[str, list[str]] = {}
    for title, text in re.findall(r"(?:^### (.*)\n)?((?:(?!^### ).*\n)+)", runbook, re.MULTILINE):
        blocks = re.findall(r"^( *)```sh\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
        found[title] = [textwrap.dedent(block) for _, block in blocks]
    return found


class Shell:
    """Runs blocks in `folder`, with programs that stand in for others, and notes what they ran.

    `programs` maps each such program to the shell script that runs in its place.
    """

    def __init__(self, folder: Path, programs: Mapping[str, str], **variables: str) -> None:
        self._log = folder / "commands"
        self._programs = folder / "programs"
        self._programs.mkdir()
        for name, script in programs.items():
            path = self._programs / name
            note = f'{{ printf "%s\\037" {name} "$@"; printf "\\036"; }} >> "{self._log}"'
            path.write_text(f"#!/bin/sh\n{note}\n{script}\n")
            path.chmod(0o755)
        self._variables = {
            "HOME": str(folder),
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "AWS_DEFAULT_REGION": "us-east-1",
            **variables,
        }

    def run(self, *blocks: str) -> str:
        """Run the blocks in one shell, which stops at the first failure; return their output."""
        script = "set -euo pipefail\n" + "\n".join(blocks)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=self._variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    @property
    def commands(self) -> list[Command]:
        """The commands that were run so far."""
        if not self._log.exists():
            return []
        return [line.split("\037")[:-1] for line in self._log.read_text().split("\036")[:-1]]
