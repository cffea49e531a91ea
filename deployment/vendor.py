"""What shortens a cold start: botocore's own parts of the package, and bytecode for all of it.

Chalice copies the folder `vendor/` to the top of the zip file. Here it is filled with

- botocore and what it needs, trimmed to the two services that are called;
- bytecode of everything that is imported at a start. Lambda can keep none, so that without it each
  start compiles every source anew. It is tied to the content of its source, not to a time
  (https://peps.python.org/pep-0552/): stale bytecode is never run.

docs/performance.md has what both save. Bytecode runs on the minor version of Python that made it,
which is the version that Chalice chooses for the functions.
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

# The distributions that are copied; the keys are how they are imported.
_COPIED = {
    "botocore": "botocore",
    "dateutil": "python-dateutil",
    "jmespath": "jmespath",
    "six": "six",
    "urllib3": "urllib3",
}
# What Chalice itself adds to the package, or takes from requirements.txt.
_COMPILED = ("chalice", "cryptography", "jwt", "msgspec")
_CHALICE_PARTS = frozenset({"chalice/__init__.py", "chalice/app.py"})
# The waiters, paginators and examples of a service are for other programs.
_DESCRIPTION = re.compile(r"(service-2|endpoint-rule-set-1)\.json(\.gz)?")
_METADATA = frozenset({"METADATA", "WHEEL", "top_level.txt"})
# What the compiler writes depends on what its process has done before: this one has done nothing.
_COMPILE = """
import json, py_compile, sys
for source, target, name in json.load(sys.stdin):
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(source, target, dfile=name, doraise=True, invalidation_mode=checked)
"""


def fill(root: Path) -> None:
    """Make the folder `vendor` of the project in `root` anew."""
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
    """Yield the sources that Chalice packages from here, each after the folder it is found in."""
    for module in _COMPILED:
        found = importlib.util.find_spec(module)
        packages = Path(str(found and found.origin)).parent.parent
        for source in _sources(packages, module):
            if module != "chalice" or str(source.relative_to(packages)) in _CHALICE_PARTS:
                yield packages, source


def _copy(name: str, vendor: Path) -> None:
    """Copy the files of a distribution that its users need, its licences included."""
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
    is_of_service = file.parts[:2] == ("botocore", "data") and len(file.parts) > 3  # noqa: PLR2004
    return not is_of_service or (
        file.parts[2] in SERVICES and _DESCRIPTION.fullmatch(file.name) is not None
    )


def _sources(folder: Path, module: str) -> Iterator[Path]:
    single = folder / f"{module}.py"
    found = [single] if single.is_file() else sorted((folder / module).rglob("*.py"))
    yield from (path for path in found if path.is_file())


def _compile(sources: list[tuple[Path, Path]], vendor: Path) -> None:
    """Write the bytecode of each source, after its folder, where it belongs in `vendor`."""
    jobs = []
    for folder, source in sources:
        place = source.relative_to(folder)
        target = importlib.util.cache_from_source(str(vendor / place))
        # Tracebacks name the place in the package, and nothing of this machine.
        jobs.append((str(source), target, str(place)))
    command = [sys.executable, "-I", "-S", "-c", _COMPILE]
    subprocess.run(command, input=json.dumps(jobs), text=True, check=True)  # noqa: S603 - as above
