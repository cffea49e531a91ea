"""boto3 in the place of the product's own client: copied into a package to compare with."""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore import xform_name


class Boto3Client:
    """Sends requests to DynamoDB with boto3."""

    def __init__(self) -> None:
        self._client: Any = boto3.client("dynamodb")

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of the response."""
        response: dict[str, Any] = getattr(self._client, xform_name(operation))(**parameters)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
