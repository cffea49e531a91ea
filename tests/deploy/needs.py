"""What tests of deployments need of the machine: skipped without it, but not where CI is set."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from localdev.engines import EMULATORS

_CFN_TOOLS = EMULATORS / "cfn-tools" / "bin"
_INSTALL = "run tests/install-emulators"


def missing(reason: str) -> NoReturn:
    """Skip the test for want of something; CI has everything, so there it fails."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def cfn_tool(name: str) -> tuple[Path, Path]:
    """Return the command for "aws" or "cfn-lint"."""
    path = _CFN_TOOLS / name
    if not path.exists():
        missing(f"{name} is not installed: {_INSTALL}")
    return _CFN_TOOLS / "python", path


def terraform() -> tuple[str, dict[str, str]]:
    """Return the program, and the variables that let it find the AWS provider without a network.

    Providers are looked for where distributions and images put them: a directory of any name, laid
    out as Terraform wants it, three levels below the root at most.
    """
    program = shutil.which("terraform")
    if program is None:
        missing("terraform is not on PATH")
    layout = "registry.terraform.io/hashicorp/aws/5.*/*/terraform-provider-aws_v5*"
    for depth in ("*", "*/*", "*/*/*"):
        for found in Path("/").glob(f"{depth}/{layout}"):
            return program, {"TF_CLI_ARGS_init": f"-plugin-dir={found.parents[5]}"}
    return program, {}
