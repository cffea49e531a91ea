"""The AWS account and Region that a stage is deployed to."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deployment.errors import DeploymentError

# API Gateway allows one CreateDeployment in five seconds, and Chalice has just made one:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
_RETRYING = Config(retries={"mode": "standard", "max_attempts": 10})


class Account:
    """The account and Region that boto3 finds in the environment and the AWS configuration files.

    Raises DeploymentError if it finds none.
    """

    def __init__(self) -> None:
        self._session = boto3.Session()
        self.region = self._session.region_name or ""
        if not self.region:
            raise DeploymentError("No AWS Region is chosen: set AWS_DEFAULT_REGION.")
        self.number, self._partition = self._identify()

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 creates the classes at run time
        """Return a client for the service."""
        return self._session.client(service, config=_RETRYING)

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of one of the account's resources in the Region."""
        return f"arn:{self._partition}:{service}:{self.region}:{self.number}:{resource}"

    def _identify(self) -> tuple[str, str]:
        try:
            identity = self.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise DeploymentError(
                "AWS does not accept the credentials that are set, or none are: sign in, or set"
                f" AWS_PROFILE ({error})."
            ) from None
        return identity["Account"], identity["Arn"].split(":")[1]
