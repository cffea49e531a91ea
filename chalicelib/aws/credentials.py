"""Who signs the requests.

https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from chalicelib.aws.errors import AWSError
from chalicelib.aws.signing import Credentials
from chalicelib.settings_error import SettingsError

CredentialsSource = Callable[[], Credentials]

# How long before they expire credentials are fetched anew, and are no longer used, in seconds.
_EARLY = 600
_LATE = 60
_PAUSE = 30
_log = logging.getLogger(__name__)


class Temporary(NamedTuple):
    """Credentials, and when they expire: seconds since the epoch, None for never."""

    credentials: Credentials
    expires_at: float | None


def environment_credentials(environment: Mapping[str, str]) -> CredentialsSource | None:
    """Return the credentials in environment variables, as Lambda sets them; None without any.

    Raises SettingsError if one variable of a pair is missing.
    """
    access_key = environment.get("AWS_ACCESS_KEY_ID", "")
    secret_key = environment.get("AWS_SECRET_ACCESS_KEY", "")
    if not access_key and not secret_key:
        return None
    if not access_key or not secret_key:
        raise SettingsError(
            "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or none of the two."
        )
    token = environment.get("AWS_SESSION_TOKEN") or None
    if not f"{access_key}{secret_key}{token}".isascii():
        raise SettingsError(
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN must be ASCII text."
        )
    credentials = Credentials(access_key, secret_key, token)
    return lambda: credentials


class RefreshingCredentials:
    """Credentials that `fetch` returns, fetched again before they expire.

    One thread fetches while the others use what there is. While fetching fails, the old ones are
    used until shortly before they expire; then the error is raised. `clock` returns the seconds
    since the epoch.
    """

    def __init__(
        self, fetch: Callable[[], Temporary], clock: Callable[[], float] = time.time
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Temporary | None = None
        self._refresh_at = float("-inf")

    def __call__(self) -> Credentials:
        """Return the current credentials. Raises what `fetch` raises."""
        now, refresh_at = self._clock(), self._refresh_at
        # Read after its time, and written before it, so that it is never older.
        current = self._current
        if current is not None and now < refresh_at:
            return current.credentials
        if current is not None and self._is_valid(current, now):
            if self._lock.acquire(blocking=False):
                try:
                    # Another thread may have had its turn just before.
                    if now >= self._refresh_at:
                        self._refresh_early(now)
                finally:
                    self._lock.release()
            return (self._current or current).credentials
        with self._lock:
            current = self._current
            if current is None or not self._is_valid(current, now):
                current = self._refresh()
            return current.credentials

    def _refresh_early(self, now: float) -> None:
        try:
            self._refresh()
        except (AWSError, SettingsError) as error:
            self._refresh_at = now + _PAUSE
            _log.warning("The AWS credentials expire soon, and there are no new ones: %s", error)

    def _refresh(self) -> Temporary:
        current = self._fetch()
        expires_at = float("inf") if current.expires_at is None else current.expires_at
        self._current = current
        # Some expire so soon that otherwise each request would fetch others.
        soon = min(self._clock() + _PAUSE, expires_at - _LATE)
        self._refresh_at = max(expires_at - _EARLY, soon)
        return current

    @staticmethod
    def _is_valid(current: Temporary, now: float) -> bool:
        return current.expires_at is None or now < current.expires_at - _LATE
