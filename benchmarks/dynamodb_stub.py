"""Runs the stub of DynamoDB, with the answers that each contestant's table gives."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import tls
from benchmarks.events import ORDER_ID, PEOPLE
from benchmarks.measure import ROOT
from chalicelib.domain.model import Item, Order, User
from chalicelib.storage.dynamodb.items import new_order_item, new_user_item

PRODUCT_TABLE = "product"
USUAL_TABLE = "usual"
DOCUMENT_TABLE = "documents"
ROWS = 25
_ORDER = Order(
    order_id=ORDER_ID,
    user_id=PEOPLE[0]["user_id"],
    status="pending",
    currency="EUR",
    items=[Item(sku="TEA-250", quantity=2, unit_price=1250)],
    total=2500,
    metadata={"gift": "yes"},
    created_at="2026-11-21T09:30:00.000Z",
    updated_at="2026-11-21T09:30:00.000Z",
    version=1,
)


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Run the stub while the block runs; yields the AWS variables with which clients find it."""
    with TemporaryDirectory() as folder:
        chain, trusted, certificate = tls.make(Path(folder))
        answers = Path(folder) / "answers.json"
        answers.write_text(json.dumps(_answers()))
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stub", str(chain), str(answers)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as stub:
            assert stub.stdout is not None
            port = int(stub.stdout.readline())
            try:
                yield {
                    "AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}",
                    "AWS_CA_BUNDLE": str(trusted),
                    "STUB_CERTIFICATE": str(certificate),
                    "AWS_REGION": "us-east-1",
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
                    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjE" + "A" * 600,
                }
            finally:
                stub.terminate()


def _answers() -> dict[str, Any]:
    """Return what the tables hold: the product's items, the usual ones, and JSON documents."""
    people = [{**PEOPLE[number % len(PEOPLE)]} for number in range(ROWS)]
    items = {
        PRODUCT_TABLE: [new_user_item(User(**person), 1, None) for person in people],
        USUAL_TABLE: [_wire(person) for person in people],
        DOCUMENT_TABLE: [
            {
                **{name: _wire(person)[name] for name in ("user_id", "email", "version")},
                "document": {"S": json.dumps(person)},
            }
            for person in people
        ],
    }
    answers: dict[str, Any] = {"/": {}}
    for table, rows in items.items():
        answers[f"{table}/GetItem"] = {"Item": rows[0]}
        answers[f"{table}/Query"] = {
            "Items": rows,
            "Count": ROWS,
            "ScannedCount": ROWS,
        }
    user, order = items[PRODUCT_TABLE][0], new_order_item(_ORDER)
    orders = {"Items": [order] * ROWS, "Count": ROWS, "ScannedCount": ROWS}
    return answers | {
        f"{PRODUCT_TABLE}/UpdateItem": {"Attributes": user},
        f"{PRODUCT_TABLE}/GetItem/ORDER": {"Item": order},
        f"{PRODUCT_TABLE}/Query/ORDER": orders,
        f"{PRODUCT_TABLE}/UpdateItem/ORDER": {"Attributes": order},
    }


def _wire(person: dict[str, Any]) -> dict[str, Any]:
    """Return a user as the usual mapping of its members has it, one attribute for each."""
    texts = {name: {"S": value} for name, value in person.items() if isinstance(value, str)}
    pairs = {key: {"S": value} for key, value in person["metadata"].items()}
    return {**texts, "metadata": {"M": pairs}, "version": {"N": str(person["version"])}}
