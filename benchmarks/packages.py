"""The packages whose starts are measured: the product's, and variants without one optimization."""

import py_compile
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory

import botocore.docs
import urllib3.http2

from tests.deploy.project import ROOT, Project, succeeded

_KEYS = "https://issuer.example/keys"


@contextmanager
def built_packages() -> Iterator[Path]:
    """Build and unzip the packages while the block runs; yield the folder that holds them.

    They are "product", "plain" (what Chalice makes with boto3 in requirements.txt), and the product
    without one optimization each: "sources", "untrimmed", "whole" and "handlers".
    """
    with TemporaryDirectory() as folder:
        packages = Path(folder)
        product = packages / "product"
        _package(product, vendored=True)
        _package(packages / "plain", vendored=False)
        no_bytecode = shutil.ignore_patterns("__pycache__")
        shutil.copytree(product, packages / "sources", ignore=no_bytecode)
        shutil.copytree(product, packages / "untrimmed")
        _untrim(packages / "untrimmed")
        shutil.copytree(product, packages / "whole")
        _complete(packages / "whole")
        shutil.copytree(product, packages / "handlers")
        client = packages / "handlers/chalicelib/storage/dynamodb/client.py"
        _change(client, "include_builtin_handlers=False", "")
        yield packages


def _untrim(package: Path) -> None:
    """Restore botocore's original data in a package."""
    whole = Path(botocore.__file__).parent
    shutil.rmtree(package / "botocore/data")
    shutil.copytree(whole / "data", package / "botocore/data")
    shutil.copy(whole / "cacert.pem", package / "botocore")


def _complete(package: Path) -> None:
    """Restore the modules of botocore and urllib3 that the package leaves out."""
    for part in (botocore.docs, urllib3.http2):
        source = Path(str(part.__file__)).parent
        target = package.joinpath(*part.__name__.split("."))
        shutil.rmtree(target)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        for module in target.rglob("*.py"):
            _compile(module)


def _change(source: Path, old: str, new: str) -> None:
    """Replace part of a module, and its bytecode."""
    text = source.read_text()
    assert text.count(old) == 1, f"{source} does not contain: {old}"
    source.write_text(text.replace(old, new))
    _compile(source)


def _compile(source: Path) -> None:
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(str(source), cache_from_source(str(source)), invalidation_mode=mode)


def _package(target: Path, *, vendored: bool) -> None:
    """Build the deployment package as a user would, and unzip it."""
    project = Project(target.with_name(f"{target.name}-project"))
    project.configure("prod", AUTH_ISSUER="bench", AUTH_AUDIENCE="api", AUTH_JWKS_URL=_KEYS)
    if not vendored:
        (project.folder / "deployment/vendor.py").write_text("def fill(root):\n    pass\n")
        # Without hashes: pip would require one for boto3 too.
        requested = (ROOT / "requirements.in").read_text()
        (project.folder / "requirements.txt").write_text(f"{requested}boto3=={version('boto3')}\n")
    done = project.chalice("package", "--stage", "prod", "out", AWS_DEFAULT_REGION="us-east-1")
    succeeded(done)
    with zipfile.ZipFile(project.folder / "out" / "deployment.zip") as package:
        package.extractall(target)
