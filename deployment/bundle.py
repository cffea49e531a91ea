"""The zip file with the functions' code, as Chalice makes it."""

import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from deployment import driver, vendor
from deployment.stages import Stage


def prepare(stage: Stage) -> None:
    """Make Chalice package what the sources say, and what `vendor` adds for a quick start.

    Left to itself it would take along the bytecode that this process and earlier ones have left,
    and it reuses packages by a digest of the files' contents that does not know their names.
    Raises DeploymentError where the stage's driver cannot be had.
    """
    root = stage.root
    sys.dont_write_bytecode = True
    for folder in list((root / "chalicelib").rglob("__pycache__")):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(root / ".chalice" / "deployments", ignore_errors=True)
    vendor.fill(root)
    if not stage.uses_dynamodb:
        driver.install(root, root / "vendor", stage.architecture)


def describe(path: Path) -> Iterator[str]:
    """Yield lines that tell how large the zip file is, and which parts it has.

    Sizes are in octets: compressed, as uploaded, and unzipped, as Lambda's limit of 250 MB counts.
    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """
    with zipfile.ZipFile(path) as bundle:
        entries = bundle.infolist()
    parts: dict[str, list[zipfile.ZipInfo]] = {}
    for entry in entries:
        parts.setdefault(PurePosixPath(entry.filename).parts[0], []).append(entry)
    yield f"{'compressed':>12} {'unzipped':>12}"
    yield f"{path.stat().st_size:12,} {_unzipped(entries):12,}  {path}"
    for name, members in sorted(parts.items(), key=lambda part: -_unzipped(part[1])):
        compressed = sum(member.compress_size for member in members)
        yield f"{compressed:12,} {_unzipped(members):12,}  {name}"


def _unzipped(entries: list[zipfile.ZipInfo]) -> int:
    return sum(entry.file_size for entry in entries)
