"""`make listen`: receives webhooks on this machine and prints a line for each event."""

import argparse
import os
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from chalicelib.domain.events import CloudEvent
from chalicelib.domain.webhook_secrets import from_text
from chalicelib.events.signatures import is_signed

_HOST = "127.0.0.1"
_MAX_BODY_BYTES = 1024 * 1024
_SECONDS = 10


class Sequences:
    """What has arrived of each subject."""

    def __init__(self) -> None:
        self._seen: dict[str, set[int]] = {}
        self._lock = threading.Lock()

    def note(self, event: CloudEvent) -> str:
        """Return what is remarkable about the arrival of an event, "" if it is the next one."""
        if not isinstance(event.sequence, str):
            return ""
        number = int(event.sequence)
        with self._lock:
            seen = self._seen.setdefault(event.subject, set())
            before = max(seen, default=number - 1)
            if number in seen:
                return "again"
            seen.add(number)
        if number < before:
            return "late"
        missed = number - before - 1
        return f"{missed} skipped" if missed else ""


class Receiver(ThreadingHTTPServer):
    """Receives webhooks on the loopback interface; without `secret` it verifies nothing."""

    daemon_threads = True

    def __init__(self, port: int, secret: bytes | None) -> None:
        super().__init__((_HOST, port), _Handler)
        self.secret = secret
        self.sequences = Sequences()

    def receive(self, headers: dict[str, str], body: bytes) -> tuple[HTTPStatus, str]:
        """Return the status of the response to a request, and the line to print."""
        checked = "not verified"
        if self.secret is not None:
            if not is_signed([self.secret], headers, body, int(time.time())):
                return HTTPStatus.BAD_REQUEST, "the signature is wrong, or too old"
            checked = "verified"
        try:
            event = msgspec.json.decode(body, type=CloudEvent)
            note = self.sequences.note(event)
        except (msgspec.DecodeError, ValueError):
            return HTTPStatus.BAD_REQUEST, "this is no event"
        number = int(event.sequence) if isinstance(event.sequence, str) else "-"
        columns = [f"{event.type:<14}", f"{number:>4}", event.subject, checked, note]
        return HTTPStatus.NO_CONTENT, "  ".join(columns).rstrip()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS

    def do_POST(self) -> None:
        self.close_connection = True
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal() and int(length) <= _MAX_BODY_BYTES):
            self._respond(HTTPStatus.BAD_REQUEST, "the request has no length, or is too long")
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._respond(*self.server.receive(headers, self.rfile.read(int(length))))

    def _respond(self, status: HTTPStatus, line: str) -> None:
        # Before the response: whoever got it finds the line.
        print(line if status < HTTPStatus.BAD_REQUEST else f"{status.value}: {line}", flush=True)  # noqa: T201
        self.send_response(status)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing: the line of the event says it all."""


def main() -> None:
    """Receive until Ctrl-C. The secret is in WEBHOOK_SECRET, out of sight of other processes."""
    parser = argparse.ArgumentParser(prog="python -m localdev.listen", description=__doc__)
    parser.add_argument("--port", type=int, default=9000)
    port = parser.parse_args().port
    text = os.environ.get("WEBHOOK_SECRET", "")
    try:
        receiver = Receiver(port, from_text(text) if text else None)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"Cannot listen on {_HOST}:{port} ({error.strerror}): try another port.")
    checks = "verifies signatures" if text else "verifies nothing: SECRET=whsec_… to verify"
    print(f"Listening on http://{_HOST}:{receiver.server_port} ({checks})", flush=True)  # noqa: T201
    with receiver, suppress(KeyboardInterrupt):
        receiver.serve_forever()


if __name__ == "__main__":
    main()
