"""Cold starts: from nothing to a first answer, out of the unzipped package's own files."""

from pathlib import Path

from benchmarks import dynamodb_stub, packages
from benchmarks.bench import SETTINGS, Bench
from benchmarks.measure import ROOT
from benchmarks.report import Goal, Plot, Section, Table
from benchmarks.starts import Start, side_by_side

PRODUCT = "this API's package"
_BOTO3 = "boto3's client alone"
_POWERTOOLS = "Powertools + pydantic + boto3.resource"
_FASTAPI = "FastAPI + Mangum + boto3.resource"
_PLAIN = "the package as Chalice makes it, with boto3"
_TEXT = """\
A fresh process, from nothing to the first answered GET against a stub of DynamoDB over TLS; CPU
time in milliseconds, the interpreter's own start included. The package runs from its own unzipped
files, and nothing else can be imported. Whatever does not say otherwise has its bytecode; Chalice
by itself ships none."""
_PAYS = """\
What pays, each taken away by itself: bytecode, trimmed data and two parts left out in the `vendor/`
folder that the build fills (`deployment/vendor.py`), and a client without the handlers of other
services (`chalicelib/storage/dynamodb/client.py`). What did not, when it was tried, or so little
that it is not worth its lines: leaving out the operations of DynamoDB that are never called,
bytecode without docstrings, bytecode that is not checked against its source, and a garbage
collector that rests during the start. Nearly all is spent before the first event, where Lambda
gives a function its processor whole: that is why the client is made there."""


def run(bench: Bench) -> Section:
    """Measure starts."""
    sites = next(bench.peers.parent.parent.glob("lib/python*/site-packages"))
    with dynamodb_stub.running() as aws, packages.made() as folder:
        table = {"STORAGE_URL": f"dynamodb://{dynamodb_stub.PRODUCT_TABLE}"}
        ours = {**aws, **SETTINGS, **table, "_HANDLER": "app.app"}
        trusted = folder / "trusted.pem"
        certificates = (folder / "product/botocore/cacert.pem").read_text()
        trusted.write_text(certificates + Path(aws["STUB_CERTIFICATE"]).read_text())
        product = Start(
            (folder / "product",), "app", "app", {**ours, "AWS_CA_BUNDLE": str(trusted)}
        )
        starts = {
            PRODUCT: product,
            "without bytecode": product._replace(folders=(folder / "sources",)),
            "without trimmed data, as boto3's client has it": product._replace(
                folders=(folder / "untrimmed",), environment=ours
            ),
            "with botocore's documentation and HTTP/2": product._replace(
                folders=(folder / "whole",)
            ),
            "with botocore's handlers for all services": product._replace(
                folders=(folder / "handlers",)
            ),
            **{
                name: Start((ROOT, sites), f"benchmarks.peers.{module}", "handler", aws)
                for name, module in (
                    (_BOTO3, "cold_boto3"),
                    (_POWERTOOLS, "cold_powertools"),
                    (_FASTAPI, "cold_fastapi"),
                )
            },
            _PLAIN: Start((folder / "plain",), "app", "app", ours),
        }
        spent = side_by_side(starts, bench.size.starts, folder)
    answered = {name: times.answered for name, times in spent.items()}
    limits = {_BOTO3: 0.85, _POWERTOOLS: 0.5, _FASTAPI: 0.5, _PLAIN: 0.4}
    rows = [
        [
            name,
            *(f"{part.median:.0f}" for part in times),
            f"{times.answered.to(answered[PRODUCT]):.2f}",
        ]
        for name, times in spent.items()
    ]
    return Section(
        "Cold start",
        [
            _TEXT,
            Table(["ms", "until loaded", "until answered", "to this API's package"], rows),
            [
                Goal(f"to {name}", limit, answered[PRODUCT].to(answered[name]))
                for name, limit in limits.items()
            ],
            Plot(
                "cold",
                "From nothing to the first answer, ms of CPU time",
                {name: times.median for name, times in answered.items()},
            ),
            _PAYS,
        ],
    )
