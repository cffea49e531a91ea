"""Chalice's commands, run as a person would run them."""

import os
import subprocess
import sys

from deployment.errors import DeploymentError
from deployment.stages import Stage

_MAIN = "import sys; from chalice.cli import main; sys.exit(main())"


def chalice(stage: Stage, command: str, *arguments: str, **variables: str) -> None:
    """Run a command of Chalice's for the stage, with more environment variables.

    Raises DeploymentError when it fails.
    """
    done = subprocess.run(  # noqa: S603 - the interpreter that runs this, and constants
        [sys.executable, "-c", _MAIN, command, "--stage", stage.name, *arguments],
        cwd=stage.root,
        env={**os.environ, **variables},
        check=False,
    )
    if done.returncode != 0:
        raise DeploymentError(f"'chalice {command}' failed; what it printed says why.")
