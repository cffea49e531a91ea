"""Credentials from variables, and those that expire: who fetches them, when, and who waits."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from chalicelib.aws.credentials import (
    RefreshingCredentials,
    Temporary,
    environment_credentials,
)
from chalicelib.aws.errors import NoResponse
from chalicelib.aws.signing import Credentials
from chalicelib.settings_error import SettingsError

ACCESS, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", "IQoJb3JpZ2luX2VjE"
START = 1_800_000_000.0
HOUR = 3600
# Fetching starts ten minutes before they expire, and they are used until the last minute.
EARLY, LATE = HOUR - 600, HOUR - 60


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_SESSION_TOKEN": TOKEN},
        {"AWS_ACCESS_KEY_ID": "", "AWS_SESSION_TOKEN": TOKEN},
    ],
)
def test_without_keys_there_are_no_credentials(environment: dict[str, str]) -> None:
    """Variables that are missing or empty leave the credentials to other sources."""
    assert environment_credentials(environment) is None


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_ACCESS_KEY_ID": ACCESS},
        {"AWS_SECRET_ACCESS_KEY": SECRET},
        {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": SECRET},
    ],
)
def test_half_a_pair_is_refused(environment: dict[str, str]) -> None:
    """One key without the other is an error that names both variables and no value."""
    with pytest.raises(SettingsError) as raised:
        environment_credentials(environment)
    assert str(raised.value) == (
        "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or none of the two."
    )


@pytest.mark.parametrize(
    ("variables", "token"),
    [({}, None), ({"AWS_SESSION_TOKEN": ""}, None), ({"AWS_SESSION_TOKEN": TOKEN}, TOKEN)],
)
def test_a_pair_is_used_with_its_token(variables: dict[str, str], token: str | None) -> None:
    """Both keys make credentials; the session token is optional, and an empty one is none."""
    environment = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, **variables}
    source = environment_credentials(environment)
    assert source is not None
    assert source() == Credentials(ACCESS, SECRET, token)


class Endpoint:
    """Issues numbered credentials that are valid for an hour of its own clock, which stands still.

    `error` is raised instead where it is set. While `blocked` holds, fetching waits for `released`.
    """

    def __init__(self, lifetime: float | None = HOUR) -> None:
        self.now = START
        self.fetched = 0
        self.attempts = 0
        self.error: Exception | None = None
        self.started, self.released = threading.Event(), threading.Event()
        self.blocked = False
        self._lifetime = lifetime

    def __call__(self) -> Temporary:
        """Return new credentials."""
        self.attempts += 1
        self.started.set()
        if self.blocked:
            assert self.released.wait(10)
        if self.error is not None:
            raise self.error
        self.fetched += 1
        expires_at = None if self._lifetime is None else self.now + self._lifetime
        return Temporary(Credentials(f"AKIA{self.fetched}", SECRET, TOKEN), expires_at)

    def clock(self) -> float:
        """Return the time."""
        return self.now

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Let whoever fetches wait until the block ends."""
        self.started.clear()
        self.blocked = True
        try:
            yield
        finally:
            self.blocked = False
            self.released.set()


def key_of(source: Callable[[], Credentials]) -> str:
    """Return the current access key."""
    return source().access_key


def test_nothing_is_fetched_before_it_is_needed() -> None:
    """Credentials are fetched at the first use, and used again while they are far from expiry."""
    endpoint = Endpoint()
    source = RefreshingCredentials(endpoint, endpoint.clock)
    assert endpoint.attempts == 0
    assert source() == Credentials("AKIA1", SECRET, TOKEN)
    endpoint.now += EARLY - 1
    assert key_of(source) == "AKIA1"
    assert endpoint.attempts == 1


def test_threads_at_the_start_fetch_once() -> None:
    """Threads that need the first credentials at the same time wait for one fetch."""
    endpoint = Endpoint()
    source = RefreshingCredentials(endpoint, endpoint.clock)
    with ThreadPoolExecutor(8) as threads:
        with endpoint.blocking():
            keys = [threads.submit(key_of, source) for _ in range(8)]
            assert endpoint.started.wait(5)
            assert not any(key.done() for key in keys)
        assert [key.result(5) for key in keys] == ["AKIA1"] * 8
    assert endpoint.attempts == 1


def test_one_thread_refreshes_while_the_others_go_on() -> None:
    """Before expiry one thread fetches, and the others use the old credentials without waiting."""
    endpoint = Endpoint()
    source = RefreshingCredentials(endpoint, endpoint.clock)
    assert key_of(source) == "AKIA1"
    endpoint.now += EARLY
    with ThreadPoolExecutor(8) as threads:
        with endpoint.blocking():
            first = threads.submit(key_of, source)
            assert endpoint.started.wait(5)
            others = [threads.submit(key_of, source) for _ in range(20)]
            assert [key.result(5) for key in others] == ["AKIA1"] * 20
            assert not first.done()
        assert first.result(5) == "AKIA2"
    assert key_of(source) == "AKIA2"
    assert endpoint.attempts == 2


