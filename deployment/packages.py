"""`make package` and `make terraform`: directories for CloudFormation and Terraform to deploy."""

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
    """Write `TEMPLATE` and the zip file that it refers to; return their directory."""
    directory = _emptied(stage.root / "build" / stage.name / "cloudformation")
    _chalice_package(stage, "--merge-template", str(_RESOURCES), str(directory))
    generated = directory / "sam.yaml"
    template = yaml.safe_load(generated.read_text())
    generated.unlink()
    cloudformation.complete(template, stage, per_route=per_route, snapstart=snapstart)
    (directory / TEMPLATE).write_text(yaml.safe_dump(template, sort_keys=False, width=100))
    return directory


def make_terraform(stage: Stage, *, per_route: bool) -> Path:
    """Write and return a complete Terraform directory."""
    directory = _emptied(stage.root / "build" / stage.name / "terraform")
    _chalice_package(stage, "--pkg-format", "terraform", str(directory))
    terraform.complete(directory, stage, per_route=per_route)
    return directory


def _chalice_package(stage: Stage, *arguments: str) -> None:
    # The package works in every Region, but Chalice needs one to know the partition.
    region = boto3.Session().region_name or "us-east-1"
    chalice(stage, "package", *arguments, AWS_DEFAULT_REGION=region)


def _emptied(directory: Path) -> Path:
    """Remove the previous package from the directory and return it.

    Terraform's own files stay: its providers, and a local state.
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
