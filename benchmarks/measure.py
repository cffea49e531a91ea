"""Side-by-side measurements: one process for each contestant, with interleaved rounds.

The CPU time of the contestant's process is measured, since it depends little on the machine's other
load. Interleaving the rounds exposes all contestants to what remains. Medians drop outliers. Ratios
are taken within a round, so that a slow round affects both sides.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
OPERATIONS = ("get", "list", "invalid", "unknown", "create")
_WARMING = 50


class Contestant(NamedTuple):
    """A contestant: a module with a `handler`, and the interpreter and settings it runs with."""

    module: str
    python: Path
    environment: Mapping[str, str] = {}


class Rounds(tuple[float, ...]):
    """The time of a contestant in each round."""

    __slots__ = ()

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return median(self)

    def to(self, other: "Rounds") -> float:
        """Return the median of the ratios to another contestant's time in the same rounds."""
        return median(mine / theirs for mine, theirs in zip(self, other, strict=True))


class Worker:
    """A contestant's process; see `benchmarks.worker`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def spend(self, operation: str, count: int) -> float:
        """Return the CPU time, in microseconds, of one of `count` requests."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{operation} {count}\n")
        self._process.stdin.flush()
        response = self._process.stdout.readline()
        if not response:
            raise RuntimeError(f"{self._process.args!r} ended; what it printed says why.")
        return float(response)


@contextmanager
def running_worker(contestant: Contestant) -> Iterator[Worker]:
    """Run the contestant's process while the block runs."""
    command = [str(contestant.python), "-m", "benchmarks.worker", contestant.module]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **contestant.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Worker(process)


def side_by_side(
    contestants: Mapping[str, Contestant], operations: Iterable[str], rounds: int, count: int
) -> dict[str, dict[str, Rounds]]:
    """Return, by operation and contestant, the CPU time of a request in microseconds."""
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(running_worker(it)) for name, it in contestants.items()
        }
        return {operation: _in_turn(workers, operation, rounds, count) for operation in operations}


def shuffled(names: Iterable[str], turn: int) -> list[str]:
    """Return the names in an order that depends only on the round.

    So no contestant always follows the same other one and its state of the processor's caches.
    """
    order = list(names)
    Random(turn).shuffle(order)  # noqa: S311 - no secret
    return order


def _in_turn(
    workers: Mapping[str, Worker], operation: str, rounds: int, count: int
) -> dict[str, Rounds]:
    for worker in workers.values():
        worker.spend(operation, min(count, _WARMING))
    spent: dict[str, list[float]] = {name: [] for name in workers}
    for turn in range(rounds):
        for name in shuffled(workers, turn):
            spent[name].append(workers[name].spend(operation, count))
    return {name: Rounds(times) for name, times in spent.items()}
