"""The commands of a document that a reader follows in one shell, and what they print."""

import re
import subprocess
from collections.abc import Mapping

from tests.e2e.server import ROOT


def tour(document: str) -> list[tuple[str, str]]:
    """Return the commands of a document, each with the output below it."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", (ROOT / document).read_text(), re.DOTALL):
        for line in block.splitlines(keepends=True):
            if line.startswith("$ "):
                steps.append((line[2:], ""))
            else:
                command, output = steps.pop()
                steps.append((command, output + line))
    return steps


def take_the_tour(document: str, url: str, variables: Mapping[str, str]) -> None:
    """Run a document's commands in one shell and compare their output."""
    steps = tour(document)
    script = "".join(
        f"{command}\necho; echo END-OF-STEP\n".replace("API=http://127.0.0.1:8000", f"API={url}")
        for command, _ in steps
    )
    shell = subprocess.run(
        ["bash", "-c", script],
        # Some commands read what is piped to them.
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=dict(variables),
        check=True,
        cwd=ROOT,
    )
    outputs = [text.replace("\r", "").strip() for text in shell.stdout.split("END-OF-STEP\n")]
    assert len(outputs) == len(steps) + 1
    for (command, expected), printed in zip(steps, outputs, strict=False):
        pattern = re.escape(expected.strip()).replace("…", ".*?")
        assert re.fullmatch(pattern, printed, re.DOTALL), (command, printed, shell.stderr)
