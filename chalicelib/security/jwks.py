"""The keys that verify tokens: the issuer's published ones (RFC 7517), or one shared secret.

A key is found by the token's `kid` and `alg` together and verifies that algorithm only, so that
no token can have a key of one kind used for an algorithm of another (RFC 8725 §3.1).

PyJWT's own client of key sets bounds neither the size nor the whole time of an answer and asks
an endpoint that fails again for each token; here its parsing of keys is used alone.
"""

import json
import logging
import ssl
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import urlsplit

from jwt import PyJWK

_ALGORITHM_OF = {"RSA": "RS256", "EC": "ES256"}
_MAX_BYTES = 256 * 1024
_MAX_STALE_SECONDS = 3600
_log = logging.getLogger(__name__)


class Keys(Protocol):
    """Where the verifier looks for keys."""

    def find(self, kid: object, algorithm: object) -> PyJWK | None:
        """Return the key that verifies `algorithm` under the name `kid`, None without one."""


class SharedSecret:
    """The secret that the issuer and the API share, for HS256 (RFC 7518 §3.2) and nothing else."""

    def __init__(self, secret: bytes) -> None:
        encoded = urlsafe_b64encode(secret).rstrip(b"=").decode()
        self._key = PyJWK({"kty": "oct", "k": encoded}, "HS256")

    def find(self, _kid: object, algorithm: object) -> PyJWK | None:
        """Return the secret for HS256; whatever `kid` a token has is of no account."""
        return self._key if algorithm == "HS256" else None


class PublishedKeys:
    """The issuer's public RSA and P-256 keys at `url`, kept for `lifespan` seconds.

    Keys are fetched when first needed, when they are older than `lifespan`, and for a `kid` not
    seen yet; but, whatever tokens come and whether fetching succeeds, at most once in `pause`
    seconds. While the issuer does not answer, keys that were fetched within the last hour are
    used on. `timeout` bounds each wait for the issuer, and the reading of its whole answer.
    """

    def __init__(
        self,
        url: str,
        *,
        lifespan: float = 300,
        pause: float = 10,
        timeout: float = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._lifespan = lifespan
        self._pause = pause
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[tuple[str, str], PyJWK] = {}
        self._fetched_at = self._next_fetch_at = float("-inf")

    def find(self, kid: object, algorithm: object) -> PyJWK | None:
        """Return the published key of this name and algorithm, None when there is none.

        Never raises for what the issuer answers or fails to: that is logged.
        """
        if not isinstance(kid, str) or algorithm not in _ALGORITHM_OF.values():
            return None
        with self._lock:
            age = self._clock() - self._fetched_at
            if age >= self._lifespan or (kid, algorithm) not in self._keys:
                self._refresh()
            if self._clock() - self._fetched_at >= self._lifespan + _MAX_STALE_SECONDS:
                return None
            return self._keys.get((kid, str(algorithm)))

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._next_fetch_at:
            return
        try:
            self._keys = _usable(_get(self._url, self._timeout))
            self._fetched_at = now
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            # The issuer's fault, not the token's: whoever runs the API has to hear of it.
            _log.error("No keys from %s: %s: %s", self._url, type(error).__name__, error)
        finally:
            self._next_fetch_at = self._clock() + self._pause


def _get(url: str, timeout: float) -> bytes:
    """Return what `url` answers; redirects are not followed, nor are proxies of the environment.

    Raises OSError (TimeoutError with it), HTTPException or ValueError.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        HTTPSConnection(host, parts.port, timeout=timeout, context=ssl.create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(host, parts.port, timeout=timeout)
    )
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    deadline = time.monotonic() + timeout
    try:
        # Some providers' firewalls turn away requests that do not say what sends them.
        headers = {"Accept": "application/json", "User-Agent": "user-management"}
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        if response.status != 200:  # noqa: PLR2004 - OK
            raise ValueError(f"it answered with status {response.status}")
        body = bytearray()
        while chunk := response.read1(65536):
            body += chunk
            if len(body) > _MAX_BYTES:
                raise ValueError("it answered too much")
            if time.monotonic() > deadline:
                raise TimeoutError("it answered too slowly")
        return bytes(body)
    finally:
        connection.close()


def _usable(body: bytes) -> dict[tuple[str, str], PyJWK]:
    """Return the keys of a JWK set that may verify tokens. Raises ValueError without any."""
    document = json.loads(body)
    entries = document.get("keys") if isinstance(document, dict) else None
    keys: dict[tuple[str, str], PyJWK] = {}
    for entry in entries if isinstance(entries, list) else ():
        key = _key_of(entry)
        if key is not None:
            keys.setdefault((str(key.key_id), key.algorithm_name), key)
    if not keys:
        raise ValueError("it has no key to verify signatures with")
    return keys


def _key_of(entry: Any) -> PyJWK | None:  # noqa: ANN401 - anything that JSON can hold
    """Return a member of a JWK set as a key, None unless it may verify RS256 or ES256."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kty"), str):
        return None
    algorithm = _ALGORITHM_OF.get(entry["kty"])
    operations = entry.get("key_ops", ["verify"])
    fits = (
        algorithm is not None
        and isinstance(entry.get("kid"), str)
        and entry.get("alg", algorithm) == algorithm
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and entry.get("crv", "P-256") == "P-256"
        # Whoever reads the set could sign with a private key.
        and "d" not in entry
    )
    if not fits:
        return None
    try:
        key = PyJWK(entry, algorithm)
        too_short = key.Algorithm.check_key_length(key.key)
    except Exception:  # noqa: BLE001 - whatever is wrong with one key, the others are of use
        return None
    return None if too_short else key
