"""Secrets in AWS Systems Manager Parameter Store."""

from typing import Any


def read_parameter(name: str) -> str:
    """Return the decrypted value of the parameter `name`.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
    """
    # Imported here, so that cold starts without a secret do not load it.
    from botocore.config import Config  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    limits = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 3})
    client: Any = Session().create_client("ssm", config=limits)
    response = client.get_parameter(Name=name, WithDecryption=True)
    return str(response["Parameter"]["Value"])
