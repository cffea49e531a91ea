"""When a delivery that failed is tried again: ten attempts in about three days."""

import random

DELAYS = (5, 5 * 60, 30 * 60, *(hours * 60 * 60 for hours in (2, 5, 10, 14, 20, 24)))
"""The seconds between an attempt and the next one."""

_JITTER = 0.2
_MAX_RETRY_AFTER = 24 * 60 * 60
# Before the delivery is forgotten, and what became of it with it.
_MAX_AGE = 5 * 24 * 60 * 60


class Schedule:
    """The delays after each failed attempt, in seconds; after the last one none follows."""

    def __init__(self, delays: tuple[float, ...] = DELAYS) -> None:
        self._delays = delays

    def delay(self, attempts: int, retry_after: float = 0, age: float = 0) -> float | None:
        """Return the seconds until the next attempt, None if there is none.

        `attempts` is how many there were, and `age` how many seconds ago sending was asked for. The
        delay varies, so that endpoints that recover do not get everything at once; it is at least
        `retry_after`, as far as that is within a day. No attempt follows after five days.
        """
        if attempts > len(self._delays):
            return None
        delay = self._delays[attempts - 1]
        varied = delay * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter
        waited = max(varied, min(retry_after, _MAX_RETRY_AFTER))
        return waited if age + waited <= _MAX_AGE else None
