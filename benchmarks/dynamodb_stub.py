"""Runs the stub of DynamoDB with the responses for each contestant's table."""

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
from chalicelib.domain.orders import ORDERS, Order, OrderLine
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.users import USERS, User
from chalicelib.storage.dynamodb.items import Layout

PRODUCT_TABLE = "product"
USUAL_TABLE = "usual"
DOCUMENT_TABLE = "documents"
ROWS = 25
_ORDER = Order(
    order_id=ORDER_ID,
    user_id=PEOPLE[0]["user_id"],
    status="pending",
    currency="EUR",
    items=[OrderLine(sku="TEA-250", quantity=2, unit_price=1250)],
    total=2500,
    metadata={"gift": "yes"},
    created_at="2026-11-21T09:30:00.000Z",
    updated_at="2026-11-21T09:30:00.000Z",
    version=1,
)


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Run the stub while the block runs; yield the AWS variables that point clients at it."""
    with TemporaryDirectory() as folder:
        chain, trusted, certificate = tls.make(Path(folder))
        responses = Path(folder) / "responses.json"
        responses.write_text(json.dumps(_responses()))
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stub", str(chain), str(responses)],
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
                    # pydynox reads this one.
                    "SSL_CERT_FILE": str(trusted),
                    "STUB_CERTIFICATE": str(certificate),
                    "AWS_REGION": "us-east-1",
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
                    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjE" + "A" * 600,
                }
            finally:
                stub.terminate()


def _responses() -> dict[str, Any]:
    """Return the content of the tables: the product's items, conventional items, JSON documents."""
    layout = Layout(RESOURCES)
    people = [{**PEOPLE[number % len(PEOPLE)]} for number in range(ROWS)]
    items = {
        PRODUCT_TABLE: [layout.of(USERS).new(User(**person), 1, None) for person in people],
        USUAL_TABLE: [_wire(person) for person in people],
        DOCUMENT_TABLE: [
            {
                **{name: _wire(person)[name] for name in ("user_id", "email", "version")},
                "document": {"S": json.dumps(person)},
            }
            for person in people
        ],
    }
    responses: dict[str, Any] = {"/": {}}
    for table, rows in items.items():
        responses[f"{table}/GetItem"] = {"Item": rows[0]}
        responses[f"{table}/Query"] = {
            "Items": rows,
            "Count": ROWS,
            "ScannedCount": ROWS,
        }
    user, order = items[PRODUCT_TABLE][0], layout.of(ORDERS).new(_ORDER, 1, None)
    orders = {"Items": [order] * ROWS, "Count": ROWS, "ScannedCount": ROWS}
    return responses | {
        f"{PRODUCT_TABLE}/UpdateItem": {"Attributes": user},
        f"{PRODUCT_TABLE}/GetItem/ORDER": {"Item": order},
        f"{PRODUCT_TABLE}/Query/ORDER": orders,
        f"{PRODUCT_TABLE}/UpdateItem/ORDER": {"Attributes": order},
    }


def _wire(person: dict[str, Any]) -> dict[str, Any]:
    """Return a user in the conventional mapping, one attribute for each field."""
    texts = {name: {"S": value} for name, value in person.items() if isinstance(value, str)}
    pairs = {key: {"S": value} for key, value in person["metadata"].items()}
    return {**texts, "metadata": {"M": pairs}, "version": {"N": str(person["version"])}}
