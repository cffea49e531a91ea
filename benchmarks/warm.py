"""The warm path: CPU time of a request, without storage."""

from benchmarks.bench import SETTINGS, Bench
from benchmarks.measure import OPERATIONS, Contestant, side_by_side
from benchmarks.report import Goal, Plot, Section, Table

PRODUCT = "this API"
_UNLOGGED = "this API, without its log"
_MAX_LINE = 5.0
_PEERS = {
    "bare dictionary": "bare",
    "Powertools": "powertools_plain",
    "Powertools, Logger and Metrics": "powertools_logging",
    "Powertools, validating": "powertools_validating",
    "FastAPI + Mangum": "fastapi_mangum",
    "Flask + apig-wsgi": "flask_wsgi",
}
_TEXT = """\
The same small API with users in memory, called with the same complete events of API Gateway: CPU
time of the process for one request, in microseconds. The product is the real application. It reads
the caller from the authorizer's context, checks permissions, and responds with entity tags, request
ids and problem details, and writes a line with metrics for each request. The peers do none of that,
but for Powertools with its Logger and Metrics."""


def run(bench: Bench) -> Section:
    """Measure the warm path."""
    settings = {**SETTINGS, "STORAGE_URL": "memory:"}
    contestants = {
        PRODUCT: Contestant("benchmarks.product", bench.python, settings),
        _UNLOGGED: Contestant(
            "benchmarks.product", bench.python, {**settings, "LOG_FORMAT": "text"}
        ),
        **{
            name: Contestant(f"benchmarks.peers.{module}", bench.peers)
            for name, module in _PEERS.items()
        },
    }
    spent = side_by_side(contestants, OPERATIONS, bench.size.rounds, bench.size.requests)
    rows = [
        [name, *(f"{spent[operation][name].median:.1f}" for operation in OPERATIONS)]
        for name in contestants
    ]
    get, create = spent["get"], spent["create"]
    goals = [
        Goal("get, to Powertools", 1.0, get[PRODUCT].to(get["Powertools"])),
        Goal(
            "get, to Powertools, Logger and Metrics",
            0.5,
            get[PRODUCT].to(get["Powertools, Logger and Metrics"]),
        ),
        Goal(
            "the line with its metrics, µs of a get",
            _MAX_LINE,
            get[PRODUCT].median - get[_UNLOGGED].median,
        ),
        Goal("get, to Powertools, validating", 0.5, get[PRODUCT].to(get["Powertools, validating"])),
        Goal("get, to FastAPI + Mangum", 0.3, get[PRODUCT].to(get["FastAPI + Mangum"])),
        Goal(
            "create, to Powertools, validating",
            0.5,
            create[PRODUCT].to(create["Powertools, validating"]),
        ),
    ]
    header = ["µs", "get", "list of 20", "invalid body", "unknown path", "create"]
    plot = Plot(
        "warm", "GET of one user, µs of CPU time", {name: it.median for name, it in get.items()}
    )
    return Section("Warm path", [_TEXT, Table(header, rows), goals, plot])
