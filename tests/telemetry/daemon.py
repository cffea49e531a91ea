"""An X-Ray daemon on the loopback interface, which keeps what it receives."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TRACE_ID = "1-5759e988-bd862e3fe1be46a994272793"
PARENT_ID = "53995c3f42cd8ad8"


class Daemon:
    """Receives subsegments by UDP, as X-Ray's daemon does in Lambda."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    @property
    def variables(self) -> dict[str, str]:
        """The variables that Lambda sets for a sampled invocation."""
        host, port = self._listener.getsockname()
        return {
            "AWS_XRAY_DAEMON_ADDRESS": f"{host}:{port}",
            "_X_AMZN_TRACE_ID": f"Root={TRACE_ID};Parent={PARENT_ID};Sampled=1;Lineage=a:0",
        }

    def received(self) -> list[dict[str, Any]]:
        """Return the subsegments that have arrived since the last call."""
        found = []
        self._listener.settimeout(0.2)
        try:
            while True:
                header, _, document = self._listener.recv(65536).partition(b"\n")
                assert json.loads(header) == {"format": "json", "version": 1}
                found.append(json.loads(document))
        except TimeoutError:
            return found


@contextmanager
def running_daemon() -> Iterator[Daemon]:
    """Run a daemon while the block runs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        yield Daemon(listener)
