"""Fresh processes side by side: CPU time until the first response, in milliseconds."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks import events
from benchmarks.measure import ROOT, Rounds, shuffled

_SCRIPT = ROOT / "benchmarks" / "first_response.py"


class Start(NamedTuple):
    """A contestant: the folders of its modules, its handler, and its settings."""

    folders: tuple[Path, ...]
    module: str
    attribute: str
    environment: Mapping[str, str] = {}


class Spent(NamedTuple):
    """The CPU time, in milliseconds, until a module was loaded and until it had responded."""

    loaded: Rounds
    responded: Rounds


def side_by_side(starts: Mapping[str, Start], rounds: int, folder: Path) -> dict[str, Spent]:
    """Return the times of interleaved rounds, by contestant."""
    event = folder / "event"
    event.write_text(repr(events.make("get")))
    spent: dict[str, list[tuple[float, ...]]] = {name: [] for name in starts}
    for turn in range(rounds + 1):
        for name in shuffled(starts, turn):
            once = _spend(starts[name], event)
            # The first round loads the files into the machine's page cache.
            if turn or not rounds:
                spent[name].append(once)
    return {name: Spent(*map(Rounds, zip(*times, strict=True))) for name, times in spent.items()}


def _spend(start: Start, event: Path) -> tuple[float, ...]:
    done = subprocess.run(
        # Without site-packages: every import comes from the folders.
        [sys.executable, "-S", "-B", str(_SCRIPT), start.module, start.attribute, str(event)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, start.folders)),
            **start.environment,
        },
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        cwd=event.parent,
    )
    return tuple(map(float, done.stdout.split()[-2:]))
