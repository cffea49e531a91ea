"""The environment of the local server: an embedded database, local secrets, and no AWS.

Its data is in one folder outside the project, because Chalice restarts when a file of the project
changes: ``$XDG_DATA_HOME/user-management``, by default ``~/.local/share/user-management``.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from localdev.swagger_ui import SWAGGER_UI_PATH, find_swagger_ui

ISSUER = "https://local.invalid/"
AUDIENCE = "user-management-local"

_SECRETS = ("auth", "cursor", "webhook")
_REFERENCES = ("_SECRET_PARAMETER", "_PASSWORD_PARAMETER", "_KEY_PARAMETER")
_OF_THE_CLOUD = frozenset({"EVENT_BUS", "WEBHOOK_QUEUE_URL"})
# The default ports of common front-end development servers.
_ORIGINS = " ".join(
    f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (3000, 5173, 8080)
)


class LocalEnvironmentError(Exception):
    """The local server cannot start. The message says what to change."""


class LocalEnvironment:
    """The settings of a local server that listens on `host` and `port`.

    `variables` must be set and `unset` must be removed. If `closed`, callers need tokens:
    LOCAL_AUTH=closed sets it, and LOCAL_AUTH=open opens the server to other machines. Raises
    LocalEnvironmentError.
    """

    def __init__(self, environment: Mapping[str, str], host: str, port: int) -> None:
        mode = environment.get("LOCAL_AUTH", "")
        if mode not in {"", "open", "closed"}:
            raise LocalEnvironmentError(f"LOCAL_AUTH must be open or closed, not {mode!r}.")
        if not mode and not _is_loopback(host):
            raise LocalEnvironmentError(
                f"On {host} other machines could reach the server, where every caller is an"
                " administrator: set LOCAL_AUTH=closed to require tokens, or LOCAL_AUTH=open."
            )
        self.closed = mode == "closed"
        self.data = data_folder(environment)
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._refused_url = ""
        log_format = environment.get("LOG_FORMAT") or "text"
        if log_format not in {"json", "text"}:
            raise LocalEnvironmentError(f"LOG_FORMAT must be json or text, not {log_format!r}.")
        own = local_secrets(environment)
        self.variables = {
            "STORAGE_URL": self._storage_url(environment),
            "CORS_ORIGINS": environment.get("CORS_ORIGINS") or _ORIGINS,
            "CURSOR_SECRET": own["cursor"],
            "WEBHOOK_KEY": own["webhook"],
            # Receivers that are being developed are on this machine, without a certificate.
            # Where others can call the server, they could aim it at what only this machine reaches.
            "LOOPBACK_WEBHOOKS": "allowed" if _is_loopback(host) else "refused",
            "EVENT_SOURCE": environment.get("EVENT_SOURCE") or self.url,
            "LOG_FORMAT": log_format,
            # A shell or an AWS profile that says otherwise would lead from an emulator to AWS.
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        }
        self.swagger_ui = find_swagger_ui()
        if self.swagger_ui is not None and not environment.get("DOCS_RENDERER_URL"):
            self.variables["DOCS_RENDERER_URL"] = SWAGGER_UI_PATH
        if not environment.get("AUTH_JWKS_URL"):
            self.variables |= {
                "AUTH_ISSUER": ISSUER,
                "AUTH_AUDIENCE": AUDIENCE,
                "AUTH_SECRET": own["auth"],
            }
        # These refer to secrets and queues in AWS; the local server has its own.
        self.unset = [
            name for name in environment if name.endswith(_REFERENCES) or name in _OF_THE_CLOUD
        ]

    def banner(self) -> str:
        """Return the text to print when the server starts."""
        url = self.url
        access = "callers need a token" if self.closed else "every caller is an administrator"
        token = ' -H "Authorization: Bearer $TOKEN"' if self.closed else ""
        lines = [
            "",
            "  User Management API",
            f"  API    {url}  ({access})",
            f"  Docs   {url}/docs",
            f"  Data   {self.variables['STORAGE_URL']}",
            *(["  Token  TOKEN=$(make -s token ROLE=admin)"] if self.closed else []),
            f"  Try    curl -X POST {url}/users{token} -H 'Content-Type: application/json' \\",
            """           -d '{"name": "Ann Example", "email": "ann@example.com"}'""",
            "",
        ]
        if self._refused_url:
            lines[5:5] = [f"         (not the stage's {self._refused_url})"]
        return "\n".join(lines)

    def _storage_url(self, environment: Mapping[str, str]) -> str:
        url = environment.get("STORAGE_URL", "")
        if url and is_local(url, environment):
            return url
        self._refused_url = url.rpartition("@")[2]
        return f"sqlite:///{self.data / 'users.db'}"


def data_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder with the local server's data."""
    home = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "user-management"


def local_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the local server's secrets. The first call creates them."""
    folder = data_folder(environment)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "secrets.json"
    temporary = _written(folder, {name: secrets.token_urlsafe(32) for name in _SECRETS})
    try:
        # Atomic: if two servers start at once, both use the first one's secrets.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    stored: dict[str, str] = json.loads(path.read_text())
    # The file may be from before there was such a secret. A new one follows from what is known,
    # so that two servers that start at once add the same.
    added = {name: _derived(stored["auth"], name) for name in _SECRETS if name not in stored}
    if added:
        stored |= added
        _written(folder, stored).replace(path)
    return stored


def _written(folder: Path, values: dict[str, str]) -> Path:
    """Return a new file with `values` as JSON that only this user reads."""
    path = folder / f"secrets.{os.getpid()}.{secrets.token_hex(4)}"
    path.touch(mode=0o600)
    path.write_text(json.dumps(values))
    return path


def _derived(secret: str, name: str) -> str:
    digest = hmac.new(secret.encode(), f"local secret\n{name}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_local(url: str, environment: Mapping[str, str]) -> bool:
    """Whether the storage at `url` is on this machine."""
    parts = urlsplit(url)
    if parts.scheme in {"sqlite", "memory"}:
        return True
    if parts.scheme == "dynamodb":
        endpoint = environment.get("AWS_ENDPOINT_URL_DYNAMODB") or environment.get(
            "AWS_ENDPOINT_URL", ""
        )
        return _is_loopback(urlsplit(endpoint).hostname or "")
    return "host" not in parts.query and _is_loopback(parts.hostname or "localhost")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
