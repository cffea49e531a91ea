"""Records of the standard library's `logging` as lines of JSON, as the rest of the log is."""

import logging

import msgspec

from chalicelib.telemetry.fields import exception_fields, printable, timestamp
from chalicelib.telemetry.request_log import write_to_stdout

_MAX_MESSAGE = 8_000
# OpenTelemetry's short names of levels.
_LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}


class JSONHandler(logging.Handler):
    """Writes each record as one line of JSON to stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; one that cannot be written fails no request."""
        try:
            self._write(record)
        except Exception:  # noqa: BLE001 - as the standard library's handlers do
            self.handleError(record)

    def _write(self, record: logging.LogRecord) -> None:
        line = {
            "timestamp": timestamp(int(record.created * 1000)),
            "level": _LEVELS.get(record.levelname, record.levelname),
            "message": printable(record.getMessage(), _MAX_MESSAGE),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1]:
            line |= exception_fields(record.exc_info[1])
        write_to_stdout(msgspec.json.encode(line).decode() + "\n")


def log_as_json() -> None:
    """Let all loggers of this process write JSON, from warnings on."""
    root = logging.getLogger()
    root.handlers[:] = [JSONHandler()]
    root.setLevel(logging.WARNING)
