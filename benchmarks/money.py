"""Money: dollars for a million requests, from measured CPU time, capacity units and prices."""

import math
import re

from benchmarks.bench import Bench
from benchmarks.measure import ROOT
from benchmarks.report import Section, Table

# us-east-1, November 2026; prices of other regions and times differ.
_GATEWAY = 3.50
_INVOCATIONS = 0.20
_GIGABYTE_SECOND = 0.0000133334
_READ_UNITS, _WRITE_UNITS = 0.125, 0.625
# Lambda's processor: a whole one at this size, a share of it below.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_WHOLE = 1769
_SIZES = (128, 256, 512, 1024, 1769)
# What waiting for DynamoDB takes, and how many invocations are first ones: assumed.
_WAITING = {"get": 3.0, "page": 5.0, "create": 9.0}
_UNITS = {"get": "get a user", "page": "list 20 users", "create": "create a user"}
_ROW = re.compile(
    r"^\| (?P<name>[^|]+) \| done \|[^|]*\| (?P<reads>\d+) \| (?P<writes>\d+) ", re.MULTILINE
)

_TEXT = """\
Dollars for a million requests: ${gateway} for API Gateway's REST API, ${invocations} for Lambda's
invocations, ${gigabyte} for a GB-second on arm64, billed by the millisecond, ${reads} and ${writes}
for a million read and write units of DynamoDB (units: docs/dynamodb.md). A function of {whole} MB
has one processor like this machine's, a smaller one its share of it; waiting for DynamoDB is
assumed to take {get:g} ms for a get, {page:g} for a page and {create:g} for a creation."""
_CHOICE = """\
**`.chalice/config.json` uses 512 MB.** API Gateway and DynamoDB are the bill at every size. A
smaller function would save a few cents of it and answer noticeably later; a larger one costs more
than it gains."""


def run(bench: Bench) -> Section:
    """Work out the bill."""
    units = {row["name"]: row for row in _ROW.finditer((ROOT / "docs/dynamodb.md").read_text())}
    text = _TEXT.format(
        gateway=f"{_GATEWAY:.2f}",
        invocations=f"{_INVOCATIONS:.2f}",
        gigabyte=_GIGABYTE_SECOND,
        reads=_READ_UNITS,
        writes=_WRITE_UNITS,
        whole=_WHOLE,
        **_WAITING,
    )
    rows = []
    for operation, waiting in _WAITING.items():
        row = units[_UNITS[operation]]
        capacity = int(row["reads"]) * _READ_UNITS + int(row["writes"]) * _WRITE_UNITS
        for size in _SIZES:
            spent = bench.cpu[operation] / 1000 * max(1, _WHOLE / size) + waiting
            computing = math.ceil(spent) / 1000 * size / 1024 * _GIGABYTE_SECOND * 1_000_000
            total = _GATEWAY + _INVOCATIONS + computing + capacity
            numbers = (f"{n:.3f}" for n in (computing, capacity, total))
            rows.append([f"{operation}, {size} MB", f"{spent:.1f}", *numbers])
    header = ["operation, size", "ms", "Lambda $", "DynamoDB $", "in all $"]
    return Section("Money", [text, Table(header, rows), _CHOICE])
