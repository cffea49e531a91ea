"""What the local server runs on: an embedded database, secrets of its own, and no cloud.

Everything is kept in one folder outside the project, since Chalice restarts when a file of the
project changes: ``$XDG_DATA_HOME/user-management``, by default ``~/.local/share/user-management``.
"""

import ipaddress
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from localdev.renderer import RENDERER_PATH, find_renderer

ISSUER = "https://local.invalid/"
AUDIENCE = "user-management-local"

# The servers of the usual front-end tools; each origin is allowed by name, never all of them.
_REFERENCES = ("_SECRET_PARAMETER", "_PASSWORD_PARAMETER")
_ORIGINS = " ".join(
    f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in (3000, 5173, 8080)
)


class LocalEnvironmentError(Exception):
    """The local server cannot be started like this; the text says what to change."""


class LocalEnvironment:
    """The settings of a local server that listens on `host`.

    `variables` are to be set and `unset` to be removed; `closed` tells whether callers need
    tokens. LOCAL_AUTH=closed asks for that; LOCAL_AUTH=open lets other machines in without.
    Raises LocalEnvironmentError.
    """

    def __init__(self, environment: Mapping[str, str], host: str) -> None:
        mode = environment.get("LOCAL_AUTH", "")
        if mode not in {"", "open", "closed"}:
            raise LocalEnvironmentError(f"LOCAL_AUTH must be open or closed, not {mode!r}.")
        if not mode and not _is_loopback(host):
            raise LocalEnvironmentError(
                f"On {host} other machines could reach the server, on which every caller is an"
                " administrator: set LOCAL_AUTH=closed to ask for tokens, or LOCAL_AUTH=open."
            )
        self.closed = mode == "closed"
        self.data = data_folder(environment)
        self._host = host
        self._refused_url = ""
        kept = kept_secrets(environment)
        self.variables = {
            "STORAGE_URL": self._storage_url(environment),
            "CORS_ORIGINS": environment.get("CORS_ORIGINS") or _ORIGINS,
            "CURSOR_SECRET": kept["cursor"],
        }
        self.renderer = find_renderer()
        if self.renderer is not None and not environment.get("DOCS_RENDERER_URL"):
            self.variables["DOCS_RENDERER_URL"] = RENDERER_PATH
        if not environment.get("AUTH_JWKS_URL"):
            self.variables |= {
                "AUTH_ISSUER": ISSUER,
                "AUTH_AUDIENCE": AUDIENCE,
                "AUTH_SECRET": kept["auth"],
            }
        # References to secrets lead to AWS; the local server has its own.
        self.unset = [name for name in environment if name.endswith(_REFERENCES)]

    def banner(self, port: int) -> str:
        """Return what to tell the person who started the server."""
        url = f"http://{self._host}:{port}"
        who = "callers need a token" if self.closed else "every caller is administrator"
        token = ' -H "Authorization: Bearer $TOKEN"' if self.closed else ""
        lines = [
            "",
            "  User Management API",
            f"  API    {url}  ({who})",
            f"  Docs   {url}/docs",
            f"  Data   {self.variables['STORAGE_URL']}",
            *(["  Token  TOKEN=$(make -s token ROLE=admin)"] if self.closed else []),
            f"  Try    curl -X POST {url}/users{token} -H 'Content-Type: application/json' \\",
            """           -d '{"name": "Ann Example", "email": "ann@example.com"}'""",
            "",
        ]
        if self._refused_url:
            lines[5:5] = [f"         (the stage's {self._refused_url} is left alone)"]
        return "\n".join(lines)

    def _storage_url(self, environment: Mapping[str, str]) -> str:
        url = environment.get("STORAGE_URL", "")
        if url and is_local(url, environment):
            return url
        self._refused_url = url.rpartition("@")[2]
        return f"sqlite:///{self.data / 'users.db'}"


def data_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder that keeps the local server's data."""
    home = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "user-management"


def kept_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the local server's own secrets, made when they are first needed."""
    folder = data_folder(environment)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "secrets.json"
    made = json.dumps({name: secrets.token_urlsafe(32) for name in ("auth", "cursor")})
    draft = folder / f"secrets.{os.getpid()}.{secrets.token_hex(4)}"
    draft.touch(mode=0o600)
    draft.write_text(made)
    try:
        # Of two servers that start at once, the first one's secrets are everybody's.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def is_local(url: str, environment: Mapping[str, str]) -> bool:
    """Tell whether storage at `url` is on this machine."""
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
