"""What the zip file with the functions' code holds."""

import re
import zipfile
from pathlib import Path

import pytest

from tests.deploy.deployed import AUTHENTICATION
from tests.deploy.project import ROOT, Project, succeeded

pytestmark = pytest.mark.slow

ZIP = "build/prod/cloudformation/deployment.zip"
# The requirements and what they require, beside Chalice's runtime part.
LIBRARIES = {"msgspec", "jwt", "cryptography", "cffi", "pycparser"}
_METADATA = re.compile(r"[A-Za-z0-9_]+-[0-9.]+\.dist-info")


def package(folder: Path) -> Path:
    """Return the zip file of a fresh copy of the project in `folder`."""
    project = Project(folder)
    project.configure("prod", **AUTHENTICATION)
    # As tests and the local server leave it behind.
    stale = folder / "chalicelib" / "__pycache__"
    stale.mkdir()
    (stale / "api.cpython-313.pyc").write_bytes(b"stale")
    succeeded(project.deployment("package", "prod"))
    return folder / ZIP


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the zip file, made where Python is free to write bytecode."""
    return package(tmp_path_factory.mktemp("package") / "first")


def names(bundle: Path) -> set[str]:
    """Return the names of all files in the zip file."""
    with zipfile.ZipFile(bundle) as opened:
        return set(opened.namelist())


def test_the_package_holds_what_runs(bundle: Path) -> None:
    """The application, Chalice's runtime part and the requirements are there, and nothing else."""
    tops = {name.partition("/")[0] for name in names(bundle)}
    metadata = {top for top in tops if _METADATA.fullmatch(top)}
    compiled = {top for top in tops if top.startswith("_cffi_backend.")}
    assert tops - metadata - compiled == {"app.py", "chalicelib", "chalice", *LIBRARIES}
    assert len(compiled) == 1


def test_the_application_is_there_whole(bundle: Path) -> None:
    """Every file of chalicelib is in the package, and of Chalice the runtime part."""
    files = [path for path in (ROOT / "chalicelib").rglob("*") if path.is_file()]
    sources = {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}
    packaged = names(bundle)
    assert {name for name in packaged if name.startswith("chalicelib/")} == sources
    runtime = {name for name in packaged if name.startswith("chalice/")}
    assert runtime == {"chalice/__init__.py", "chalice/app.py"}


def test_no_bytecode_is_packaged(bundle: Path) -> None:
    """Bytecode of this machine's interpreter stays here."""
    assert not [name for name in names(bundle) if name.endswith(".pyc")]


def test_the_package_is_the_same_twice(bundle: Path, tmp_path: Path) -> None:
    """Two copies of the project make the same octets."""
    assert package(tmp_path / "second").read_bytes() == bundle.read_bytes()


def test_the_size_is_told(bundle: Path, tmp_path: Path) -> None:
    """One command tells what the zip file weighs, and its parts."""
    told = succeeded(Project(tmp_path / "size").deployment("size", str(bundle)))
    assert f"{bundle.stat().st_size:,}" in told
    assert {line.split()[-1] for line in told.splitlines()} >= {"chalicelib", *LIBRARIES}
