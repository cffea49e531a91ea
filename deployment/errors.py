"""The error of deployment commands."""


class DeploymentError(Exception):
    """The command cannot run. The message is one sentence that says what to change."""
