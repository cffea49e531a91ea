"""The packages whose starts are measured: the product's, and two to compare it with."""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deploy.project import ROOT, Project, succeeded

_KEYS = "https://issuer.example/keys"
_OWN = "    return Client(_DYNAMODB, configuration(_DYNAMODB.name), timeouts(budget), around)\n"
_WITH_BOTO3 = """\
    from chalicelib.storage.dynamodb.boto3_storage import Boto3Client
    return Boto3Client()
"""


@contextmanager
def built_packages() -> Iterator[Path]:
    """Build and unzip the packages while the block runs; yield the folder that holds them.

    They are "product", "sources" (the product without bytecode) and "plain" (what Chalice makes
    of the product with boto3 in the place of its own client).
    """
    with TemporaryDirectory() as folder:
        packages = Path(folder)
        product = packages / "product"
        _package(product, vendored=True)
        _package(packages / "plain", vendored=False)
        no_bytecode = shutil.ignore_patterns("__pycache__")
        shutil.copytree(product, packages / "sources", ignore=no_bytecode)
        yield packages


def _package(target: Path, *, vendored: bool) -> None:
    """Build the deployment package as a user would, and unzip it."""
    project = Project(target.with_name(f"{target.name}-project"))
    project.configure("prod", AUTH_ISSUER="bench", AUTH_AUDIENCE="api", AUTH_JWKS_URL=_KEYS)
    if not vendored:
        (project.folder / "deployment/vendor.py").write_text("def fill(root):\n    pass\n")
        engine = project.folder / "chalicelib/storage/dynamodb"
        shutil.copy(ROOT / "benchmarks/peers/boto3_storage.py", engine / "boto3_storage.py")
        requests = engine / "requests.py"
        source = requests.read_text()
        assert _OWN in source
        requests.write_text(source.replace(_OWN, _WITH_BOTO3))
        # Without hashes: pip would require one for boto3 too.
        requested = (ROOT / "requirements.in").read_text()
        (project.folder / "requirements.txt").write_text(f"{requested}boto3=={version('boto3')}\n")
    done = project.chalice("package", "--stage", "prod", "out", AWS_DEFAULT_REGION="us-east-1")
    succeeded(done)
    with zipfile.ZipFile(project.folder / "out" / "deployment.zip") as package:
        package.extractall(target)


def megabytes(package: Path) -> float:
    """Return the size of an unzipped package."""
    return sum(file.stat().st_size for file in package.rglob("*") if file.is_file()) / 1e6
