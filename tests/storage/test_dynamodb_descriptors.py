"""Traffic that fails in every way leaves no open socket behind."""

import contextlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from benchmarks.dynamodb_stub import PRODUCT_TABLE, running
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from tests.storage.tcp_proxy import Disturbance, Kind, TCPProxy
from tests.storage.test_dynamodb_faults import outcome_of
from tests.support.factories import NOW, a_record, a_user, user_change

THREADS = 8
BUDGET = 4

Work = Callable[[Storage, random.Random], Any]


def on_any_table(storage: Storage, chance: random.Random) -> Any:
    """Carry out operations that create a user, change it, and list users."""
    user = a_user()
    storage.create(USERS, user, chance.choice([None, a_record()]), NOW)
    storage.change(USERS, (user.user_id,), user_change(name="Bea"))
    return storage.list(USERS, (), Query(limit=3))


def on_the_stub(storage: Storage, _chance: random.Random) -> Any:
    """Carry out operations that the stub has responses for."""
    storage.get(USERS, ("usr_1",))
    return storage.list(USERS, (), Query(limit=3))


@contextlib.contextmanager
def over_tls() -> Iterator[tuple[dict[str, str], str]]:
    """Run the stub, and yield its variables and its table."""
    with running() as variables:
        yield variables, PRODUCT_TABLE


def disturbance(chance: random.Random) -> Disturbance | None:
    """Return what happens to a connection in one of its first exchanges, if anything does."""
    kind = chance.choice(list(Kind))
    if kind is Kind.STALL and chance.random() < 0.8:
        # Each takes a second, in which there is no other traffic.
        return None
    after = chance.choice([0, 100, 700, 3000, chance.randrange(3000)])
    return Disturbance(kind, after, chance.randrange(4), pause=chance.random() / 1000)


def traffic(storage: Storage, work: Work, seconds: float) -> Counter[str]:
    """Carry out operations in threads for so long, and return how often each outcome came."""
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + seconds

    def worker(number: int) -> None:
        chance = random.Random(number)
        while time.monotonic() < end:
            try:
                result = outcome_of(lambda: work(storage, chance))
                name = result.__name__ if isinstance(result, type) else "success"
            except Exception as error:  # noqa: BLE001 - the test tells of it
                name = repr(error)
            outcomes[name] += 1

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.parametrize("seconds", [1, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_no_descriptor_is_left_open(
    emulator: str,
    monkeypatch: pytest.MonkeyPatch,
    tls: bool,  # noqa: FBT001 - a parameter of the case
    seconds: float,
) -> None:
    """After traffic with random faults, everything that was opened is closed."""
    with contextlib.ExitStack() as stack:
        table = emulator
        work: Work = on_any_table
        if tls:
            variables, table = stack.enter_context(over_tls())
            work = on_the_stub
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
        process = psutil.Process()
        before = process.num_fds()
        chance = random.Random(seconds)
        with TCPProxy(os.environ["AWS_ENDPOINT_URL"]) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
            storage = DynamoDBStorage(table, RESOURCES, budget=BUDGET)
            proxy.plan = lambda _number: disturbance(chance)
            outcomes = traffic(storage, work, seconds)
            accepted = proxy.accepted
            storage.close()
        assert process.num_fds() == before
    assert set(outcomes) <= {"success", "Unavailable"}
    assert outcomes["success"] > 10
    assert accepted > 10
