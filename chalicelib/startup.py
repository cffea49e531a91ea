"""How a Lambda function starts: without looking for garbage where there is none yet."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector from what is made while the block runs, then and later.

    Modules and clients stay for as long as the process does, so that each time the collector goes
    through them is for nothing. docs/performance.md has what this saves of a cold start.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
