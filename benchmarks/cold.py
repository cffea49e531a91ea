"""Cold starts: from nothing to a first answer, out of the unzipped package's own files."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import dynamodb_stub
from benchmarks.bench import SETTINGS, Bench
from benchmarks.measure import ROOT
from benchmarks.report import Goal, Plot, Section, Table
from benchmarks.starts import Start, side_by_side

PRODUCT = "this API's package"
_SOURCES = ("app.py", "chalicelib", "deployment", "localdev", "requirements.txt", ".chalice")
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
What pays, each taken away by itself: the `vendor/` folder that the build fills
(`deployment/vendor.py`). What did not, when it was tried: leaving out the operations of DynamoDB
that are never called. Nearly all is spent before the first event, where Lambda gives a function its
processor whole: that is why the client is made there."""


def run(bench: Bench) -> Section:
    """Measure starts."""
    sites = next(bench.peers.parent.parent.glob("lib/python*/site-packages"))
    with dynamodb_stub.running() as aws, _packages() as packages:
        table = {"STORAGE_URL": f"dynamodb://{dynamodb_stub.PRODUCT_TABLE}"}
        ours = {**aws, **SETTINGS, **table, "_HANDLER": "app.app"}
        trusted = packages / "trusted.pem"
        certificates = (packages / "product/botocore/cacert.pem").read_text()
        trusted.write_text(certificates + Path(aws["STUB_CERTIFICATE"]).read_text())
        product = Start(
            (packages / "product",), "app", "app", {**ours, "AWS_CA_BUNDLE": str(trusted)}
        )
        starts = {
            PRODUCT: product,
            "without bytecode": product._replace(folders=(packages / "sources",)),
            "without trimmed data, as boto3's client has it": product._replace(
                folders=(packages / "untrimmed",), environment=ours
            ),
            **{
                name: Start((ROOT, sites), f"benchmarks.peers.{module}", "handler", aws)
                for name, module in (
                    (_BOTO3, "cold_boto3"),
                    (_POWERTOOLS, "cold_powertools"),
                    (_FASTAPI, "cold_fastapi"),
                )
            },
            _PLAIN: Start((packages / "plain",), "app", "app", ours),
        }
        spent = side_by_side(starts, bench.size.starts, packages)
    answered = {name: times.answered for name, times in spent.items()}
    limits = {_BOTO3: 0.85, _POWERTOOLS: 0.5, _FASTAPI: 0.5, _PLAIN: 0.4}
    rows = [[name, f"{times.loaded:.0f}", f"{times.answered:.0f}"] for name, times in spent.items()]
    bench.cpu["start"] = answered[PRODUCT] * 1000
    return Section(
        "Cold start",
        [
            _TEXT,
            Table(["ms", "until loaded", "until answered"], rows),
            [
                Goal(f"to {name}", limit, answered[PRODUCT] / answered[name])
                for name, limit in limits.items()
            ],
            Plot("cold", "From nothing to the first answer, ms of CPU time", answered),
            _PAYS,
        ],
    )


@contextmanager
def _packages() -> Iterator[Path]:
    """Make and unzip the packages while the block runs."""
    with TemporaryDirectory() as folder:
        made = Path(folder)
        _package(made / "product", vendored=True)
        _package(made / "plain", vendored=False)
        shutil.copytree(
            made / "product", made / "sources", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copytree(made / "product", made / "untrimmed")
        _untrim(made / "untrimmed")
        yield made


def _untrim(package: Path) -> None:
    """Give a package botocore's data as it is."""
    import botocore  # noqa: PLC0415 - beside what takes its place

    whole = Path(botocore.__file__).parent
    shutil.rmtree(package / "botocore/data")
    shutil.copytree(whole / "data", package / "botocore/data")
    shutil.copy(whole / "cacert.pem", package / "botocore")


def _package(target: Path, *, vendored: bool) -> None:
    """Make the deployment package, as a person would, and unzip it."""
    project = target.with_name(f"{target.name}-project")
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=_ignored)
        else:
            project.mkdir(exist_ok=True)
            shutil.copy(source, project)
    config = project / ".chalice" / "config.json"
    settings = json.loads(config.read_text())
    variables = settings["stages"]["prod"]["environment_variables"]
    variables |= {"AUTH_ISSUER": "bench", "AUTH_AUDIENCE": "api"}
    variables |= {"AUTH_SECRET_PARAMETER": "/bench/secret"}
    # The functions run here.
    settings["lambda_architecture"] = "x86_64" if os.uname().machine == "x86_64" else "arm64"
    config.write_text(json.dumps(settings))
    if not vendored:
        (project / "deployment" / "vendor.py").write_text("def fill(root):\n    pass\n")
        with (project / "requirements.txt").open("a") as requirements:
            requirements.write(f"boto3=={version('boto3')}\n")
    script = "import sys; from chalice.cli import main; sys.exit(main())"
    subprocess.run(
        [sys.executable, "-c", script, "package", "--stage", "prod", "out"],
        cwd=project,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    with zipfile.ZipFile(project / "out" / "deployment.zip") as package:
        package.extractall(target)


def _ignored(folder: str, names: list[str]) -> set[str]:
    del folder
    return {name for name in names if name in {"__pycache__", "deployments", "deployed"}}
