"""Identifiers: a resource's prefix and a UUIDv7 in hex, so that they sort by creation time.

For example ``usr_`` and 32 lower-case hexadecimal digits (RFC 9562 §5.7 without dashes).
"""

import secrets
import threading
from datetime import UTC, datetime

_HEX_DIGITS = 32
_RANDOM_BITS = 74
_MAX_STEP = (1 << 32) - 1
_MAX_MILLISECONDS = (1 << 48) - 1


class IdMaker:
    """Makes ids, those of one millisecond in the order in which they are made (RFC 9562 §6.2)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._random = 0

    def __call__(self, prefix: str, milliseconds: int) -> str:
        """Return a new id, made at `milliseconds` since the Unix epoch."""
        random = secrets.randbits(_RANDOM_BITS)
        with self._lock:
            if milliseconds == self._milliseconds:
                following = self._random + 1 + (random & _MAX_STEP)
                random = following if following >> _RANDOM_BITS == 0 else random
            self._milliseconds, self._random = milliseconds, random
        high, low = random >> 62, random & ((1 << 62) - 1)
        value = (milliseconds << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low
        return f"{prefix}{value:032x}"


new_id = IdMaker()
"""The process's one maker of ids."""


def first_id_at(prefix: str, milliseconds: int) -> str:
    """Return the lower bound of every id made at or after `milliseconds`."""
    bounded = min(max(milliseconds, 0), _MAX_MILLISECONDS)
    return f"{prefix}{bounded << 80:0{_HEX_DIGITS}x}"


def timestamp(milliseconds: int) -> str:
    """Return `milliseconds` since the Unix epoch as RFC 3339 UTC with milliseconds and ``Z``."""
    seconds, fraction = divmod(milliseconds, 1000)
    whole = datetime.fromtimestamp(seconds, UTC).isoformat()
    return whole.replace("+00:00", f".{fraction:03d}Z")
