"""Under load: the local server and the deployed API, each held at what it can take."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil

from benchmarks.bench import Bench
from benchmarks.loader import CLIENTS, hold
from benchmarks.report import Goal, Section, Table
from localdev.engines import Missing
from tests.deploy.cloud import emulated_cloud
from tests.deploy.deployed import AUTH_PARAMETER, AUTHENTICATION, bearer
from tests.deploy.project import Project, succeeded
from tests.e2e.server import running
from tests.issuer import SECRET

_WARMING = 0.2
_TEXT = """\
Held for {seconds:g} s each by {clients} clients on the loopback interface, each with one request at
a time and one in ten a creation: `chalice local` on SQLite, and the API that `make deploy` made on
an emulated AWS, with its authorizer, its functions in processes of their own, and its table. The
loader shares the machine's processors with the servers, and the emulator is no measure of AWS's
own speed: so these are floors. Memory is that of the processes that run the product's code."""
_NOTHING = (
    "The emulated AWS is not installed, so it was not measured: `make emulators` installs it."
)


class Served(NamedTuple):
    """A running API: its address, the headers that requests need, and the processes that are it."""

    url: str
    headers: Mapping[str, str]
    processes: Callable[[], list[psutil.Process]]


def run(bench: Bench) -> Section:
    """Hold both under load."""
    measured = {"chalice local": _held(_local(), bench.size.seconds)}
    text = _TEXT.format(seconds=bench.size.seconds, clients=CLIENTS)
    try:
        measured["deployed, emulated"] = _held(_deployed(), bench.size.seconds)
    except Missing:
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


def _held(running_api: AbstractContextManager[Served], seconds: float) -> dict[str, float]:
    with running_api as api:
        # Caches, pools and processes fill first.
        hold(api.url, api.headers, seconds * _WARMING)
        before = _resident(api)
        held = hold(api.url, api.headers, seconds)
        after = _resident(api)
    return {
        "requests a second": len(held.times) / seconds,
        **{f"p{percent}, ms": held.part(percent) * 1000 for percent in (50, 95, 99)},
        "errors": held.errors,
        "memory before, MB": before,
        "memory after, MB": after,
    }


@contextmanager
def _local() -> Iterator[Served]:
    with TemporaryDirectory() as folder, running(Path(folder)) as server:
        yield Served(server.url, {}, lambda: [psutil.Process(server.process.pid)])


@contextmanager
def _deployed() -> Iterator[Served]:
    """Deploy a stage, as a person would; the functions' processes are the emulator's children."""
    with TemporaryDirectory() as folder, emulated_cloud() as cloud:
        cloud.keep_secret(AUTH_PARAMETER, SECRET)
        project = Project(Path(folder))
        project.configure("dev", **AUTHENTICATION)
        succeeded(project.deployment("deploy", "dev", **cloud.variables))
        url = cloud.url(project.api_id("dev"), "dev")
        token = bearer("boss", roles=["admin"])
        [emulator] = psutil.Process().children()
        yield Served(url, {"Authorization": f"Bearer {token}"}, emulator.children)


def _resident(api: Served) -> float:
    """Return the memory that the API's processes hold, in MB."""
    return float(sum(process.memory_info().rss for process in api.processes()) / 2**20)
