"""What happens while one request is handled, noted where it happens.

Each layer adds what it knows to the current activity; the request's line of the log tells it.
"""

from contextvars import ContextVar

from chalicelib.telemetry.tracing import Trace, root_of, trace_of, xray_header


class Activity:
    """Counts of storage, who called, and how it ended.

    - `calls`, `retries`, `conflicts`: requests to the database, those that repeated a failed one,
      and those that a concurrent write made necessary.
    - `nanoseconds`: the time that the calls took.
    - `read_units`, `write_units`: what DynamoDB counted.
    - `subject`, `caller_kind`: the caller's token subject, and administrator, user, iam or
      anonymous.
    - `replayed`: where an Idempotency-Key counts, whether it was an earlier request's replay.
    - `problem`: the name of the problem that the response reports.
    - `outbox_age`: the age of the oldest event that was not relayed, in seconds; 0 for none.
    - `detail`: what the line's message ends with.
    - `error`: the exception behind a problem that nobody expected.
    - `trace_id`: the X-Ray trace of the invocation, "" without.
    - `traceparent`: the trace that the client sent (W3C Trace Context), "" without.
    - `trace`: where subsegments belong; None unless the request is sampled.
    """

    __slots__ = (
        "caller_kind",
        "calls",
        "conflicts",
        "detail",
        "error",
        "nanoseconds",
        "outbox_age",
        "problem",
        "read_units",
        "replayed",
        "retries",
        "subject",
        "trace",
        "trace_id",
        "traceparent",
        "write_units",
    )

    def __init__(self, trace: Trace | None = None) -> None:
        self.calls = 0
        self.retries = 0
        self.conflicts = 0
        self.nanoseconds = 0
        self.read_units = 0.0
        self.write_units = 0.0
        self.subject: str | None = None
        self.caller_kind = "anonymous"
        self.replayed: bool | None = None
        self.problem: str | None = None
        self.outbox_age = 0
        self.detail = ""
        self.error: BaseException | None = None
        self.trace_id = ""
        self.traceparent = ""
        self.trace = trace


_current: ContextVar[Activity] = ContextVar("activity")


def begin() -> Activity:
    """Return a new activity, now the current one of this thread or task, in Lambda's trace."""
    header = xray_header()
    activity = Activity(trace_of(header))
    activity.trace_id = root_of(header)
    _current.set(activity)
    return activity


def current() -> Activity:
    """Return the current activity; outside a request, one that nobody will read."""
    return _current.get(None) or Activity()
