"""What tests need of the machine beside this project's own packages.

A test that misses something skips, and the summary of the run says in one line for each missing
tool what to install. Where CI is set everything has to be there, so the test fails.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

from localdev.engines import EMULATORS

_CFN_TOOLS = EMULATORS / "cfn-tools" / "bin"

# Programs that come with the system's packages, and what to install for each.
_PROGRAMS = {
    "chromium": "Chromium",
    "java": "a Java runtime, version 11 or later",
    "node": "Node.js 20 or later, with npm",
    "terraform": "Terraform 1.5 or later",
}


def missing(reason: str) -> NoReturn:
    """Skip the test for want of something, or fail it where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str) -> str:
    """Return the path of a program of the system's, such as "node"."""
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
    """Return the program, and the variables that let it find the AWS provider without a network.

    Providers are looked for where distributions and images put them: a directory of any name, laid
    out as Terraform wants it, three levels below the root at most.
    """
    path = program("terraform")
    layout = "registry.terraform.io/hashicorp/aws/5.*/*/terraform-provider-aws_v5*"
    for depth in ("*", "*/*", "*/*/*"):
        for found in Path("/").glob(f"{depth}/{layout}"):
            return path, {"TF_CLI_ARGS_init": f"-plugin-dir={found.parents[5]}"}
    return path, {}


def skipped_lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return one line for each reason for which tests were skipped, the most frequent first."""
    reasons: Counter[str] = Counter()
    for report in reports:
        if isinstance(report.longrepr, tuple):
            reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    return [
        f"{count} test{'s' if count > 1 else ''} skipped: {reason}"
        for reason, count in reasons.most_common()
    ]
