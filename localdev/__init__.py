"""Chalice's command line, adapted: what `chalice local` serves, and what must not be deployed.

This package stands beside the application and is never packaged. Chalice has no hook for its local
server, so the one function that makes it is replaced here by one that serves the same application
behind a gateway that behaves as API Gateway does, and so is what it restarts for.
"""

import os
import threading
from typing import NoReturn

import chalice.local
import click
from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalDevServer

from chalicelib.web.application import Api
from deployment import bundle
from deployment.checks import check
from deployment.errors import DeploymentError
from deployment.stages import Stage
from localdev.environment import LocalEnvironment, LocalEnvironmentError
from localdev.gateway import LocalGateway
from localdev.reloading import watch_sources_only
from localdev.server import open_server

_SHIPPING_COMMANDS = frozenset({"deploy", "package"})


def prepare(app: Api) -> None:
    """Adapt Chalice's command line, which is about to use `app`.

    Raises click.ClickException, which Chalice prints as one sentence, where the command would
    ship an application that cannot run in Lambda, or does not know whom to trust.
    """
    command = click.get_current_context(silent=True)
    if command is not None and command.info_name in _SHIPPING_COMMANDS:
        try:
            stage = Stage(command.params["stage"])
            check(stage)
            bundle.prepare(stage)
        except DeploymentError as error:
            raise click.ClickException(f"Nothing was made: {error}") from None

    def create_local_server(
        app_obj: Chalice, config: Config, host: str, port: int
    ) -> LocalDevServer:
        """Stand in for chalice.local.create_local_server."""
        del app_obj
        try:
            environment = LocalEnvironment(os.environ, host)
        except LocalEnvironmentError as error:
            _stop(str(error))
        os.environ.update(environment.variables)
        for name in environment.unset:
            os.environ.pop(name, None)
        gateway = LocalGateway(app, closed=environment.closed, renderer=environment.renderer)
        try:
            server = open_server(gateway, config, host, port)
        except OSError as error:
            _stop(f"{host}:{port} cannot be had ({error.strerror}): try another port.")
        click.echo(environment.banner(port))
        return server

    chalice.local.create_local_server = create_local_server
    watch_sources_only()


def _stop(reason: str) -> NoReturn:
    """End the command: with autoreload it waits for a thread, which cannot end it by raising."""
    if threading.current_thread() is threading.main_thread():
        raise click.ClickException(reason)
    click.echo(f"Error: {reason}", err=True)
    os._exit(1)
