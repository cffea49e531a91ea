"""The README: its tour prints what it shows, and its commands work in a fresh clone."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, environment, free_port, running, running_command

README = (ROOT / "README.md").read_text()


def tour() -> list[tuple[str, str]]:
    """Return the tour's commands, each with the output below it."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines(keepends=True):
            if line.startswith("$ "):
                steps.append((line[2:], ""))
            else:
                command, output = steps.pop()
                steps.append((command, output + line))
    return steps


def take_the_tour(url: str, variables: Mapping[str, str]) -> None:
    """Run the tour's commands in one shell and compare their output."""
    steps = tour()
    script = "".join(
        f"{command}\necho; echo END-OF-STEP\n".replace("API=http://127.0.0.1:8000", f"API={url}")
        for command, _ in steps
    )
    shell = subprocess.run(
        ["bash"], input=script, capture_output=True, text=True, env=dict(variables), check=True
    )
    outputs = [text.replace("\r", "").strip() for text in shell.stdout.split("END-OF-STEP\n")]
    assert len(outputs) == len(steps) + 1
    for (command, expected), printed in zip(steps, outputs, strict=False):
        pattern = re.escape(expected.strip()).replace("…", ".*?")
        assert re.fullmatch(pattern, printed, re.DOTALL), (command, printed)


def test_the_tour_is_correct(tmp_path: Path) -> None:
    """Each command of the tour prints what the README shows."""
    assert len(tour()) > 15
    with running(tmp_path) as server:
        take_the_tour(server.url, environment(tmp_path))


def test_every_documented_make_target_exists() -> None:
    """Every `make` command in the documentation is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = document.read_text()
        blocks = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        named = set(re.findall(r"`make ([a-z-]+)", text))
        named |= set(re.findall(r"^make ([a-z-]+)", blocks, re.MULTILINE))
        assert named <= targets, document.name


def test_every_relative_link_is_valid() -> None:
    """Every relative link in the documentation is a file of the project."""
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), (document.name, target)


@pytest.mark.slow
def test_the_commands_work_in_a_fresh_clone(tmp_path: Path) -> None:
    """In a fresh clone, `make local` installs the project and serves the tour, twice."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    data = tmp_path / "data"
    data.mkdir()
    for _ in range(2):
        port = free_port()
        command: list[str | Path] = ["make", "local", f"PORT={port}"]
        variables = environment(data)
        with running_command(command, clone, port, variables, tmp_path) as server:
            take_the_tour(server.url, variables)
