"""An adapter that lets storage send its requests with boto3, to compare with its own client."""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from chalicelib.aws.errors import NoResponse, ServiceError
from chalicelib.aws.retries import timeouts


class Boto3Client:
    """A DynamoDBClient on boto3's, for operations that take up to `budget` seconds."""

    def __init__(self, budget: float) -> None:
        connect, response = timeouts(budget)
        config = Config(
            connect_timeout=connect, read_timeout=response, retries={"total_max_attempts": 1}
        )
        self._client: Any = boto3.client("dynamodb", config=config)

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request, and return what `Client.call` would."""
        try:
            response: dict[str, Any] = getattr(self._client, xform_name(operation))(**parameters)
        except ClientError as error:
            members: dict[str, Any] = {**error.response}
            about = members.pop("ResponseMetadata")
            described = members.pop("Error")
            raise ServiceError(
                operation,
                about["HTTPStatusCode"],
                described["Code"],
                about.get("RequestId", "unknown"),
                {**members, "message": described["Message"]},
            ) from error
        except HTTPClientError as error:
            raise NoResponse(str(error)) from error
        del response["ResponseMetadata"]
        return response

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
