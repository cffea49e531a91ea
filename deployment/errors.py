"""What stops a command before it has made anything."""


class DeploymentError(Exception):
    """The command cannot be carried out; the text is one sentence that says what to change."""
