"""Under load: `chalice local` held at what it can take, by a loader that is bounded in all ways."""

import http.client
import json
import secrets
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter

from benchmarks.bench import Bench
from benchmarks.report import Section, Table
from tests.e2e.server import Server, running

_CLIENTS = 4
# One request in ten creates a user, the others read one.
_READS_PER_WRITE = 9
_MOST_REQUESTS = 1_000_000
_JSON = {"Content-Type": "application/json"}
_WARMING = 0.2
_TEXT = """\
`chalice local` on SQLite, held for {seconds:g} s by {clients} clients on the loopback interface,
each with one request at a time and one in ten a creation. The loader shares the machine's
processors with the server, so this is a floor."""


def run(bench: Bench) -> Section:
    """Hold the local server under load."""
    seconds = bench.size.seconds
    with TemporaryDirectory() as folder, running(Path(folder)) as server:
        # The server's caches and pools fill first.
        _hold(server, seconds * _WARMING)
        before = _resident(server)
        clients = _hold(server, seconds)
        after = _resident(server)
    times = sorted(time for client in clients for time in client.times)
    errors = sum(client.errors for client in clients)
    rows = [
        ["requests a second", f"{len(times) / seconds:,.0f}"],
        *([f"p{part}, ms", f"{_part(times, part) * 1000:.2f}"] for part in (50, 95, 99)),
        ["errors", str(errors)],
        ["memory before, MB", f"{before / 1024:.0f}"],
        ["memory after, MB", f"{after / 1024:.0f}"],
    ]
    text = _TEXT.format(seconds=seconds, clients=_CLIENTS)
    return Section("Under load", [text, Table(["chalice local", ""], rows)])


class _Client(threading.Thread):
    """Sends one request after the other until the time is over."""

    def __init__(self, port: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._end = monotonic() + seconds
        self.times: list[float] = []
        self.errors = 0

    def run(self) -> None:
        """Send requests."""
        path = self._create()
        while monotonic() < self._end and len(self.times) < _MOST_REQUESTS:
            for _ in range(_READS_PER_WRITE):
                self._ask("GET", path, None, 200)
            self._create()
        self._connection.close()

    def _create(self) -> str:
        email = f"{secrets.token_hex(12)}@example.com"
        body = json.dumps({"name": "Ann Example", "email": email})
        return f"/users/{json.loads(self._ask('POST', '/users', body, 201))['user_id']}"

    def _ask(self, method: str, path: str, body: str | None, expected: int) -> bytes:
        started = perf_counter()
        self._connection.request(method, path, body, _JSON if body else {})
        answer = self._connection.getresponse()
        content = answer.read()
        self.times.append(perf_counter() - started)
        self.errors += answer.status != expected
        return content


def _hold(server: Server, seconds: float) -> list[_Client]:
    clients = [_Client(server.port, seconds) for _ in range(_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return clients


def _part(times: list[float], percent: int) -> float:
    return times[min(len(times) - 1, len(times) * percent // 100)]


def _resident(server: Server) -> int:
    """Return the memory that the server holds, in KB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
