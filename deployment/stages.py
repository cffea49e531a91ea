"""A stage of `.chalice/config.json`, as Chalice reads it.

https://aws.github.io/chalice/topics/configfile.html
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from chalice.cli.factory import CLIFactory
from chalice.config import Config

from chalicelib.settings import Settings
from deployment.errors import DeploymentError

PROJECT = Path(__file__).parent.parent

_SECRETS = ("AUTH_SECRET", "CURSOR_SECRET", "WEBHOOK_KEY")


class Stage:
    """The stage `name` of the project in `root`. Raises DeploymentError if it does not exist."""

    def __init__(self, name: str, root: Path = PROJECT) -> None:
        factory = CLIFactory(str(root), environ={})
        stages = factory.load_project_config().get("stages", {})
        if name not in stages:
            raise DeploymentError(
                f"There is no stage {name!r} in .chalice/config.json; there is"
                f" {' and '.join(map(repr, sorted(stages)))}."
            )
        self.name = name
        self.root = root
        self._config: Config = factory.create_config_obj(chalice_stage_name=name)

    @cached_property
    def full_name(self) -> str:
        """Chalice's prefix for function names, and the name of the role."""
        return f"{self._config.app_name}-{self.name}"

    @cached_property
    def api_stage(self) -> str:
        """The name of the API Gateway stage, which is the first segment of the URL's path."""
        return str(self._config.api_gateway_stage)

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The environment variables of the stage's functions, without those of this process."""
        return dict(self._config.environment_variables)

    @cached_property
    def settings(self) -> Settings:
        """The settings of the stage's functions."""
        return Settings(self.environment)

    @cached_property
    def architecture(self) -> str:
        """The processor of the functions: "arm64" or "x86_64"."""
        return str(self._config.lambda_architecture)

    @cached_property
    def uses_dynamodb(self) -> bool:
        """Whether the stage uses DynamoDB, not PostgreSQL. Raises DeploymentError for others."""
        scheme = urlsplit(self.environment.get("STORAGE_URL", "")).scheme
        if scheme not in {"dynamodb", "postgresql+psycopg"}:
            raise DeploymentError(
                f"{self._setting('STORAGE_URL')} must name a DynamoDB table, as"
                f" dynamodb://{self.full_name}, or a PostgreSQL database, as"
                " postgresql+psycopg://<user>@<host>/<database>."
            )
        return scheme == "dynamodb"

    def check_storage(self) -> None:
        """Raise DeploymentError unless the functions can reach the storage."""
        if self.uses_dynamodb:
            _ = self.table
        elif not self.is_in_vpc:
            raise DeploymentError(
                f"STORAGE_URL of stage {self.name!r} names a database, which functions can only"
                f" reach inside its VPC: set subnet_ids and security_group_ids under"
                f" stages.{self.name} in .chalice/config.json."
            )

    @property
    def table(self) -> str:
        """The DynamoDB table in STORAGE_URL. Raises DeploymentError for other storage."""
        url = urlsplit(self.environment.get("STORAGE_URL", ""))
        if url.scheme != "dynamodb" or not url.netloc:
            raise DeploymentError(
                f"{self._setting('STORAGE_URL')} must name a DynamoDB table, as"
                f" dynamodb://{self.full_name}."
            )
        return url.netloc

    @property
    def cursor_parameter(self) -> str:
        """The SSM parameter with the secret that signs cursors. Raises DeploymentError if unset."""
        return self._required_parameter("CURSOR_SECRET")

    @property
    def webhook_key_parameter(self) -> str:
        """The SSM parameter with the key of webhooks' secrets. Raises DeploymentError if unset."""
        return self._required_parameter("WEBHOOK_KEY")

    @property
    def event_bus(self) -> str | None:
        """The name or ARN of the EventBridge bus that gets all events, or None."""
        return self.settings.event_bus

    @property
    def queue(self) -> str:
        """The name of the SQS queue of deliveries to webhooks."""
        return f"{self.full_name}-webhooks"

    @property
    def queue_failures(self) -> str:
        """The name of the queue with the messages that were given up."""
        return f"{self.full_name}-webhooks-failures"

    @property
    def stream_failures(self) -> str:
        """The name of the queue that tells of records of the stream that were given up."""
        return f"{self.full_name}-stream-failures"

    @property
    def is_in_vpc(self) -> bool:
        """Whether the functions are in a VPC."""
        return bool(self._config.subnet_ids and self._config.security_group_ids)

    @property
    def auth_parameter(self) -> str | None:
        """The SSM parameter with the shared secret of tokens, or None if public keys are used."""
        return self.environment.get("AUTH_SECRET_PARAMETER") or None

    @property
    def password_parameter(self) -> str | None:
        """The SSM parameter with the database's password, if there is one."""
        return self.environment.get("STORAGE_PASSWORD_PARAMETER") or None

    @property
    def parameters(self) -> list[str]:
        """The names of all SSM parameters that the API's functions read."""
        names = [
            self.cursor_parameter,
            self.auth_parameter,
            self.password_parameter,
            self.webhook_key_parameter,
        ]
        return [name for name in names if name is not None]

    @property
    def deployed(self) -> Mapping[str, Mapping[str, str]]:
        """The resources that `chalice deploy` recorded in `.chalice/deployed`, by name."""
        deployed = self._config.deployed_resources(self.name)
        return {name: deployed.resource_values(name) for name in deployed.resource_names()}

    def check_secrets(self) -> None:
        """Raise DeploymentError if the configuration contains a secret."""
        for name in _SECRETS:
            if self.environment.get(name):
                raise DeploymentError(
                    f"{self._setting(name)} is a secret in a file under version control:"
                    f" put it into an SSM parameter, and the parameter's name into"
                    f" {name}_PARAMETER."
                )
        if urlsplit(self.environment.get("STORAGE_URL", "")).password:
            raise DeploymentError(
                f"{self._setting('STORAGE_URL')} contains a password, in a file under version"
                " control: put it into an SSM parameter, and the parameter's name into"
                " STORAGE_PASSWORD_PARAMETER."
            )

    def _required_parameter(self, secret: str) -> str:
        """Return the name of the SSM parameter with a secret. Raises DeploymentError if unset."""
        name = self.environment.get(f"{secret}_PARAMETER", "")
        if not name:
            example = secret.lower().replace("_", "-")
            raise DeploymentError(
                f"{self._setting(f'{secret}_PARAMETER')} must name an SSM parameter, as"
                f" /user-management/{self.name}/{example}."
            )
        return name

    def _setting(self, variable: str) -> str:
        return f"{variable} of stage {self.name!r} in .chalice/config.json"
