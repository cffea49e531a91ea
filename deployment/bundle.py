"""The deployment package: the zip file with the functions' code, which Chalice builds."""

import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from deployment import driver, vendor
from deployment.stages import Stage


def prepare(stage: Stage) -> None:
    """Prepare the project so that Chalice packages the sources and `vendor/`, and nothing else.

    Chalice would include stale bytecode, and reuse an earlier package when file names change but
    contents do not. Raises DeploymentError if the stage's driver cannot be installed.
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
    """Yield lines with the size of the zip file and of its parts.

    Sizes are in bytes, compressed and unzipped. Lambda's limit of 250 MB is for the latter.
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
