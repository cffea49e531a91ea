"""The PostgreSQL driver. It adds 20 MB, so only the package of a stage that uses it has it."""

import subprocess
import sys
from pathlib import Path

from deployment.errors import DeploymentError

REQUIREMENTS = "requirements-postgresql.txt"

# Lambda's runtimes for Python 3.12 and later run on Amazon Linux 2023, which has glibc 2.34.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}


def install(root: Path, folder: Path, architecture: str) -> None:
    """Install the driver into `folder`, built for Lambda on "arm64" or "x86_64".

    Raises DeploymentError if pip fails.
    """
    machine = _MACHINES[architecture]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-compile", "--only-binary=:all:", "--implementation", "cp"),
        *(f"--platform={platform}_{machine}" for platform in _PLATFORMS),
        *("--target", str(folder), "--requirement", str(root / REQUIREMENTS)),
    ]
    done = subprocess.run(command, check=False)  # noqa: S603 - this interpreter
    if done.returncode != 0:
        raise DeploymentError(f"pip could not install {REQUIREMENTS}; see its output above.")
