"""The log: one line of JSON for each request, which holds its metrics as well.

Names follow OpenTelemetry's semantic conventions where they exist
(https://opentelemetry.io/docs/specs/semconv/). docs/operating.md explains each field.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from functools import lru_cache

import msgspec
from msgspec import Struct

from chalicelib.telemetry.activity import Activity
from chalicelib.telemetry.fields import as_json, exception_fields, printable, timestamp
from chalicelib.telemetry.metrics import metrics_text

_FAULTS = 500
_MAX_NAME = 200
_MAX_SUBJECT = 1_000
# Others could be anything (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "_OTHER"


class Exchange(Struct, frozen=True):
    """A request and its response, as far as the log tells of them.

    `route` is the template of the path, or what was called otherwise, which has no `method`;
    `received` and `sent` are the sizes of the bodies in bytes; `started` is a time of
    `time.perf_counter_ns`. The ids are short and printable.
    """

    method: str
    route: str
    status: int
    started: int
    request_id: str = ""
    trace_id: str = ""
    traceparent: str = ""
    received: int = 0
    sent: int = 0


def write_to_stdout(line: str) -> None:
    """Write a line where Lambda reads the log, which it does without a buffer."""
    sys.stdout.write(line)


class RequestLog:
    """Writes the lines of one function.

    `function` is its name, and `version` that of the API. Without `metrics` the lines hold none;
    with `plain_subjects` callers are named by their tokens' subjects, else by a hash.
    """

    def __init__(
        self,
        function: str,
        version: str,
        *,
        metrics: bool = True,
        plain_subjects: bool = False,
        write: Callable[[str], None] = write_to_stdout,
    ) -> None:
        self._function = function
        self._version = version
        self._has_metrics = metrics
        self._plain_subjects = plain_subjects
        self._write = write
        self._is_cold = True

    def write(self, exchange: Exchange, activity: Activity) -> None:
        """Write the line of one request."""
        # As text, from parts that are encoded once: a dictionary would take a quarter longer.
        duration = str((time.perf_counter_ns() - exchange.started) // 1000 / 1000)
        now = time.time_ns() // 1_000_000
        status = exchange.status
        # A token that cannot be checked is a 401 for the caller.
        is_fault = status >= _FAULTS or activity.error is not None
        is_cold, self._is_cold = self._is_cold, False
        name, place, dimensions = _route_texts(exchange.method, exchange.route, self._function)
        detail = as_json(activity.detail)[1:-1] if activity.detail else ""
        line = (
            f'{{"timestamp":"{timestamp(now)}","level":"{"ERROR" if is_fault else "INFO"}"'
            f',"message":"{name} {status}{detail}",{place},"http.response.status_code":{status}'
            f',"duration_ms":{duration},"faas.coldstart":{"true" if is_cold else "false"}'
            f',"service.version":"{self._version}","caller.kind":"{activity.caller_kind}"'
            f"{_exchange_text(exchange)}"
        )
        if activity.subject is not None:
            line += self._caller(activity.subject)
        if activity.calls:
            line += _storage_text(activity)
        line += _outcome_text(activity)
        if self._has_metrics:
            metrics = metrics_text(duration, now, activity, is_fault=is_fault, is_cold=is_cold)
            line += f",{dimensions},{metrics}"
        # One call, so that the lines of several threads never mix.
        self._write(line + "}\n")

    def _caller(self, subject: str) -> str:
        if self._plain_subjects:
            return f',"user.id":{as_json(printable(subject, _MAX_SUBJECT))}'
        return f',"user.hash":"{_hash(subject)}"'


@lru_cache(maxsize=256)
def _route_texts(method: str, route: str, function: str) -> tuple[str, str, str]:
    """Return the beginning of messages, the fields of the route, and those of the dimensions."""
    method = method if method in _METHODS or not method else _OTHER
    name = printable(f"{method} {route}".strip(), _MAX_NAME)
    place = f'"http.route":{as_json(printable(route, _MAX_NAME))},"faas.name":{as_json(function)}'
    if method:
        place += f',"http.request.method":"{method}"'
    return (
        as_json(name)[1:-1],
        place,
        f'"FunctionName":{as_json(function)},"Route":{as_json(name)}',
    )


def _exchange_text(exchange: Exchange) -> str:
    text = ""
    if exchange.request_id:
        text = f',"request_id":{as_json(exchange.request_id)}'
    if exchange.trace_id:
        text += f',"trace_id":{as_json(exchange.trace_id)}'
    if exchange.traceparent:
        text += f',"traceparent":"{exchange.traceparent}"'
    if exchange.received:
        text += f',"http.request.body.size":{exchange.received}'
    if exchange.sent:
        text += f',"http.response.body.size":{exchange.sent}'
    return text


def _storage_text(activity: Activity) -> str:
    milliseconds = activity.nanoseconds // 1000 / 1000
    text = f',"storage.calls":{activity.calls},"storage.duration_ms":{milliseconds}'
    if activity.retries:
        text += f',"storage.retries":{activity.retries}'
    if activity.conflicts:
        text += f',"storage.conflicts":{activity.conflicts}'
    if activity.read_units:
        text += f',"storage.read_units":{activity.read_units}'
    if activity.write_units:
        text += f',"storage.write_units":{activity.write_units}'
    return text


def _outcome_text(activity: Activity) -> str:
    text = ""
    if activity.problem is not None:
        text = f',"error.type":"{activity.problem}"'
    if activity.replayed is not None:
        text += f',"idempotency":"{"replayed" if activity.replayed else "new"}"'
    if activity.error is not None:
        fields = msgspec.json.encode(exception_fields(activity.error)).decode()
        text += f",{fields[1:-1]}"
    return text


@lru_cache(maxsize=1024)
def _hash(subject: str) -> str:
    """Return what stands for a subject: the same in each line, and not the subject itself."""
    return hashlib.sha256(subject.encode(errors="replace")).hexdigest()[:32]
