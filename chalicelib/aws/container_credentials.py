"""Credentials from the endpoint of a container: ECS, EKS Pod Identity, and Lambda with SnapStart.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import msgspec

from chalicelib.aws.connections import PORTS, Connections, Server, Timeouts
from chalicelib.aws.credentials import CredentialsSource, RefreshingCredentials, Temporary
from chalicelib.aws.errors import NoResponse
from chalicelib.aws.http_messages import ProtocolError, Request
from chalicelib.aws.signing import Credentials
from chalicelib.settings_error import SettingsError

_RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - the name of a variable
_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105
_ECS = "http://169.254.170.2"
# ECS, and EKS by IPv4 and IPv6. Other hosts must prove who they are, by TLS.
_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"})
_TIMEOUTS = Timeouts(connect=1, response=2)
_OK = 200
# Apart from what a slow or busy endpoint responds.
_REFUSALS = frozenset(range(400, 500)) - {408, 429}


class _Answer(msgspec.Struct, rename="pascal"):
    access_key_id: str
    secret_access_key: str
    token: str | None = None
    # A time without a zone would be taken for this machine's.
    expiration: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


def container_credentials(environment: Mapping[str, str]) -> CredentialsSource | None:
    """Return the credentials of the container that this process runs in, None outside one.

    They are fetched when they are first needed. Raises SettingsError for an endpoint that
    credentials must not come from; using them raises NoResponse or SettingsError.
    """
    relative, full = environment.get(_RELATIVE), environment.get(_FULL)
    if not relative and not full:
        return None
    if relative and not relative.startswith("/"):
        raise SettingsError(f"{_RELATIVE} must start with a slash, not be {relative!r}.")
    url, server = _endpoint(f"{_ECS}{relative}" if relative else str(full))
    connections = Connections(server, _TIMEOUTS)
    target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"

    def fetch() -> Temporary:
        headers = {"Host": url.netloc, "Accept": "application/json", **_authorization(environment)}
        try:
            response = connections.send(Request("GET", target, headers))
        except NoResponse as error:
            if not isinstance(error.__cause__, ProtocolError):
                raise
            # Without the cause, which quotes the response and so could show a secret.
            raise NoResponse(
                f"No credentials from {url.netloc}: the response is not HTTP, or not complete"
            ) from None
        connections.close()
        if response.status in _REFUSALS:
            raise SettingsError(
                f"The container's credentials endpoint {url.netloc} refused the request with status"
                f" {response.status}: check the role of this container."
            )
        if response.status != _OK:
            raise NoResponse(f"No credentials from {url.netloc}: status {response.status}")
        return _parse(response.body, url.netloc)

    return RefreshingCredentials(fetch)


def _endpoint(address: str) -> tuple[SplitResult, Server]:
    try:
        url = urlsplit(address)
        host, port = url.hostname or "", url.port or PORTS[url.scheme]
    except (KeyError, ValueError):
        url, host, port = urlsplit(""), "", 0
    if host and (url.scheme == "https" or (url.scheme == "http" and _is_trusted(host))):
        return url, Server(host, port, tls=url.scheme == "https")
    raise SettingsError(
        f"{_FULL} must be an https:// address, or http:// on this machine, not {address!r}."
    )


def _is_trusted(host: str) -> bool:
    if host in _HOSTS:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _authorization(environment: Mapping[str, str]) -> dict[str, str]:
    file = environment.get(_TOKEN_FILE)
    try:
        # Read each time, since it is replaced before it expires.
        token = Path(file).read_text().strip() if file else environment.get(_TOKEN, "")
    except (OSError, ValueError) as error:
        raise SettingsError(f"{_TOKEN_FILE} names a file that cannot be read: {error}.") from error
    if not token.isprintable():
        raise SettingsError(f"{_TOKEN_FILE if file else _TOKEN} has a line break in its value.")
    return {"Authorization": token} if token else {}


def _parse(body: bytes, endpoint: str) -> Temporary:
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # Without the cause, which could quote a secret.
        raise NoResponse(f"No credentials from {endpoint}: {type(error).__name__}") from None
    credentials = Credentials(answer.access_key_id, answer.secret_access_key, answer.token)
    expires = answer.expiration
    return Temporary(credentials, None if expires is None else expires.timestamp())
