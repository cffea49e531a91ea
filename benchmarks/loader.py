"""A bounded load generator: a few clients, each with one request at a time, for a fixed time."""

import http.client
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from time import monotonic, perf_counter
from typing import NamedTuple
from urllib.parse import urlsplit

CLIENTS = 4
# One request in ten creates a user; the others read it.
_READS_PER_WRITE = 9
_MOST_REQUESTS = 1_000_000


class LoadResult(NamedTuple):
    """The seconds that each request took, sorted, and the number of errors."""

    times: Sequence[float]
    errors: int

    def percentile(self, percent: int) -> float:
        """Return the seconds within which `percent` of the requests were completed."""
        return self.times[min(len(self.times) - 1, len(self.times) * percent // 100)]


def run_load(url: str, headers: Mapping[str, str], seconds: float) -> LoadResult:
    """Send requests to the API at `url` for so many seconds."""
    clients = [_Client(url, headers, seconds) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    times = sorted(time for client in clients for time in client.times)
    if not times:
        raise RuntimeError(f"{url} responded to no request.")
    return LoadResult(times, sum(client.errors for client in clients))


class _Client(threading.Thread):
    """Sends one request after the other until the time is over, and counts failures."""

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
        response = self._connection.getresponse()
        content = response.read()
        self.times.append(perf_counter() - started)
        if response.status != expected:
            raise ValueError(f"{method} {path} got the status {response.status}")
        return content
