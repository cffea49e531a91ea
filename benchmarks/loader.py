"""A loader that is bounded in all ways: clients, each with one request at a time, for some time."""

import http.client
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from time import monotonic, perf_counter
from typing import NamedTuple
from urllib.parse import urlsplit

CLIENTS = 4
# One request in ten creates a user, the others read one.
_READS_PER_WRITE = 9
_MOST_REQUESTS = 1_000_000


class Held(NamedTuple):
    """What came of it: the seconds that each request took, sorted, and the number of errors."""

    times: Sequence[float]
    errors: int

    def part(self, percent: int) -> float:
        """Return the seconds within which `percent` of the requests were answered."""
        return self.times[min(len(self.times) - 1, len(self.times) * percent // 100)]


def hold(url: str, headers: Mapping[str, str], seconds: float) -> Held:
    """Hold the API at `url` under load for so many seconds."""
    clients = [_Client(url, headers, seconds) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    times = sorted(time for client in clients for time in client.times)
    if not times:
        raise RuntimeError(f"{url} answered no request at all.")
    return Held(times, sum(client.errors for client in clients))


class _Client(threading.Thread):
    """Sends one request after the other until the time is over; what fails is an error."""

    def __init__(self, url: str, headers: Mapping[str, str], seconds: float) -> None:
        super().__init__(daemon=True)
        place = urlsplit(url)
        self._base = place.path
        self._headers = {**headers, "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection(place.netloc, timeout=30)
        self._end = monotonic() + seconds
        self.times: list[float] = []
        self.errors = 0

    def run(self) -> None:
        """Send requests."""
        while monotonic() < self._end and len(self.times) < _MOST_REQUESTS:
            try:
                path = self._create()
                for _ in range(_READS_PER_WRITE):
                    self._ask("GET", path, None, 200)
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                self.errors += 1
                self._connection.close()
        self._connection.close()

    def _create(self) -> str:
        email = f"{secrets.token_hex(12)}@example.com"
        body = json.dumps({"name": "Ann Example", "email": email})
        return f"/users/{json.loads(self._ask('POST', '/users', body, 201))['user_id']}"

    def _ask(self, method: str, path: str, body: str | None, expected: int) -> bytes:
        started = perf_counter()
        self._connection.request(method, self._base + path, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        self.times.append(perf_counter() - started)
        if answer.status != expected:
            raise ValueError(f"{method} {path} was answered with {answer.status}")
        return content
