"""Costs: dollars per million requests, from measured CPU time, capacity units and prices."""

import math
import re
from typing import NamedTuple

from benchmarks import dynamodb_stub
from benchmarks.bench import SETTINGS, Bench
from benchmarks.measure import ROOT, Contestant, side_by_side
from benchmarks.report import Section, Table

# us-east-1, November 2026; prices differ by region and time.
_GATEWAY = 3.50
_INVOCATIONS = 0.20
_GIGABYTE_SECOND = 0.0000133334
_READ_UNITS, _WRITE_UNITS = 0.125, 0.625
# Lambda gives a whole processor at this size, and a share of it below.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_WHOLE = 1769
_SIZES = (128, 256, 512, 1024, 1769)
_CHOSEN, _SMALLER, _LARGER = 512, 256, 1024
# Milliseconds of waiting for one request to DynamoDB: an assumption.
_WAITING = {"GetItem": 3.0, "Query": 5.0, "UpdateItem": 5.0, "TransactWriteItems": 9.0}
# The operations by route, with their names in docs/dynamodb.md.
_OPERATIONS = {
    "create": ("POST /users", "create a user"),
    "get": ("GET /users/{user_id}", "get a user"),
    "page": ("GET /users", "list 20 users"),
    "replace": ("PUT /users/{user_id}", "change a user"),
    "patch": ("PATCH /users/{user_id}", "patch a user's metadata"),
    "delete": ("DELETE /users/{user_id}", "delete a user"),
    "create-order": ("POST …/orders", "create an order"),
    "get-order": ("GET …/orders/{order_id}", "get an order"),
    "list-orders": ("GET …/orders", "list 20 orders"),
    "step-order": ("PATCH …/orders/{order_id}, a step", "step an order"),
    "close-order": ("PATCH …/orders/{order_id}, the last step", "close an order"),
}
_COST = re.compile(
    r"^\| (?P<name>[^|]+) \| done \| (?P<requests>[^|]+) \| (?P<reads>\d+) \| (?P<writes>\d+) ",
    re.MULTILINE,
)

_TEXT = """\
Dollars per million requests: ${gateway} for API Gateway's REST API, ${invocations} for Lambda's
invocations, ${gigabyte} for a GB-second on arm64, billed by the millisecond, ${reads} and ${writes}
per million read and write units of DynamoDB (units: docs/dynamodb.md). A function of {whole} MB is
assumed to have one processor like this machine's, a smaller one a share of it, and to wait for
DynamoDB for {waiting}."""
_TIMES = """\
The duration of a request in the function, in milliseconds, from its measured CPU time:"""
_CHOICE = """\
**`.chalice/config.json` uses {chosen} MB.** API Gateway and DynamoDB dominate the bill at every
size, so the size is chosen for latency. {smaller} MB would save ${saved:.2f} of the ${bill:.2f} for
a million reads of a user, and respond {slower:.1f} ms later; {larger} MB would cost ${more:.2f}
more and respond {faster:.1f} ms sooner."""


class _Bill(NamedTuple):
    """One operation at one size: milliseconds in the function, dollars per million requests."""

    time: float
    dollars: float


def run(bench: Bench) -> Section:
    """Measure each operation and compute the bill."""
    with dynamodb_stub.running() as aws:
        storage = {**aws, **SETTINGS, "STORAGE_URL": f"dynamodb://{dynamodb_stub.PRODUCT_TABLE}"}
        product = {"": Contestant("benchmarks.product", bench.python, storage)}
        spent = side_by_side(product, _OPERATIONS, bench.size.rounds, bench.size.dynamodb_requests)
    costs = {row["name"]: row for row in _COST.finditer((ROOT / "docs/dynamodb.md").read_text())}
    bills = {
        route: {size: _bill(spent[name][""].median, costs[cost], size) for size in _SIZES}
        for name, (route, cost) in _OPERATIONS.items()
    }
    text = _TEXT.format(
        gateway=f"{_GATEWAY:.2f}",
        invocations=f"{_INVOCATIONS:.2f}",
        gigabyte=_GIGABYTE_SECOND,
        reads=_READ_UNITS,
        writes=_WRITE_UNITS,
        whole=_WHOLE,
        waiting=", ".join(f"{time:g} ms ({name})" for name, time in _WAITING.items()),
    )
    read = bills[_OPERATIONS["get"][0]]
    choice = _CHOICE.format(
        chosen=_CHOSEN,
        smaller=_SMALLER,
        larger=_LARGER,
        bill=read[_CHOSEN].dollars,
        saved=read[_CHOSEN].dollars - read[_SMALLER].dollars,
        slower=read[_SMALLER].time - read[_CHOSEN].time,
        more=read[_LARGER].dollars - read[_CHOSEN].dollars,
        faster=read[_CHOSEN].time - read[_LARGER].time,
    )
    sizes = [f"{size} MB" for size in _SIZES]
    dollars = [
        [route, *(f"{it.dollars:.3f}" for it in row.values())] for route, row in bills.items()
    ]
    times = [[route, *(f"{it.time:.1f}" for it in row.values())] for route, row in bills.items()]
    return Section(
        "Costs",
        [text, Table(["$", *sizes], dollars), _TIMES, Table(["ms", *sizes], times), choice],
    )


def _bill(cpu: float, cost: re.Match[str], size: int) -> _Bill:
    """Return the bill of an operation that takes `cpu` microseconds of a whole processor."""
    waiting = sum(_WAITING[request] for request in cost["requests"].split(", "))
    time = cpu / 1000 * max(1, _WHOLE / size) + waiting
    computing = math.ceil(time) / 1000 * size / 1024 * _GIGABYTE_SECOND * 1_000_000
    units = int(cost["reads"]) * _READ_UNITS + int(cost["writes"]) * _WRITE_UNITS
    return _Bill(time, _GATEWAY + _INVOCATIONS + computing + units)
