"""Measuring side by side: a process for each contestant, their rounds interleaved.

What is measured is the CPU time of the contestant's process, so that what else the machine does
matters little; the rounds take turns, so that what still matters meets all of them; and medians
are taken, so that single disturbances do not count.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
OPERATIONS = ("get", "list", "invalid", "unknown", "create")
_WARMING = 50


class Contestant(NamedTuple):
    """Who is measured: a module with a `handler`, and the interpreter and settings it runs with."""

    module: str
    python: Path
    environment: Mapping[str, str] = {}


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
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args!r} ended; what it printed says why.")
        return float(answer)


@contextmanager
def working(contestant: Contestant) -> Iterator[Worker]:
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
) -> dict[str, dict[str, float]]:
    """Return, by operation and contestant, the median CPU time of a request in microseconds."""
    with ExitStack() as stack:
        workers = {name: stack.enter_context(working(it)) for name, it in contestants.items()}
        return {operation: _medians(workers, operation, rounds, count) for operation in operations}


def _medians(
    workers: Mapping[str, Worker], operation: str, rounds: int, count: int
) -> dict[str, float]:
    for worker in workers.values():
        worker.spend(operation, min(count, _WARMING))
    spent: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            spent[name].append(worker.spend(operation, count))
    return {name: median(times) for name, times in spent.items()}
