"""Schemathesis hooks for values that only the server can issue.

Loaded by schemathesis itself (see schemathesis.toml), in its own environment.
"""

from typing import Any
from uuid import uuid4

import schemathesis

_MAX_KEY_LENGTH = 255


@schemathesis.hook  # type: ignore[untyped-decorator]  # untyped here: installed in another environment
def before_call(context: Any, case: Any, kwargs: Any) -> None:  # noqa: ARG001 - found by name
    """Send valid requests with a unique key, a quoted entity tag and no cursor.

    A schema cannot express these: a repeated key rightly replays the first response, and a cursor
    that no list has signed is rightly refused. Entity tags have quotes, but schemathesis makes some
    headers of letters and digits alone, whatever the pattern. Requests that are meant to be refused
    stay unchanged.
    """
    if case.meta is not None and not case.meta.generation.mode.is_positive:
        return
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= _MAX_KEY_LENGTH:
        case.headers["Idempotency-Key"] = str(uuid4())
    for name in ("If-Match", "If-None-Match"):
        if str(case.headers.get(name, "*")).isalnum():
            case.headers[name] = '"1"'
    case.query.pop("cursor", None)
