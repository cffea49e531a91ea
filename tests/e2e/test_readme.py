"""The README: its tour is taken as it stands, and its commands work from nothing."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, environment, free_port, running, running_command

README = (ROOT / "README.md").read_text()


def tour() -> list[tuple[str, str]]:
    """Return the tour's commands, each with the output that stands under it."""
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
    """Type the tour's commands into one shell and compare what they print."""
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


def test_the_tour_is_as_it_stands(tmp_path: Path) -> None:
    """Each command of the tour prints what the README shows."""
    assert len(tour()) > 15
    with running(tmp_path) as server:
        take_the_tour(server.url, environment(tmp_path))


def test_every_make_target_that_is_named_exists() -> None:
    """A `make` command of the documents is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = document.read_text()
        blocks = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        named = set(re.findall(r"`make ([a-z-]+)", text))
        named |= set(re.findall(r"^make ([a-z-]+)", blocks, re.MULTILINE))
        assert named <= targets, document.name


def test_every_link_to_a_file_leads_somewhere() -> None:
    """A relative link in a document is a file of the project."""
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), (document.name, target)


@pytest.mark.slow
def test_the_commands_work_from_nothing(tmp_path: Path) -> None:
    """A clone with nothing installed serves the tour after `make local`, and again at once."""
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
