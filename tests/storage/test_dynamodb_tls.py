"""TLS connections that break at every byte of what the server sends, the handshake included."""

import time
from collections.abc import Iterator

import pytest

from benchmarks.dynamodb_stub import PRODUCT_TABLE, running
from benchmarks.events import PEOPLE
from chalicelib.aws.retries import Clock
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Storage
from chalicelib.domain.users import USERS, User
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from tests.storage.tcp_proxy import Disturbance, Kind, TCPProxy
from tests.storage.test_dynamodb_faults import outcome_of
from tests.storage.wire import FakeClock

FIRST = range(1)
EVERY = range(10_000)
USER = User(**PEOPLE[0])
# Connecting, the handshake included, may then take half a second, and the response one.
SHORT = 4
# Then no attempt ends by its time while the machine is busy: it would be one more.
LONG = 60
SLACK = 6

breaking = pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET, Kind.GARBAGE])


@pytest.fixture(scope="module")
def stub() -> Iterator[dict[str, str]]:
    """Run the stub for this module."""
    with running() as variables:
        yield variables


@pytest.fixture
def proxy(stub: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[TCPProxy]:
    """Return a proxy before the stub, which the environment names."""
    with TCPProxy(stub["AWS_ENDPOINT_URL"]) as made:
        for name, value in stub.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


def a_storage(budget: float = 8, clock: Clock | None = None) -> Storage:
    """Return storage on the stub's table; pauses take no time unless there is a clock."""
    return DynamoDBStorage(
        PRODUCT_TABLE, RESOURCES, budget=budget, clock=clock or FakeClock().clock
    )


def read(storage: Storage) -> object:
    """Return the outcome of reading the user."""
    return outcome_of(lambda: storage.get(USERS, (USER.user_id,)))


def size_of_connection(proxy: TCPProxy) -> int:
    """Return how many bytes the server sends in a connection with one request."""
    storage = a_storage()
    assert read(storage) == USER
    storage.close()
    return len(proxy.answer)


@breaking
@pytest.mark.parametrize("step", [61, pytest.param(1, marks=pytest.mark.slow)])
def test_a_broken_connection_is_replaced(proxy: TCPProxy, kind: Kind, step: int) -> None:
    """Wherever a connection breaks, the operation succeeds over another one, as does the next."""
    whole = size_of_connection(proxy)
    assert whole > 2000
    for place in range(0, whole, step):
        storage = a_storage(LONG)
        proxy.disturb(Disturbance(kind, place))
        assert (place, read(storage)) == (place, USER)
        assert proxy.accepted == 2
        assert (place, read(storage)) == (place, USER)
        assert proxy.accepted == 2
        storage.close()


@breaking
@pytest.mark.parametrize("step", [301, pytest.param(13, marks=pytest.mark.slow)])
def test_connections_that_always_break_are_unavailable(
    proxy: TCPProxy, kind: Kind, step: int
) -> None:
    """If every connection breaks at the same place that is reported; the next operation works."""
    whole = size_of_connection(proxy)
    storage = a_storage()
    for place in range(0, whole, step):
        storage.close()
        storage = a_storage()
        proxy.disturb(Disturbance(kind, place), EVERY)
        assert (place, read(storage)) == (place, Unavailable)
        assert proxy.accepted > 3
        proxy.disturb(None)
        assert (place, read(storage)) == (place, USER)
    storage.close()


@pytest.mark.parametrize("after", [0, 500, pytest.param(2000, marks=pytest.mark.slow)])
def test_silence_ends_in_time(proxy: TCPProxy, after: int) -> None:
    """A handshake, or an answer, that stops without an end is given up and tried again."""
    storage = a_storage(SHORT, Clock())
    proxy.disturb(Disturbance(Kind.STALL, after))
    start = time.monotonic()
    assert read(storage) == USER
    assert time.monotonic() - start < SHORT + SLACK
    assert proxy.accepted == 2
    storage.close()


@pytest.mark.parametrize("exchange", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_slowness_is_given_up_although_it_goes_on(proxy: TCPProxy, exchange: int) -> None:
    """The times for the handshake and for the response are for all of it, not for each byte."""
    storage = a_storage(SHORT, Clock())
    # Each would take over a minute.
    proxy.disturb(Disturbance(Kind.DRIP, exchange=exchange, pause=0.1))
    start = time.monotonic()
    assert read(storage) == USER
    assert time.monotonic() - start < SHORT + SLACK
    assert proxy.accepted == 2
    storage.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.STALL, Kind.DRIP])
def test_lasting_silence_ends_with_the_budget(proxy: TCPProxy, kind: Kind) -> None:
    """An operation whose handshakes never come to an end is Unavailable within its budget."""
    storage = a_storage(SHORT, Clock())
    proxy.disturb(Disturbance(kind, pause=0.1), EVERY)
    start = time.monotonic()
    assert read(storage) is Unavailable
    assert time.monotonic() - start < SHORT + SLACK
    storage.close()
