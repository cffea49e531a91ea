"""`make package` and `make terraform`: directories that other tools deploy."""

import shutil
from pathlib import Path

import boto3
import yaml

from deployment import cloudformation, terraform
from deployment.chalice_command import chalice
from deployment.stages import Stage

TEMPLATE = "template.yaml"

_RESOURCES = Path(".chalice") / "resources.yaml"


def make_cloudformation(stage: Stage, *, per_route: bool, snapstart: bool) -> Path:
    """Make and return the directory with `TEMPLATE` and the zip file that it names."""
    directory = _fresh(stage.root / "build" / stage.name / "cloudformation")
    _chalice_package(stage, "--merge-template", str(_RESOURCES), str(directory))
    generated = directory / "sam.yaml"
    template = yaml.safe_load(generated.read_text())
    generated.unlink()
    cloudformation.finish(template, stage, per_route=per_route, snapstart=snapstart)
    (directory / TEMPLATE).write_text(yaml.safe_dump(template, sort_keys=False, width=100))
    return directory


def make_terraform(stage: Stage, *, per_route: bool) -> Path:
    """Make and return the directory that Terraform accepts as it is."""
    directory = _fresh(stage.root / "build" / stage.name / "terraform")
    _chalice_package(stage, "--pkg-format", "terraform", str(directory))
    terraform.finish(directory, stage, per_route=per_route)
    return directory


def _chalice_package(stage: Stage, *arguments: str) -> None:
    # A package is for every Region; Chalice asks for one, to know the partition it belongs to.
    region = boto3.Session().region_name or "us-east-1"
    chalice(stage, "package", *arguments, AWS_DEFAULT_REGION=region)


def _fresh(directory: Path) -> Path:
    """Return the directory, emptied of what was packaged before.

    Terraform's own files stay: what it has downloaded, and a state that is kept beside the code.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for entry in directory.iterdir():
        if entry.name.startswith((".terraform", "terraform.tfstate")):
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return directory
