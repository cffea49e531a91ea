"""Traces: which one a request belongs to, and its parts, sent to the X-Ray daemon.

A part goes out as one UDP datagram, so that nothing waits for the daemon.
https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
https://www.w3.org/TR/trace-context/
"""

import os
import re
import secrets
import socket
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

# Zeros alone, and the version ff, are invalid.
_TRACEPARENT = r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
# API Gateway keeps the case in which clients write names: the standard's, Go's, and others.
_SPELLINGS = ("traceparent", "Traceparent", "TraceParent", "TRACEPARENT")
_HEADER = b'{"format":"json","version":1}\n'
_MAX_MESSAGE = 500
_THROTTLED = 429
_SERVER_ERRORS = 500


class Trace(Struct, frozen=True):
    """The sampled segment that a request's parts belong to, and the daemon's address."""

    trace_id: str
    parent_id: str
    daemon: tuple[str, int]

    def send(self, name: str, started: float, part: Mapping[str, Any]) -> None:
        """Send the subsegment `name`, which began at `started` (seconds since the epoch).

        `part` has its other members, such as `aws`, `http`, `error` and `fault`.
        """
        subsegment = {
            "name": name,
            "id": secrets.token_hex(8),
            "trace_id": self.trace_id,
            "parent_id": self.parent_id,
            "type": "subsegment",
            "start_time": started,
            "end_time": time.time(),
            **part,
        }
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                datagrams.settimeout(0)
                datagrams.sendto(_HEADER + msgspec.json.encode(subsegment), self.daemon)
        except OSError:
            # A trace that is lost must not fail the request.
            return


def failed(error: BaseException, status: int | None = None) -> dict[str, Any]:
    """Return the members of a subsegment that ended in `error`: of a client's or of a server."""
    kind = "error" if status is not None and status < _SERVER_ERRORS else "fault"
    cause = {"type": type(error).__name__, "message": str(error)[:_MAX_MESSAGE]}
    exception = {"id": secrets.token_hex(8), **cause}
    throttled = {"throttle": True} if status == _THROTTLED else {}
    return {kind: True, **throttled, "cause": {"exceptions": [exception]}}


def xray_header() -> str:
    """Return what Lambda says of the trace of the current invocation, "" outside Lambda.

    Such as ``Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1``.
    """
    return os.environ.get("_X_AMZN_TRACE_ID", "")


def trace_of(header: str) -> Trace | None:
    """Return the trace that `header` names, None unless it is sampled."""
    if "Sampled=1" not in header:
        return None
    fields = dict(field.partition("=")[::2] for field in header.split(";"))
    daemon = os.environ.get("AWS_XRAY_DAEMON_ADDRESS", "")
    host, _, port = daemon.rpartition(":")
    if not fields.get("Root") or not fields.get("Parent") or not host or not port.isdigit():
        return None
    return Trace(fields["Root"], fields["Parent"], (host, int(port)))


def root_of(header: str) -> str:
    """Return the id of the trace that `header` names, "" if there is none."""
    _, _, rest = header.partition("Root=")
    return rest.partition(";")[0]


def client_trace(headers: Mapping[str, object]) -> str:
    """Return the traceparent that a client sent, "" unless it is valid."""
    for name in _SPELLINGS:
        text = headers.get(name)
        if isinstance(text, str) and re.fullmatch(_TRACEPARENT, text):
            return text
    return ""
