"""The README: its tour prints what it shows, and its commands work in a fresh clone."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, environment, free_port, running, running_command
from tests.e2e.tour import take_the_tour, tour

README = "README.md"


def test_the_tour_is_correct(tmp_path: Path) -> None:
    """Each command of the tour prints what the README shows."""
    assert len(tour(README)) > 15
    with running(tmp_path) as server:
        take_the_tour(README, server.url, environment(tmp_path))


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
            take_the_tour(README, server.url, variables)
