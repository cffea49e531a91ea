"""Worker process of one contestant: ``python -m benchmarks.worker <module>``.

For each line ``<operation> <count>`` of its input it handles so many new events, and prints the CPU
time of one in microseconds. Whatever the contestant prints is dropped.
"""

import importlib
import os
import sys
import time
from pathlib import Path

from benchmarks import events


def main(module: str) -> None:
    """Serve until the input ends."""
    responses, sys.stdout = sys.stdout, Path(os.devnull).open("w")  # noqa: SIM115 - open until exit
    handler = importlib.import_module(module).handler
    for line in sys.stdin:
        operation, number = line.split()
        made = [events.make(operation) for _ in range(int(number))]
        started = time.process_time_ns()
        for event in made:
            response = handler(event, events.CONTEXT)
        spent = time.process_time_ns() - started
        if response["statusCode"] not in events.expected(operation):
            raise RuntimeError(f"{module} responded to {operation} with {response}")
        responses.write(f"{spent / 1000 / len(made)}\n")
        responses.flush()


if __name__ == "__main__":
    main(sys.argv[1])
