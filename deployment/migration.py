"""`make migrate-stage`: upgrade the schema of a stage's PostgreSQL database."""

import os
import subprocess
import sys

from deployment.errors import DeploymentError
from deployment.stages import Stage

_VARIABLES = ("STORAGE_URL", "STORAGE_PASSWORD_PARAMETER")


def migrate(stage: Stage) -> None:
    """Run the migrations that the stage's database does not have yet.

    This connects to STORAGE_URL, so it needs a machine inside the database's network, or a tunnel
    into it. Raises DeploymentError.
    """
    if stage.uses_dynamodb:
        raise DeploymentError(f"Stage {stage.name!r} uses DynamoDB, which has no migrations.")
    inherited = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    configured = {name: value for name, value in stage.environment.items() if name in _VARIABLES}
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=stage.root,
        env=inherited | configured,
        check=False,
    )
    if done.returncode != 0:
        raise DeploymentError("'alembic upgrade head' failed; see its output above.")
