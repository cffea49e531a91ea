"""The keys that verify tokens: the issuer's JWK Set (RFC 7517), or a shared secret.

A key is looked up by the token's `kid` and `alg` together, and verifies that algorithm only. So a
token cannot choose the algorithm that a key is used with (RFC 8725 §3.1).

PyJWT's `PyJWKClient` limits neither the size of a response nor the total time it takes, and
contacts a failing endpoint again for each token. Only PyJWT's parsing of keys is used here.
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


class KeySource(Protocol):
    """Where the verifier finds keys."""

    def find(self, kid: object, algorithm: object) -> PyJWK | None:
        """Return the key with this `kid` and algorithm, or None if there is none."""


class SharedSecret:
    """A secret that the issuer and the API share, for HS256 only (RFC 7518 §3.2)."""

    def __init__(self, secret: bytes) -> None:
        encoded = urlsafe_b64encode(secret).rstrip(b"=").decode()
        self._key = PyJWK({"kty": "oct", "k": encoded}, "HS256")

    def find(self, _kid: object, algorithm: object) -> PyJWK | None:
        """Return the secret for HS256, whatever the token's `kid`."""
        return self._key if algorithm == "HS256" else None


class RemoteJWKSet:
    """The issuer's public RSA and P-256 keys at `url`, cached for `max_age` seconds.

    Keys are fetched when first needed, when they are older than `max_age`, and for an unknown
    `kid`; but at most once in `cooldown` seconds, whatever tokens arrive and even if fetching
    fails. While the issuer is down, expired keys are used for one more hour. `timeout` limits each
    wait for the issuer, and the time to read the whole response.
    """

    def __init__(
        self,
        url: str,
        *,
        max_age: float = 300,
        cooldown: float = 10,
        timeout: float = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._max_age = max_age
        self._cooldown = cooldown
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[tuple[str, str], PyJWK] = {}
        self._fetched_at = self._next_fetch_at = float("-inf")

    def find(self, kid: object, algorithm: object) -> PyJWK | None:
        """Return the key with this `kid` and algorithm, or None if there is none.

        Errors of the issuer are logged, never raised.
        """
        if not isinstance(kid, str) or algorithm not in _ALGORITHM_OF.values():
            return None
        with self._lock:
            age = self._clock() - self._fetched_at
            if age >= self._max_age or (kid, algorithm) not in self._keys:
                self._refresh()
            if self._clock() - self._fetched_at >= self._max_age + _MAX_STALE_SECONDS:
                return None
            return self._keys.get((kid, str(algorithm)))

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._next_fetch_at:
            return
        try:
            self._keys = _parse_jwk_set(_fetch(self._url, self._timeout))
            self._fetched_at = now
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            # Logged as an error, since valid tokens may be rejected until this is fixed.
            _log.error("No keys from %s: %s: %s", self._url, type(error).__name__, error)
        finally:
            self._next_fetch_at = self._clock() + self._cooldown


def _fetch(url: str, timeout: float) -> bytes:
    """Return the body at `url`, without following redirects or using proxies.

    Raises OSError (which includes TimeoutError), HTTPException or ValueError.
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
        # Some providers' firewalls block requests without a User-Agent.
        headers = {"Accept": "application/json", "User-Agent": "user-management"}
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        if response.status != 200:  # noqa: PLR2004 - OK
            raise ValueError(f"the status is {response.status}")
        body = bytearray()
        while chunk := response.read1(65536):
            body += chunk
            if len(body) > _MAX_BYTES:
                raise ValueError("the response is too large")
            if time.monotonic() > deadline:
                raise TimeoutError("the response is too slow")
        return bytes(body)
    finally:
        connection.close()


def _parse_jwk_set(body: bytes) -> dict[tuple[str, str], PyJWK]:
    """Return the keys that may verify tokens, by `kid` and algorithm.

    Raises ValueError if there is none.
    """
    document = json.loads(body)
    entries = document.get("keys") if isinstance(document, dict) else None
    keys: dict[tuple[str, str], PyJWK] = {}
    for entry in entries if isinstance(entries, list) else ():
        key = _parse_jwk(entry)
        if key is not None:
            keys.setdefault((str(key.key_id), key.algorithm_name), key)
    if not keys:
        raise ValueError("no key can verify signatures")
    return keys


def _parse_jwk(entry: Any) -> PyJWK | None:  # noqa: ANN401 - any JSON value
    """Return the key if it may verify RS256 or ES256, otherwise None."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kty"), str):
        return None
    algorithm = _ALGORITHM_OF.get(entry["kty"])
    operations = entry.get("key_ops", ["verify"])
    is_usable = (
        algorithm is not None
        and isinstance(entry.get("kid"), str)
        and entry.get("alg", algorithm) == algorithm
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and entry.get("crv", "P-256") == "P-256"
        # A published private key lets everybody sign.
        and "d" not in entry
    )
    if not is_usable:
        return None
    try:
        key = PyJWK(entry, algorithm)
        too_short = key.Algorithm.check_key_length(key.key)
    except Exception:  # noqa: BLE001 - one bad key must not affect the others
        return None
    return None if too_short else key
