"""`make local STORAGE=…`: serve on an engine of production, started for as long as the server runs.

- ``dynamodb``: emulated AWS, with an empty table.
- ``postgresql``: a fresh database, with the present schema.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import boto3

from chalicelib.storage.dynamodb.table import create_table
from localdev.engines import Missing, environment, ministack, postgresql

_TABLE = "user-management-local"
_BIN = Path(sys.executable).parent


@contextmanager
def _dynamodb() -> Iterator[dict[str, str]]:
    with ministack() as endpoint:
        aws = environment(endpoint)
        client = boto3.client(
            "dynamodb",
            endpoint_url=endpoint,
            region_name=aws["AWS_DEFAULT_REGION"],
            aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
        )
        create_table(
            client, _TABLE, ttl=True, point_in_time_recovery=False, deletion_protection=False
        )
        client.close()
        yield {**aws, "STORAGE_URL": f"dynamodb://{_TABLE}"}


@contextmanager
def _postgresql() -> Iterator[dict[str, str]]:
    with postgresql() as url:
        settings = {"STORAGE_URL": url}
        migrate: list[str | Path] = [_BIN / "alembic", "upgrade", "head"]
        subprocess.run(migrate, env={**os.environ, **settings}, check=True)
        yield settings


_ENGINES: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {
    "dynamodb": _dynamodb,
    "postgresql": _postgresql,
}


def main() -> int:
    """Serve until the server ends; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m localdev.serve", description=__doc__)
    parser.add_argument("engine", choices=sorted(_ENGINES))
    parser.add_argument("--port", default="8000")
    arguments = parser.parse_args()
    # Ended by its terminal or by another process alike, it ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _ENGINES[arguments.engine]() as settings:
            # A stage of config.json would bring a STORAGE_URL of its own.
            command = [_BIN / "chalice", "local", "--stage", "local", "--port", arguments.port]
            return subprocess.run(command, env={**os.environ, **settings}, check=False).returncode
    except Missing as missing:
        parser.error(str(missing))
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