def test_threads_wait_for_new_credentials_after_expiry() -> None:
    """Credentials in their last minute are not used: all threads wait for the one that fetches."""
    endpoint = Endpoint()
    source = RefreshingCredentials(endpoint, endpoint.clock)
    assert key_of(source) == "AKIA1"
    endpoint.now += LATE
    with ThreadPoolExecutor(8) as threads:
        with endpoint.blocking():
            keys = [threads.submit(key_of, source) for _ in range(8)]
            assert endpoint.started.wait(5)
            assert not any(key.done() for key in keys)
        assert [key.result(5) for key in keys] == ["AKIA2"] * 8
    assert endpoint.attempts == 2


class Watched(float):
    """An expiry time that calls `looked_at`, once, when it is compared."""

    looked_at: Callable[[], object] | None = None

    def __sub__(self, other: float) -> float:
        callback, self.looked_at = self.looked_at, None
        if callback is not None:
            callback()
        return float(self) - other


@pytest.mark.parametrize("error", [None, NoResponse("No credentials: status 503")])
def test_a_refresh_just_before_is_not_repeated(error: Exception | None) -> None:
    """A thread that comes to refresh when another has just done so goes by the other's result."""
    endpoint = Endpoint()
    expiry = Watched(START + HOUR)
    first = Temporary(Credentials("AKIA0", SECRET, TOKEN), expiry)
    issued = iter([first])
    source = RefreshingCredentials(lambda: next(issued, None) or endpoint(), endpoint.clock)
    source()
    endpoint.now += EARLY
    endpoint.error = error
    expiry.looked_at = source
    assert key_of(source) == ("AKIA1" if error is None else "AKIA0")
    assert endpoint.attempts == 1


@pytest.mark.parametrize(
    "error", [NoResponse("No credentials: status 503"), SettingsError("Refused with status 403")]
)
def test_a_failed_refresh_keeps_the_old_credentials(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """A refresh that fails is logged without a secret, and tried again after thirty seconds."""
    endpoint = Endpoint()
    source = RefreshingCredentials(endpoint, endpoint.clock)
    source()
    endpoint.now += EARLY
    endpoint.error = error
    with caplog.at_level(logging.DEBUG):
        for seconds in (0, 1, 28.9):
            endpoint.now += seconds
            assert key_of(source) == "AKIA1"
    assert endpoint.attempts == 2
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert str(error) in record.getMessage()
    assert not any(secret in caplog.text for secret in ("AKIA", SECRET, TOKEN))
    endpoint.now += 0.1
    assert key_of(source) == "AKIA1"
    assert endpoint.attempts == 3
    endpoint.error = None
    endpoint.now += 30
    assert key_of(source) == "AKIA2"


def test_after_expiry_the_error_is_raised() -> None:
    """Without new credentials the old ones end with the error of each attempt, until one works."""
    endpoint = Endpoint()
    source = RefreshingCredentials(endpoint, endpoint.clock)
    source()
    endpoint.now += LATE
    endpoint.error = NoResponse("No credentials: status 503")
    for _ in range(2):
        with pytest.raises(NoResponse, match="status 503"):
            source()
    endpoint.error = None
    assert key_of(source) == "AKIA2"


def test_a_first_fetch_that_fails_is_repeated() -> None:
    """The error of the first fetch is raised, and the next use fetches again."""
    endpoint = Endpoint()
    source = RefreshingCredentials(endpoint, endpoint.clock)
    endpoint.error = SettingsError("Refused with status 403")
    with pytest.raises(SettingsError, match="status 403"):
        source()
    endpoint.error = None
    assert key_of(source) == "AKIA1"


def test_credentials_without_expiry_stay() -> None:
    """Credentials that never expire are fetched once."""
    endpoint = Endpoint(lifetime=None)
    source = RefreshingCredentials(endpoint, endpoint.clock)
    for _ in range(3):
        assert key_of(source) == "AKIA1"
        endpoint.now += 1000 * HOUR
    assert endpoint.attempts == 1


@pytest.mark.parametrize("lifetime", [-HOUR, 0, 30])
def test_credentials_that_arrive_expired_are_used_once(lifetime: float) -> None:
    """Credentials that expire at once are used, since the clock may be wrong, and not kept."""
    endpoint = Endpoint(lifetime=lifetime)
    source = RefreshingCredentials(endpoint, endpoint.clock)
    assert [key_of(source), key_of(source)] == ["AKIA1", "AKIA2"]
