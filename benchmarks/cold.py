"""Cold starts: CPU time until the first response, loaded from the unzipped package."""

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
A fresh process until its first response to a GET, against a stub of DynamoDB over TLS: CPU time in
milliseconds, including the interpreter's own start. The package runs from its unzipped files, and
nothing else can be imported. All have bytecode unless the table says otherwise; Chalice alone ships
none."""
_PAYS = """\
The optimizations, each measured by removing it: bytecode, trimmed data and two omitted parts in the
`vendor/` folder that the build fills (`deployment/vendor.py`), and a client without the handlers of
other services (`chalicelib/storage/dynamodb/client.py`). Others were tried and saved too little:
omitting DynamoDB operations that are never called, bytecode without docstrings, bytecode that is
not checked against its source, and pausing the garbage collector during the start. Nearly all time
is spent before the first event, while Lambda gives a function a whole processor. That is why the
client is created there."""


def run(bench: Bench) -> Section:
    """Measure starts."""
    sites = next(bench.peers.parent.parent.glob("lib/python*/site-packages"))
    with dynamodb_stub.running() as aws, packages.built_packages() as folder:
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
    responded = {name: times.responded for name, times in spent.items()}
    limits = {_BOTO3: 0.85, _POWERTOOLS: 0.5, _FASTAPI: 0.5, _PLAIN: 0.4}
    rows = [
        [
            name,
            *(f"{part.median:.0f}" for part in times),
            f"{times.responded.to(responded[PRODUCT]):.2f}",
        ]
        for name, times in spent.items()
    ]
    return Section(
        "Cold start",
        [
            _TEXT,
            Table(["ms", "until loaded", "until the response", "to this API's package"], rows),
            [
                Goal(f"to {name}", limit, responded[PRODUCT].to(responded[name]))
                for name, limit in limits.items()
            ],
            Plot(
                "cold",
                "Time to the first response, ms of CPU time",
                {name: times.median for name, times in responded.items()},
            ),
            _PAYS,
        ],
    )
