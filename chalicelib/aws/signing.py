"""AWS Signature Version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from posixpath import normpath
from typing import NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """What requests are signed with; temporary credentials have a token."""

    access_key: str
    secret_key: str
    token: str | None = None


class Signer:
    """Signs the requests to one service in one Region."""

    def __init__(self, service: str, region: str) -> None:
        self._service = service
        self._region = region
        # The latest secret, its day, and the key derived from them: four of six HMACs.
        self._derived = ("", "", b"")

    def authorization(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        credentials: Credentials,
    ) -> str:
        """Return the value of the header Authorization.

        `target` is the path and query as they are sent. All of `headers` are signed; Host and
        X-Amz-Date (``20261124T093000Z``) must be among them, and X-Amz-Security-Token where the
        credentials have a token.
        """
        fields = sorted((name.lower(), " ".join(text.split())) for name, text in headers.items())
        time = headers["X-Amz-Date"]
        names = ";".join(name for name, _ in fields)
        lines = "".join(f"{name}:{text}\n" for name, text in fields)
        digest = hashlib.sha256(body).hexdigest()
        request = f"{method}\n{_canonical(target)}\n{lines}\n{names}\n{digest}"
        scope = f"{time[:8]}/{self._region}/{self._service}/aws4_request"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{time}\n{scope}\n{hashed}"
        key = self._key(credentials.secret_key, time[:8])
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names},"
            f" Signature={signature}"
        )

    def _key(self, secret: str, day: str) -> bytes:
        known_secret, known_day, key = self._derived
        if (secret, day) != (known_secret, known_day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._derived = (secret, day, key)
        return key


@lru_cache(maxsize=16)
def _canonical(target: str) -> str:
    """Return the lines of the canonical request that hold the path and the query."""
    path, _, query = target.partition("?")
    # normpath keeps two slashes at the start, which POSIX lets mean something else.
    segments = normpath(f"/{path}").strip("/")
    whole = f"/{segments}/" if segments and path.endswith("/") else f"/{segments}"
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&")) if query else ()
    return f"{quote(whole, safe='/~')}\n{'&'.join(f'{name}={text}' for name, text in pairs)}"
