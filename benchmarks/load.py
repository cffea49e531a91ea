"""Under load: the local server and the deployed API, each at full load."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil

from benchmarks.bench import Bench
from benchmarks.loader import CLIENTS, run_load
from benchmarks.report import Goal, Section, Table
from localdev.emulators import EmulatorMissing
from tests.deploy.cloud import emulated_cloud
from tests.deploy.deployed import AUTH_PARAMETER, AUTHENTICATION, bearer
from tests.deploy.project import Project, succeeded
from tests.e2e.server import running
from tests.support.issuer import SECRET

_WARMING = 0.2
_TEXT = """\
{clients} clients on the loopback interface send requests for {seconds:g} s, each with one at a time
and one in ten a creation. The servers are `chalice local` on SQLite, and the API that `make deploy`
creates on an emulated AWS, with its authorizer, its functions in separate processes, and its table.
The load generator shares the machine's processors with the servers, and the emulator does not
reflect AWS's speed, so these numbers are lower bounds. Memory is that of the processes that run the
product's code."""
_NOTHING = (
    "The emulated AWS is not installed, so it was not measured: `make emulators` installs it."
)


class Served(NamedTuple):
    """A running API: its address, the headers that requests need, and its processes."""

    url: str
    headers: Mapping[str, str]
    processes: Callable[[], list[psutil.Process]]


def run(bench: Bench) -> Section:
    """Measure both under load."""
    measured = {"chalice local": _measured(_local(), bench.size.seconds)}
    text = _TEXT.format(seconds=bench.size.seconds, clients=CLIENTS)
    try:
        measured["deployed, emulated"] = _measured(_deployed(), bench.size.seconds)
    except EmulatorMissing:
        text += f" {_NOTHING}"
    rows = [
        [name, *(f"{row[name]:,.{digits}f}" for row in measured.values())] for name, digits in _ROWS
    ]
    goals = []
    for name, row in measured.items():
        grown = row["memory after, MB"] / row["memory before, MB"]
        goals += [
            Goal(f"{name}: errors", 0, row["errors"]),
            Goal(f"{name}: memory, to before", 1.1, grown),
        ]
    return Section("Under load", [text, Table(["", *measured], rows), goals])


_ROWS = (
    ("requests a second", 0),
    ("p50, ms", 2),
    ("p95, ms", 2),
    ("p99, ms", 2),
    ("errors", 0),
    ("memory before, MB", 0),
    ("memory after, MB", 0),
)


def _measured(running_api: AbstractContextManager[Served], seconds: float) -> dict[str, float]:
    with running_api as api:
        # Let caches, pools and processes fill first.
        run_load(api.url, api.headers, seconds * _WARMING)
        before = _resident(api)
        result = run_load(api.url, api.headers, seconds)
        after = _resident(api)
    return {
        "requests a second": len(result.times) / seconds,
        **{f"p{percent}, ms": result.percentile(percent) * 1000 for percent in (50, 95, 99)},
        "errors": result.errors,
        "memory before, MB": before,
        "memory after, MB": after,
    }


@contextmanager
def _local() -> Iterator[Served]:
    with TemporaryDirectory() as folder, running(Path(folder)) as server:
        yield Served(server.url, {}, lambda: [psutil.Process(server.process.pid)])


@contextmanager
def _deployed() -> Iterator[Served]:
    """Deploy a stage as a user would; the functions' processes are the emulator's children."""
    with TemporaryDirectory() as folder, emulated_cloud() as cloud:
        cloud.put_secret(AUTH_PARAMETER, SECRET)
        project = Project(Path(folder))
        project.configure("dev", **AUTHENTICATION)
        succeeded(project.deployment("deploy", "dev", **cloud.variables))
        url = cloud.url(project.api_id("dev"), "dev")
        token = bearer("boss", roles=["admin"])
        [emulator] = psutil.Process().children()
        yield Served(url, {"Authorization": f"Bearer {token}"}, emulator.children)


def _resident(api: Served) -> float:
    """Return the resident memory of the API's processes, in MB."""
    return float(sum(process.memory_info().rss for process in api.processes()) / 2**20)
