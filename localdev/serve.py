"""`make local STORAGE=…`: serve on a production database, which is stopped with the server.

- ``dynamodb``: emulated AWS, with an empty table.
- ``postgresql``: a new database, with the current schema.
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

from chalicelib.domain.registry import RESOURCES
from chalicelib.storage.dynamodb.table import create_table
from localdev.emulators import EmulatorMissing, environment, ministack, postgresql

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
            client,
            _TABLE,
            RESOURCES,
            ttl=True,
            point_in_time_recovery=False,
            deletion_protection=False,
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


_DATABASES: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {
    "dynamodb": _dynamodb,
    "postgresql": _postgresql,
}


def main() -> int:
    """Serve until the server stops and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m localdev.serve", description=__doc__)
    parser.add_argument("storage", choices=sorted(_DATABASES))
    parser.add_argument("--port", default="8000")
    arguments = parser.parse_args()
    # SIGTERM must stop the database too, as SIGINT does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _DATABASES[arguments.storage]() as settings:
            # Not in config.json: a stage there would set its own STORAGE_URL.
            command = [_BIN / "chalice", "local", "--stage", "local", "--port", arguments.port]
            return subprocess.run(command, env={**os.environ, **settings}, check=False).returncode
    except EmulatorMissing as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
