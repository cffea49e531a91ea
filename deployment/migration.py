"""`make migrate-stage`: the schema of a stage's PostgreSQL database, brought up to date."""

import os
import subprocess
import sys

from deployment.errors import DeploymentError
from deployment.stages import Stage

_VARIABLES = ("STORAGE_URL", "STORAGE_PASSWORD_PARAMETER")


def migrate(stage: Stage) -> None:
    """Run the migrations that the stage's database has not seen yet.

    It is reached as STORAGE_URL says, so this is for a machine inside the database's network, or
    at the end of a tunnel into it. Raises DeploymentError.
    """
    if stage.uses_dynamodb:
        raise DeploymentError(f"Stage {stage.name!r} is on DynamoDB, which has no migrations.")
    inherited = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    given = {name: value for name, value in stage.environment.items() if name in _VARIABLES}
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=stage.root,
        env=inherited | given,
        check=False,
    )
    if done.returncode != 0:
        raise DeploymentError("'alembic upgrade head' failed; what it printed says why.")
