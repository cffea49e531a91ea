"""Chalice's command line, adapted: what `chalice local` serves, and what must not be deployed.

This package stands beside the application and is never packaged. Chalice has no hook for its local
server, so the one function that makes it is replaced here by one that serves the same application
behind a gateway that behaves as API Gateway does.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import chalice.local
import click

from chalicelib.api import Api
from chalicelib.settings import Settings, SettingsError
from localdev.environment import LocalEnvironment, LocalEnvironmentError
from localdev.gateway import LocalGateway
from localdev.server import open_server

_SHIPPING_COMMANDS = frozenset({"deploy", "package"})


def prepare(app: Api, settings: Settings, arguments: Sequence[str] = tuple(sys.argv[1:])) -> None:
    """Adapt Chalice's command line, which is about to use `app`.

    Raises click.ClickException, which Chalice prints as one sentence, where the command would
    ship an application that does not know whom to trust.
    """
    if _SHIPPING_COMMANDS.intersection(arguments):
        try:
            settings.check_authentication()
        except SettingsError as error:
            raise click.ClickException(f"Nothing was made: {error}") from None

    def create_local_server(_app: Api, config: Any, host: str, port: int) -> Any:  # noqa: ANN401
        """Stand in for chalice.local.create_local_server."""
        try:
            environment = LocalEnvironment(os.environ, host)
        except LocalEnvironmentError as error:
            raise click.ClickException(str(error)) from None
        os.environ.update(environment.variables)
        for name in environment.unset:
            os.environ.pop(name, None)
        server = open_server(LocalGateway(app, closed=environment.closed), config, host, port)
        click.echo(environment.banner(port))
        return server

    chalice.local.create_local_server = create_local_server
