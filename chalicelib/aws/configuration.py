"""Where a service is, and who signs the requests to it.

Lambda and ECS say it in environment variables. What these leave open is botocore's to find, which
is imported only then: profiles, IAM Identity Center, web identities, instance metadata.
https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from chalicelib.aws.connections import PORTS, Server
from chalicelib.aws.credentials import CredentialsSource, environment_credentials
from chalicelib.aws.endpoints import check_region, endpoint_url, is_host
from chalicelib.aws.proxies import proxy_of
from chalicelib.aws.signing import Credentials
from chalicelib.settings_error import SettingsError

_AMAZON_ROOTS = Path(__file__).with_name("amazon_roots.pem")
# Only these authorities vouch for these hosts: https://www.amazontrust.com/repository/
_AMAZON_HOSTS = (".amazonaws.com", ".api.aws")
# Where they are set, boto3 would find other credentials than a container's, or other endpoints.
_FILES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


class Configuration(NamedTuple):
    """How a service is called. `url` is its endpoint; `credentials` is called for each request."""

    url: SplitResult
    region: str
    server: Server
    credentials: CredentialsSource

    @property
    def host(self) -> str:
        """The value of the header Host: without the port if it is the scheme's."""
        host = self.server.host if ":" not in self.server.host else f"[{self.server.host}]"
        is_default = self.server.port == PORTS[self.url.scheme]
        return host if is_default else f"{host}:{self.server.port}"


def configuration(service: str) -> Configuration:
    """Return how `service`, such as ``dynamodb``, is called.

    Raises SettingsError if the Region or the credentials are missing, or a variable is invalid.
    """
    environment = os.environ
    region = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION")
    credentials = environment_credentials(environment)
    if region and not any(environment.get(name) for name in _FILES):
        credentials = credentials or _container_credentials(environment)
        if credentials is not None:
            url = _endpoint_url(service, region, environment)
            trusted = environment.get("AWS_CA_BUNDLE")
            return _configuration(url, region, trusted, credentials)
    return _from_botocore(service, region)


def _container_credentials(environment: Mapping[str, str]) -> CredentialsSource | None:
    if not any(name.startswith("AWS_CONTAINER_CREDENTIALS_") for name in environment):
        return None
    # Imported here, since plain Lambda functions have their credentials in variables.
    from chalicelib.aws.container_credentials import container_credentials  # noqa: PLC0415

    return container_credentials(environment)


def _from_botocore(service: str, region: str | None) -> Configuration:
    try:
        from botocore.exceptions import BotoCoreError, ClientError, NoRegionError  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            "Set AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; to use a profile, install"
            " botocore."
        ) from None
    # Files and processes that a profile names fail with other errors than botocore's own.
    failures = (BotoCoreError, ClientError, OSError, RuntimeError, ValueError)
    session = Session()
    try:
        client: Any = session.create_client(service, region_name=region)
        found = session.get_credentials()
        trusted = session.get_config_variable("ca_bundle")
    except NoRegionError:
        raise SettingsError(
            "Set AWS_REGION to the Region to call, such as eu-central-1, or AWS_PROFILE to a"
            " profile that has one."
        ) from None
    except failures as error:
        raise SettingsError(f"The AWS configuration is invalid: {error}") from error
    if found is None:
        raise SettingsError(
            "There are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
            " AWS_PROFILE to a profile that has some."
        )

    def credentials() -> Credentials:
        try:
            frozen = found.get_frozen_credentials()
        except failures as error:
            raise SettingsError(f"There are no AWS credentials: {error}") from error
        return Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token)

    client.close()
    return _configuration(client.meta.endpoint_url, client.meta.region_name, trusted, credentials)


def _endpoint_url(service: str, region: str, environment: Mapping[str, str]) -> str:
    fips = _switch("AWS_USE_FIPS_ENDPOINT", environment)
    dual_stack = _switch("AWS_USE_DUALSTACK_ENDPOINT", environment)
    url = None
    if not _switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", environment):
        own = environment.get(f"AWS_ENDPOINT_URL_{service.upper()}")
        url = own or environment.get("AWS_ENDPOINT_URL")
    if not url:
        return endpoint_url(service, region, fips=fips, dual_stack=dual_stack)
    if fips or dual_stack:
        raise SettingsError(
            "AWS_ENDPOINT_URL cannot be combined with AWS_USE_FIPS_ENDPOINT or"
            " AWS_USE_DUALSTACK_ENDPOINT: set one of them."
        )
    return url


def _switch(name: str, environment: Mapping[str, str]) -> bool:
    text = (environment.get(name) or "false").lower()
    if text not in {"true", "false"}:
        raise SettingsError(f"{name} must be true or false, not {text!r}.")
    return text == "true"


def _configuration(
    address: str, region: str, trusted: str | None, credentials: CredentialsSource
) -> Configuration:
    try:
        url = urlsplit(address)
        default_port = PORTS[url.scheme]
        port = url.port or default_port
    except (KeyError, ValueError):
        url, port = urlsplit(""), 0
    if not is_host(url.hostname or ""):
        raise SettingsError(
            f"AWS_ENDPOINT_URL must be an http:// or https:// address, not {address!r}."
        )
    if url.query or " " in url.path or not (url.path.isascii() and url.path.isprintable()):
        raise SettingsError(
            f"AWS_ENDPOINT_URL must have a path of plain ASCII and no query, not {address!r}."
        )
    check_region(region, is_aws=False)
    host = url.hostname or ""
    if trusted:
        authorities: Path | None = Path(trusted)
    else:
        authorities = _AMAZON_ROOTS if host.endswith(_AMAZON_HOSTS) else None
    proxy = proxy_of(url)
    server = Server(host, port, url.scheme == "https", authorities, proxy)
    return Configuration(url, region, server, credentials)
