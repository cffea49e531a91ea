"""A line of the log that has every field and every metric, to compare queries and graphs with."""

import json
import time
from typing import Any

from chalicelib.telemetry.activity import Activity
from chalicelib.telemetry.request_log import Exchange, RequestLog

FUNCTION = "shop-prod"
SUBJECT = "usr_0197f2a85b3e7c41a2d4e6f8091b3c5d"


def full_line() -> dict[str, Any]:
    """Return the line of a creation that is replayed, conflicts, is retried, and fails."""
    activity = Activity()
    activity.calls = activity.retries = activity.conflicts = 1
    activity.read_units = activity.write_units = 1.0
    activity.subject, activity.replayed = SUBJECT, True
    activity.outbox_age = 1
    activity.problem, activity.error = "internal-error", ValueError("broken")
    exchange = Exchange(
        *("POST", "/users", 500, time.perf_counter_ns(), "request", "trace", "parent"),
        received=1,
        sent=1,
    )
    lines: list[str] = []
    RequestLog(FUNCTION, "1.0", write=lines.append).write(exchange, activity)
    found: dict[str, Any] = json.loads(lines[0])
    return found
