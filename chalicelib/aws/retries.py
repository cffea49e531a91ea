"""When to try again: pauses that grow, with full jitter, while time is left.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

import random
import time
from collections.abc import Callable
from typing import NamedTuple

from chalicelib.aws.connections import Timeouts

_FIRST_DELAY = 0.025
_MAX_DELAY = 1.0
# Copies of a process, as SnapStart makes them, would share another generator's state.
_random = random.SystemRandom()


class Clock(NamedTuple):
    """Reads the time and waits, in seconds; tests replace it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def timeouts(budget: float) -> Timeouts:
    """Return the time that one attempt may take out of `budget`, in seconds."""
    return Timeouts(connect=budget / 8, response=budget / 4)


class Retries:
    """The attempts at something that may take `budget` seconds in all."""

    def __init__(self, budget: float, clock: Clock) -> None:
        self._clock = clock
        self._attempt = sum(timeouts(budget))
        self._end = clock.now() + budget
        self._count = 0

    def has_time_for(self, attempts: int) -> bool:
        """Return whether so many attempts, one after the other, would end in time."""
        return self._clock.now() + attempts * self._attempt <= self._end

    def wait(self) -> bool:
        """Wait before the next attempt; return False instead when no time is left."""
        longest = min(_MAX_DELAY, _FIRST_DELAY * 2**self._count)
        seconds = _random.uniform(0, longest)
        # An attempt that started later could end after the budget.
        if self._clock.now() + seconds > self._end - self._attempt:
            return False
        self._count += 1
        self._clock.sleep(seconds)
        return True
