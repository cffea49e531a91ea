"""What tests need besides this project's own packages.

A test without its tools is skipped, and the summary of the run has one line for each missing tool
that says what to install. In CI the test fails.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

from localdev.emulators import EMULATORS_FOLDER

_CFN_TOOLS = EMULATORS_FOLDER / "cfn-tools" / "bin"

# Programs from the system's packages, and what to install for each.
_PROGRAMS = {
    "chromium": "Chromium",
    "ip": "iproute2",
    "java": "a Java runtime, version 11 or later",
    "node": "Node.js 20 or later, with npm",
    "terraform": "Terraform 1.5 or later",
}


def missing(reason: str) -> NoReturn:
    """Skip the test for this reason, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str) -> str:
    """Return the path of a system program, such as "node"."""
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is missing: install {_PROGRAMS[name]}, then run the tests again")
    return path


def cfn_tool(name: str) -> tuple[Path, Path]:
    """Return the command for "aws" or "cfn-lint"."""
    path = _CFN_TOOLS / name
    if not path.exists():
        missing(f"{name} is missing: run 'make emulators'")
    return _CFN_TOOLS / "python", path


def terraform() -> tuple[str, dict[str, str]]:
    """Return the program, and the variables that let it find the AWS provider offline.

    Distributions and images install providers in a directory of any name, in Terraform's layout, at
    most three levels below the root.
    """
    path = program("terraform")
    layout = "registry.terraform.io/hashicorp/aws/5.*/*/terraform-provider-aws_v5*"
    for depth in ("*", "*/*", "*/*/*"):
        for found in Path("/").glob(f"{depth}/{layout}"):
            return path, {"TF_CLI_ARGS_init": f"-plugin-dir={found.parents[5]}"}
    return path, {}


def skipped_lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return one line for each reason why tests were skipped, the most frequent first."""
    reasons: Counter[str] = Counter()
    for report in reports:
        if isinstance(report.longrepr, tuple):
            reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    return [
        f"{count} test{'s' if count > 1 else ''} skipped: {reason}"
        for reason, count in reasons.most_common()
    ]
