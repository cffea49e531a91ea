"""Secrets by reference: the values of AWS Systems Manager parameters."""

from typing import Any


def read_parameter(name: str) -> str:
    """Return the decrypted value of the parameter `name`.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
    """
    # Imported where a secret is needed, not at each cold start.
    from botocore.config import Config  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    limits = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 3})
    client: Any = Session().create_client("ssm", config=limits)
    answer = client.get_parameter(Name=name, WithDecryption=True)
    return str(answer["Parameter"]["Value"])
