"""The measured cost of each operation on DynamoDB: the table in docs/dynamodb.md.

``python -m tests.storage.capacity`` rewrites it.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import boto3

from chalicelib.domain.errors import Problem
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Query
from chalicelib.domain.users import USERS
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from localdev.emulators import Emulators, environment
from tests.conftest import a_table
from tests.storage.operations import OPERATIONS, Operation, set_up
from tests.storage.wire import Wire

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "dynamodb.md"
BEGIN, END = "<!-- capacity: begin -->\n", "<!-- capacity: end -->\n"

# On demand in us-east-1, in dollars per million units.
READ_PRICE = 0.125
WRITE_PRICE = 0.625

SHARDED = Operation("list 20 users, 4 shards", lambda s, _: s.list(USERS, (), Query(limit=20)))
READS = {"GetItem", "Query", "TransactGetItems"}


class Cost(NamedTuple):
    """What one operation sent and consumed; `ruled` if some units follow from AWS's rules."""

    name: str
    requests: list[str]
    outcome: str
    reads: float
    writes: float
    ruled: bool


def measured(ministack: str, dynamodb_local: str, use: Callable[[str], None]) -> list[Cost]:
    """Return the cost of each operation; `use` points the AWS variables at an endpoint.

    ministack counts the units of transactions and indexes as DynamoDB does; DynamoDB Local counts
    them twice. ministack does not count what a Query reads, so that comes from DynamoDB Local.
    """
    costs = []
    for operation in [*OPERATIONS, SHARDED]:
        shards = 4 if operation is SHARDED else 1
        use(ministack)
        cost = _measure_on_new_table(operation, shards)
        if "Query" in cost.requests:
            use(dynamodb_local)
            reads = _measure_on_new_table(operation, shards).reads
            cost = cost._replace(reads=reads)
        costs.append(cost)
    return costs


def measure(table: str, operation: Operation, *, shards: int = 1) -> Cost:
    """Run `operation` on the empty `table` and return its cost."""
    wire = Wire()
    storage = DynamoDBStorage(table, RESOURCES, client=wire, shards=shards)
    state = set_up(storage)
    operation.prepare(storage, state)
    wire.reset()
    outcome = "done"
    try:
        if operation.run(storage, state) == state.record:
            outcome = "first answer"
    except Problem as problem:
        outcome = type(problem).__name__
    finally:
        storage.close()
    reads = writes = 0.0
    for number, (name, request) in enumerate(wire.requests):
        if name in READS:
            reads += wire.capacity[number]
        else:
            # A refused write consumes units of the table, but none of the index.
            refused = 2 * len(request["TransactItems"]) if "TransactItems" in request else 1
            writes += wire.capacity.get(number, refused)
    names = [name for name, _ in wire.requests]
    return Cost(operation.name, names, outcome, reads, writes, len(wire.capacity) < len(names))


def _measure_on_new_table(operation: Operation, shards: int) -> Cost:
    client = boto3.client("dynamodb")
    with a_table(client) as table:
        cost = measure(table, operation, shards=shards)
    client.close()
    return cost


def table_of(costs: list[Cost]) -> str:
    """Return the document's table."""
    lines = [
        "| operation | outcome | requests | RRU | WRU | dollars per million |",
        "|---|---|---|---:|---:|---:|",
    ]
    for cost in costs:
        price = cost.reads * READ_PRICE + cost.writes * WRITE_PRICE
        lines.append(
            f"| {cost.name} | {cost.outcome} | {', '.join(cost.requests)} | {cost.reads:g}"
            f" | {cost.writes:g}{' †' if cost.ruled else ''} | {price:.3f} |"
        )
    return "\n".join(lines) + "\n"


def committed() -> str:
    """Return the table as committed."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    """Measure, and write the table into the document."""
    with Emulators() as engines:
        costs = measured(
            engines.url("ministack"),
            engines.url("dynamodb-local"),
            lambda endpoint: os.environ.update(environment(endpoint)),
        )
    head, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{head}{BEGIN}{table_of(costs)}{END}{rest.partition(END)[2]}")
    sys.stdout.write(table_of(costs))


if __name__ == "__main__":
    main()
