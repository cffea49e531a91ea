"""A process that runs one contestant: ``python -m benchmarks.worker <module>``.

For each line ``<operation> <count>`` on its input it answers that many fresh events and prints the
CPU time of one, in microseconds. What a contestant prints by itself is thrown away.
"""

import importlib
import os
import sys
import time
from pathlib import Path

from benchmarks import events


def main(module: str) -> None:
    """Serve until the input ends."""
    answers, sys.stdout = sys.stdout, Path(os.devnull).open("w")  # noqa: SIM115 - to the end
    handler = importlib.import_module(module).handler
    for line in sys.stdin:
        operation, number = line.split()
        made = [events.make(operation) for _ in range(int(number))]
        started = time.process_time_ns()
        for event in made:
            answer = handler(event, events.CONTEXT)
        spent = time.process_time_ns() - started
        if answer["statusCode"] not in events.expected(operation):
            raise RuntimeError(f"{module} answered {operation} with {answer}")
        answers.write(f"{spent / 1000 / len(made)}\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
