"""Running servers for the SCIM tests, on every engine."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
import pytest

from localdev.emulators import Emulators, environment
from tests.conftest import a_table, url_of
from tests.e2e.server import Server, running
from tests.storage.conftest import empty

ENGINES = (
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.slow),
    pytest.param("dynamodb", marks=pytest.mark.slow),
)


@contextmanager
def settings_of(engine: str, engines: Emulators, folder: Path) -> Iterator[dict[str, str]]:
    """Yield the settings of an application on an empty database of this engine."""
    if engine == "sqlite":
        yield {"STORAGE_URL": f"sqlite:///{folder / 'scim.db'}"}
    elif engine == "postgresql":
        url = url_of(engines, engine)
        empty(url)
        yield {"STORAGE_URL": url}
    else:
        aws = environment(url_of(engines, "ministack"))
        with ExitStack() as stack:
            client = boto3.client(
                "dynamodb",
                endpoint_url=aws["AWS_ENDPOINT_URL"],
                region_name=aws["AWS_DEFAULT_REGION"],
                aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
            )
            stack.callback(client.close)
            yield {**aws, "STORAGE_URL": f"dynamodb://{stack.enter_context(a_table(client))}"}


@contextmanager
def serving(engine: str, engines: Emulators, folder: Path) -> Iterator[Server]:
    """Run an open server on an empty database for the block."""
    # Not in config.json: a stage there would set its own STORAGE_URL.
    arguments = ("--stage", "local", "--no-autoreload")
    with (
        settings_of(engine, engines, folder) as settings,
        running(folder, *arguments, **settings) as server,
    ):
        yield server
