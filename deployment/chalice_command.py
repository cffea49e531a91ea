"""Chalice's commands, run in a subprocess."""

import os
import subprocess
import sys

from deployment.errors import DeploymentError
from deployment.stages import Stage

_MAIN = "import sys; from chalice.cli import main; sys.exit(main())"


def chalice(stage: Stage, command: str, *arguments: str, **variables: str) -> None:
    """Run a Chalice command for the stage, with additional environment variables.

    Raises DeploymentError if it fails.
    """
    done = subprocess.run(  # noqa: S603 - this interpreter and constants
        [sys.executable, "-c", _MAIN, command, "--stage", stage.name, *arguments],
        cwd=stage.root,
        env={**os.environ, **variables},
        check=False,
    )
    if done.returncode != 0:
        raise DeploymentError(f"'chalice {command}' failed; see its output above.")
