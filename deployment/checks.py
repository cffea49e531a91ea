"""Checks before anything is packaged or deployed. Each reports one sentence."""

import sys

from chalicelib.settings_error import SettingsError
from deployment.errors import DeploymentError
from deployment.stages import Stage

# Chalice derives the functions' runtime from the interpreter that runs it, and Lambda no longer
# creates functions on python3.11: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
OLDEST_RUNTIME = (3, 12)
NEWEST_RUNTIME = (3, 14)


def check(stage: Stage) -> None:
    """Raise DeploymentError unless the stage can be deployed from here."""
    check_interpreter(sys.version_info[:2])
    check_stage(stage)


def check_interpreter(version: tuple[int, int]) -> None:
    """Raise DeploymentError unless Lambda has a runtime for this version of Python."""
    if not OLDEST_RUNTIME <= version <= NEWEST_RUNTIME:
        raise DeploymentError(
            f"Lambda has no runtime for Python {version[0]}.{version[1]}, and Chalice deploys for"
            " the Python that it runs on: use the version in .python-version."
        )


def check_stage(stage: Stage) -> None:
    """Raise DeploymentError unless storage and authentication of the stage are configured."""
    stage.check_secrets()
    try:
        stage.settings.check_authentication()
        _ = stage.settings.storage_url
        _ = stage.settings.cors_origins
        _ = stage.settings.events, stage.settings.event_source
    except SettingsError as error:
        raise DeploymentError(
            f"{str(error).removesuffix('.')}; write it under stages.{stage.name}."
            "environment_variables in .chalice/config.json."
        ) from None
    stage.check_storage()
    _ = stage.cursor_parameter, stage.webhook_key_parameter
