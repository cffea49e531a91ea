"""The content of the deployment package."""

import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks import dynamodb_stub, events
from benchmarks.bench import SETTINGS
from tests.deploy.deployed import AUTHENTICATION
from tests.deploy.project import ROOT, Project, succeeded

pytestmark = pytest.mark.slow

ZIP = "build/prod/cloudformation/deployment.zip"
# The requirements and their dependencies, except Chalice's runtime.
LIBRARIES = {"msgspec", "jwt", "cryptography", "cffi", "pycparser"}
# What SCIM requests need beside.
SCIM_LIBRARIES = {
    "annotated_types",
    "dns",
    "email_validator",
    "idna",
    "lark",
    "pydantic",
    "pydantic_core",
    "scim2_models",
    "scim2_server",
    "typing_extensions.py",
    "typing_inspection",
}
# Required by other libraries, and imported by no function.
NEVER_IMPORTED = {"cffi", "pycparser", "dns"}
# What the build adds to shorten cold starts.
VENDORED = {"__pycache__"}
# Prints which modules of a folder are loaded then, and those that have no bytecode there.
SCIM_REQUEST = """
import json, os, sys
import app

response = app.app({
    "headers": {},
    "multiValueQueryStringParameters": None,
    "pathParameters": {"proxy": "ResourceTypes"},
    "stageVariables": None,
    "body": None,
    "requestContext": {
        "httpMethod": "GET",
        "resourcePath": "/scim/v2/{proxy+}",
        "requestId": "1",
        "authorizer": {"principalId": "boss", "admin": "true", "expires_at": "9999999999"},
    },
}, None)
assert response["statusCode"] == 200, response
specs = {name: module.__spec__ for name, module in sys.modules.items() if module.__spec__}
loaded = {
    name: spec.cached
    for name, spec in specs.items()
    if (spec.origin or "").startswith(sys.argv[1]) and spec.origin.endswith(".py")
}
compiled = [name for name, cached in loaded.items() if not os.path.exists(cached)]
print(json.dumps([sorted(loaded), compiled]))
"""
_METADATA = re.compile(r"[A-Za-z0-9_]+-[0-9.]+(post[0-9]+)?\.dist-info")


def package(folder: Path) -> Path:
    """Package a new copy of the project in `folder` and return the zip file."""
    project = Project(folder)
    project.configure("prod", **AUTHENTICATION)
    # Tests and the local server leave bytecode behind.
    stale = folder / "chalicelib" / "__pycache__"
    stale.mkdir()
    (stale / "api.cpython-313.pyc").write_bytes(b"stale")
    succeeded(project.deployment("package", "prod"))
    return folder / ZIP


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the zip file of a project with stale bytecode."""
    return package(tmp_path_factory.mktemp("package") / "first")


def names(bundle: Path) -> set[str]:
    """Return the names of all files in the zip file."""
    with zipfile.ZipFile(bundle) as opened:
        return set(opened.namelist())


def test_the_package_holds_what_runs(bundle: Path) -> None:
    """The package contains only the application, Chalice's runtime and the requirements."""
    tops = {name.partition("/")[0] for name in names(bundle)}
    metadata = {top for top in tops if _METADATA.fullmatch(top)}
    compiled = {top for top in tops if top.startswith("_cffi_backend.")}
    own = {"app.py", "chalicelib", "chalice"}
    assert tops - metadata - compiled == own | LIBRARIES | SCIM_LIBRARIES | VENDORED
    assert len(compiled) == 1


def test_the_application_is_complete(bundle: Path) -> None:
    """The package contains every file of chalicelib, and only the runtime of Chalice."""
    files = [path for path in (ROOT / "chalicelib").rglob("*") if path.is_file()]
    sources = {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}
    packaged = {name for name in names(bundle) if not name.endswith(".pyc")}
    assert {name for name in packaged if name.startswith("chalicelib/")} == sources
    runtime = {name for name in packaged if name.startswith("chalice/")}
    assert runtime == {"chalice/__init__.py", "chalice/app.py"}


def test_everything_imported_has_bytecode(bundle: Path) -> None:
    """The application and its imports have bytecode that matches their source."""
    with zipfile.ZipFile(bundle) as opened:
        for name in opened.namelist():
            top = name.partition("/")[0]
            if not name.endswith(".py") or top in NEVER_IMPORTED:
                continue
            compiled = opened.read(importlib.util.cache_from_source(name))
            # A checked hash (PEP 552): flags 0b11, then the hash of the source.
            assert compiled[4:8] == b"\3\0\0\0"
            assert compiled[8:16] == importlib.util.source_hash(opened.read(name)), name


def test_a_scim_request_compiles_nothing(bundle: Path, tmp_path: Path) -> None:
    """With nothing else installed, a first SCIM request gets a response, all from bytecode."""
    with zipfile.ZipFile(bundle) as opened:
        opened.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", SCIM_REQUEST, tmp_path],
        env={**SETTINGS, "PYTHONPATH": str(tmp_path), "STORAGE_URL": "memory:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded, compiled = json.loads(done.stdout.splitlines()[-1])
    assert {name.partition(".")[0] for name in loaded} >= {"pydantic", "scim2_server", "lark"}
    assert compiled == []


def test_there_is_no_bytecode_without_its_source(bundle: Path) -> None:
    """Every bytecode file has its source in the package."""
    packaged = names(bundle)
    compiled = {name for name in packaged if name.endswith(".pyc")}
    assert compiled
    assert {importlib.util.source_from_cache(name) for name in compiled} <= packaged


def test_the_package_alone_serves_a_request(bundle: Path, tmp_path: Path) -> None:
    """With nothing else installed, the function starts, and reads a user from a table over TLS."""
    with zipfile.ZipFile(bundle) as opened:
        opened.extractall(tmp_path / "package")
    event = tmp_path / "event"
    event.write_text(repr(events.make("get")))
    with dynamodb_stub.running() as aws:
        table = f"dynamodb://{dynamodb_stub.PRODUCT_TABLE}"
        path = {"PYTHONPATH": str(tmp_path / "package")}
        done = subprocess.run(
            # -S: without the installed packages.
            [sys.executable, "-S", ROOT / "benchmarks/first_response.py", "app", "app", event],
            env={**aws, **SETTINGS, **path, "STORAGE_URL": table},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


def test_the_build_is_reproducible(bundle: Path, tmp_path: Path) -> None:
    """Two copies of the project give the same bytes."""
    assert package(tmp_path / "second").read_bytes() == bundle.read_bytes()


def test_the_documented_size_is_correct(bundle: Path) -> None:
    """docs/deploying.md has the actual sizes, to a tenth of a megabyte."""
    text = (ROOT / "docs" / "deploying.md").read_text()
    stated = re.search(r"tells: ([0-9.]+) MB zipped, ([0-9.]+) MB unzipped", text)
    assert stated is not None
    with zipfile.ZipFile(bundle) as opened:
        unzipped = sum(entry.file_size for entry in opened.infolist())
    assert abs(float(stated[1]) * 1e6 - bundle.stat().st_size) < 150_000
    # Compiled modules differ in size between architectures.
    assert abs(float(stated[2]) * 1e6 - unzipped) < 1_500_000


def test_the_size_is_printed(bundle: Path, tmp_path: Path) -> None:
    """A command prints the size of the package and of its parts."""
    printed = succeeded(Project(tmp_path / "size").deployment("size", str(bundle)))
    assert f"{bundle.stat().st_size:,}" in printed
    assert {line.split()[-1] for line in printed.splitlines()} >= {"chalicelib", *LIBRARIES}
