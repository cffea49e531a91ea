"""What schemathesis cannot read in the document: which texts only the server can make.

Loaded by schemathesis itself (see schemathesis.toml), in its own environment.
"""

from uuid import uuid4

import schemathesis

_MAX_KEY_LENGTH = 255


@schemathesis.hook
def before_call(context, case, kwargs) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, ARG001
    """Send valid requests with a key of their own, a true entity tag and no cursor of nobody's.

    State decides about these, and no schema can: a key that comes twice rightly answers for the
    first request, and a cursor that no list has signed is rightly refused. Entity tags have quotes,
    and schemathesis makes some headers of letters and digits alone, whatever the pattern. All are
    left as they are in a request meant to be refused.
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
