"""The folder `vendor/`, with the bytecode of everything that functions import.

Chalice copies the folder to the top of the zip file. Lambda cannot write bytecode, so without it
every cold start would compile all sources; docs/performance.md has what that costs. It is validated
by the hash of its source (https://peps.python.org/pep-0552/), so stale bytecode is never run. It is
specific to the minor version of Python, which is the one that Chalice chooses for the functions.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# What functions import of what Chalice adds to the package, itself and from requirements.txt.
_COMPILED = ("chalice", "cryptography", "jwt", "msgspec")
# What only SCIM requests import.
_COMPILED_FOR_SCIM = (
    "annotated_types",
    "email_validator",
    "idna",
    "lark",
    "pydantic",
    "pydantic_core",
    "scim2_models",
    "scim2_server",
    "typing_extensions",
    "typing_inspection",
)
_CHALICE_PARTS = frozenset({"chalice/__init__.py", "chalice/app.py"})
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
    own = [root / "app.py", *sorted((root / "chalicelib").rglob("*.py"))]
    jobs = []
    for folder, source in [*_installed(), *((root, source) for source in own)]:
        path = source.relative_to(folder)
        target = importlib.util.cache_from_source(str(vendor / path))
        # Tracebacks show the path in the package, not on this machine.
        jobs.append((str(source), target, str(path)))
    command = [sys.executable, "-I", "-S", "-c", _COMPILE]
    subprocess.run(command, input=json.dumps(jobs), text=True, check=True)  # noqa: S603 - constants


def _installed() -> Iterator[tuple[Path, Path]]:
    """Yield the installed sources that Chalice packages, as pairs of base folder and file."""
    for module in (*_COMPILED, *_COMPILED_FOR_SCIM):
        spec = importlib.util.find_spec(module)
        origin = Path(str(spec and spec.origin))
        if origin.name != "__init__.py":
            yield origin.parent, origin
            continue
        packages = origin.parent.parent
        for source in sorted((packages / module).rglob("*.py")):
            if module != "chalice" or str(source.relative_to(packages)) in _CHALICE_PARTS:
                yield packages, source
