"""The folder `vendor/`, which shortens cold starts: a trimmed botocore, and bytecode.

Chalice copies the folder to the top of the zip file. It contains

- botocore and its dependencies, trimmed to the two services that are called;
- bytecode of everything that a cold start imports. Lambda cannot write bytecode, so without it
  every cold start would compile all sources. It is validated by the hash of its source
  (https://peps.python.org/pep-0552/), so stale bytecode is never run.

docs/performance.md has what both save. Bytecode is specific to the minor version of Python, which
is the version that Chalice chooses for the functions.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

from deployment.trimmed_botocore import SERVICES, trim

# The distributions that are copied, by import name.
_COPIED = {
    "botocore": "botocore",
    "dateutil": "python-dateutil",
    "jmespath": "jmespath",
    "six": "six",
    "urllib3": "urllib3",
}
# What Chalice adds to the package, itself and from requirements.txt.
_COMPILED = ("chalice", "cryptography", "jwt", "msgspec")
_CHALICE_PARTS = frozenset({"chalice/__init__.py", "chalice/app.py"})
# Waiters, paginators and examples are not used.
_DESCRIPTION = re.compile(r"(service-2|endpoint-rule-set-1)\.json(\.gz)?")
_METADATA = frozenset({"METADATA", "WHEEL", "top_level.txt"})
# Bytecode can depend on what its process did before, so a new process compiles.
_COMPILE = """
import json, py_compile, sys
for source, target, name in json.load(sys.stdin):
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(source, target, dfile=name, doraise=True, invalidation_mode=checked)
"""


def fill(root: Path) -> None:
    """Recreate the folder `vendor` of the project in `root`."""
    vendor = root / "vendor"
    shutil.rmtree(vendor, ignore_errors=True)
    for name in _COPIED.values():
        _copy(name, vendor)
    trim(vendor)
    sources = [
        *((vendor, source) for module in _COPIED for source in _sources(vendor, module)),
        *_installed(),
        *((root, source) for source in [root / "app.py", *_sources(root, "chalicelib")]),
    ]
    _compile(sources, vendor)


def _installed() -> Iterator[tuple[Path, Path]]:
    """Yield the installed sources that Chalice packages, as pairs of base folder and file."""
    for module in _COMPILED:
        spec = importlib.util.find_spec(module)
        packages = Path(str(spec and spec.origin)).parent.parent
        for source in _sources(packages, module):
            if module != "chalice" or str(source.relative_to(packages)) in _CHALICE_PARTS:
                yield packages, source


def _copy(name: str, vendor: Path) -> None:
    """Copy the files of a distribution that are used, and its licences."""
    for file in distribution(name).files or ():
        source = Path(str(file.locate()))
        if _is_wanted(file) and source.is_file():
            target = vendor / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _is_wanted(file: PurePosixPath) -> bool:
    if ".." in file.parts or "__pycache__" in file.parts:
        return False
    top = file.parts[0]
    if top.endswith(".dist-info"):
        return file.name in _METADATA or file.name.upper().startswith(("LICENSE", "NOTICE"))
    is_service_data = file.parts[:2] == ("botocore", "data") and len(file.parts) > 3  # noqa: PLR2004
    return not is_service_data or (
        file.parts[2] in SERVICES and _DESCRIPTION.fullmatch(file.name) is not None
    )


def _sources(folder: Path, module: str) -> Iterator[Path]:
    single = folder / f"{module}.py"
    found = [single] if single.is_file() else sorted((folder / module).rglob("*.py"))
    yield from (path for path in found if path.is_file())


def _compile(sources: list[tuple[Path, Path]], vendor: Path) -> None:
    """Write the bytecode of each pair of base folder and source into `vendor`."""
    jobs = []
    for folder, source in sources:
        path = source.relative_to(folder)
        target = importlib.util.cache_from_source(str(vendor / path))
        # Tracebacks show the path in the package, not on this machine.
        jobs.append((str(source), target, str(path)))
    command = [sys.executable, "-I", "-S", "-c", _COMPILE]
    subprocess.run(command, input=json.dumps(jobs), text=True, check=True)  # noqa: S603 - constants
