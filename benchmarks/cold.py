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
_PYDYNOX = "pydynox's client alone"
_PLAIN = "the package as Chalice makes it, with boto3"
_TEXT = """\
A fresh process until its first response to a GET, against a stub of DynamoDB over TLS: CPU time in
milliseconds, including the interpreter's own start. The package runs from its unzipped files, and
nothing else can be imported. All have bytecode unless the table says otherwise; Chalice alone ships
none. Most of the package's size is cryptography, which only the authorizer loads."""
_PAYS = """\
Two optimizations, each measured by removing it: bytecode in the `vendor/` folder that the build
fills (`deployment/vendor.py`), and a file with the certificate authorities of AWS alone
(`chalicelib/aws/amazon_roots.pem`). Nearly all time is spent before the first event, while Lambda
gives a function a whole processor. That is why the client is created there."""

_HEADER = ["ms", "until loaded", "until the response", "to this API's package", "unzipped, MB"]


def run(bench: Bench) -> Section:
    """Measure starts."""
    sites = next(bench.peers.parent.parent.glob("lib/python*/site-packages"))
    with dynamodb_stub.running() as aws, packages.built_packages() as folder:
        table = {"STORAGE_URL": f"dynamodb://{dynamodb_stub.PRODUCT_TABLE}"}
        ours = {**aws, **SETTINGS, **table, "_HANDLER": "app.app"}
        trusted = folder / "trusted.pem"
        certificates = (folder / "product/chalicelib/aws/amazon_roots.pem").read_text()
        trusted.write_text(certificates + Path(aws["STUB_CERTIFICATE"]).read_text())
        product = Start(
            (folder / "product",), "app", "app", {**ours, "AWS_CA_BUNDLE": str(trusted)}
        )
        starts = {
            PRODUCT: product,
            "without bytecode": product._replace(folders=(folder / "sources",)),
            "with all certificate authorities, as boto3 has them": product._replace(
                environment=ours
            ),
            **{
                name: Start((ROOT, sites), f"benchmarks.peers.{module}", "handler", aws)
                for name, module in (
                    (_PYDYNOX, "pydynox_client"),
                    (_BOTO3, "cold_boto3"),
                    (_POWERTOOLS, "cold_powertools"),
                    (_FASTAPI, "cold_fastapi"),
                )
            },
            _PLAIN: Start((folder / "plain",), "app", "app", ours),
        }
        spent = side_by_side(starts, bench.size.starts, folder)
        sizes = {
            name: f"{packages.megabytes(start.folders[0]):.1f}"
            for name, start in starts.items()
            if start.folders[0].is_relative_to(folder)
        }
    responded = {name: times.responded for name, times in spent.items()}
    limits = {_PYDYNOX: 1, _BOTO3: 0.5, _POWERTOOLS: 0.32, _FASTAPI: 0.27, _PLAIN: 0.22}
    rows = [
        [
            name,
            *(f"{part.median:.0f}" for part in times),
            f"{times.responded.to(responded[PRODUCT]):.2f}",
            sizes.get(name, ""),
        ]
        for name, times in spent.items()
    ]
    return Section(
        "Cold start",
        [
            _TEXT,
            Table(_HEADER, rows),
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
