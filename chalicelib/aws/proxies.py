"""The HTTP proxy that the environment names, and the tunnel through it (RFC 9110 §9.3.6)."""

import os
import socket
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from chalicelib.aws.http_messages import Receive, Request, read_status
from chalicelib.settings_error import SettingsError

_DEFAULT_PORT = 80
_SUCCESSFUL = range(200, 300)


class Proxy(NamedTuple):
    """A proxy, and the value of Proxy-Authorization (RFC 7617) if it asks for one."""

    host: str
    port: int
    authorization: str | None = None


def proxy_of(url: SplitResult) -> Proxy | None:
    """Return the proxy for `url` by HTTPS_PROXY and NO_PROXY, None if there is none.

    Raises SettingsError for a proxy that cannot be used, which is never passed by.
    """
    if not any(name.lower() == f"{url.scheme}_proxy" for name in os.environ):
        return None
    # Imported here, since hardly any Lambda function has a proxy.
    from urllib.request import getproxies_environment, proxy_bypass  # noqa: PLC0415

    address = getproxies_environment().get(url.scheme)
    if not address or proxy_bypass(url.netloc):
        return None
    variable = f"{url.scheme.upper()}_PROXY"
    if url.scheme == "http":
        raise SettingsError(
            f"{variable} would send requests to {url.netloc} in clear text through a proxy, which"
            f" is not supported: add {url.hostname} to NO_PROXY, or use an https:// endpoint."
        )
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port or _DEFAULT_PORT
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "http" or not parts.hostname:
        raise SettingsError(f"{variable} must be http://[<user>:<password>@]<host>:<port>.")
    if parts.username is None:
        return Proxy(parts.hostname, port)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(parts.hostname, port, f"Basic {b64encode(pair.encode()).decode()}")


def open_tunnel(connection: socket.socket, receive: Receive, authority: str, proxy: Proxy) -> None:
    """Make `connection`, which is one to the proxy, one to `authority`.

    `receive` receives from it. Raises OSError if the proxy refuses, and ProtocolError if it does
    not speak HTTP.
    """
    headers = {"Host": authority}
    if proxy.authorization is not None:
        headers["Proxy-Authorization"] = proxy.authorization
    connection.sendall(Request("CONNECT", authority, headers).message())
    status = read_status(receive)
    if status not in _SUCCESSFUL:
        raise ConnectionRefusedError(f"the proxy {proxy.host} responded with {status}")
