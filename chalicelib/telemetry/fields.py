"""Values of the log's fields, such that every line is valid JSON of a bounded size."""

import time
import traceback
from functools import lru_cache

import msgspec

_MAX_MESSAGE = 1_000
_MAX_STACK = 16_000


def timestamp(milliseconds: int) -> str:
    """Return a time since the epoch as RFC 3339 in UTC, such as ``2026-11-21T09:30:00.000Z``."""
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03}Z"


def printable(text: str, limit: int) -> str:
    """Return a text that is no longer than `limit`, and can be encoded as UTF-8."""
    short = text[:limit]
    return short if short.isascii() else short.encode(errors="replace").decode()


def as_json(text: str) -> str:
    """Return a text as JSON, in quotes."""
    return msgspec.json.encode(text).decode()


def exception_fields(error: BaseException) -> dict[str, str]:
    """Return the fields of an exception and its causes."""
    # The end of a long traceback says most.
    stack = "".join(traceback.format_exception(error))[-_MAX_STACK:]
    return {
        "exception.type": type(error).__name__,
        "exception.message": printable(str(error), _MAX_MESSAGE),
        "exception.stacktrace": printable(stack, _MAX_STACK),
    }


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
