"""Adaptations of Chalice's command line: a better `chalice local`, and checks before deployment.

This package is never packaged with the application. Chalice has no hook for its local server, so
the function that creates it is replaced by one whose server behaves as API Gateway does.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import NoReturn

import chalice.local
import click
from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalDevServer

from chalicelib.events.functions import Loop
from chalicelib.telemetry.json_logging import log_as_json
from chalicelib.web.application import Api
from deployment import bundle
from deployment.checks import check
from deployment.errors import DeploymentError
from deployment.stages import Stage
from localdev.background import run_in_background
from localdev.environment import LocalEnvironment, LocalEnvironmentError
from localdev.gateway import LocalGateway
from localdev.reloading import watch_sources_only
from localdev.server import make_server

_DEPLOYMENT_COMMANDS = frozenset({"deploy", "package"})


def prepare(app: Api, loops: Callable[[], Iterable[Loop]]) -> None:
    """Adapt Chalice's command line for `app`, beside which its local server runs `loops`.

    Raises click.ClickException, which Chalice prints as one sentence, if the command would deploy
    a stage that is not ready for it.
    """
    command = click.get_current_context(silent=True)
    if command is not None and command.info_name in _DEPLOYMENT_COMMANDS:
        try:
            stage = Stage(command.params["stage"])
            check(stage)
            bundle.prepare(stage)
        except DeploymentError as error:
            raise click.ClickException(f"Nothing was made: {error}") from None

    def create_local_server(
        app_obj: Chalice, config: Config, host: str, port: int
    ) -> LocalDevServer:
        """Replace chalice.local.create_local_server."""
        del app_obj
        try:
            environment = LocalEnvironment(os.environ, host, port)
        except LocalEnvironmentError as error:
            _exit(str(error))
        os.environ.update(environment.variables)
        for name in environment.unset:
            os.environ.pop(name, None)
        gateway = LocalGateway(
            app,
            closed=environment.closed,
            swagger_ui=environment.swagger_ui,
            prints_requests=environment.variables["LOG_FORMAT"] == "text",
        )
        if not gateway.prints_requests:
            log_as_json()
        try:
            server = make_server(gateway, config, host, port)
        except OSError as error:
            _exit(f"Cannot listen on {host}:{port} ({error.strerror}): try another port.")
        try:
            run_in_background(loops())
        except ValueError as error:
            _exit(str(error))
        click.echo(environment.banner())
        return server

    chalice.local.create_local_server = create_local_server
    watch_sources_only()


def _exit(reason: str) -> NoReturn:
    """End the command. With autoreload this runs in a thread, where raising would not end it."""
    if threading.current_thread() is threading.main_thread():
        raise click.ClickException(reason)
    click.echo(f"Error: {reason}", err=True)
    os._exit(1)
