"""Operations to disturb, on a table behind the proxy, and what each must have come to."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from chalicelib.aws.retries import Clock
from chalicelib.domain.errors import VersionMismatch
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from tests.storage.tcp_proxy import Disturbance, TCPProxy
from tests.storage.test_dynamodb_faults import outcome_of
from tests.storage.wire import FakeClock
from tests.support.factories import NOW, a_record, a_user, user_change

FIRST = range(1)
EVERY = range(10_000)
# While the emulator stalls, no attempt may end by its time: it would be one more.
LONG = 60


class Lab(NamedTuple):
    """A table, with storage that reaches it through the proxy, and storage that does directly."""

    proxy: TCPProxy
    direct: Storage
    storage: Storage


class Trial(NamedTuple):
    """An operation to disturb: its expected result, and whether the table holds its effect.

    `is_done` fails unless the table holds all of the effect once, or nothing of it.
    """

    run: Callable[[Storage], Any]
    expected: Any
    is_done: Callable[[], bool]


def get_a_user(lab: Lab) -> Trial:
    """Return a GetItem."""
    user = a_user()
    lab.direct.create(USERS, user, None, NOW)
    return Trial(lambda it: it.get(USERS, (user.user_id,)), user, lambda: True)


def change_a_user(lab: Lab) -> Trial:
    """Return an UpdateItem."""
    user, change = a_user(), user_change(name="Bea")
    lab.direct.create(USERS, user, None, NOW)
    changed = change.apply_to(user)

    def is_done() -> bool:
        found = lab.direct.get(USERS, (user.user_id,))
        assert found in (user, changed)
        return found == changed

    return Trial(lambda it: it.change(USERS, (user.user_id,), change), changed, is_done)


def create_a_user(lab: Lab) -> Trial:
    """Return a TransactWriteItems of a user, an e-mail address and a record."""
    user, record = a_user(), a_record()
    by_email = Query(limit=1, filters={"email": user.email})

    def is_done() -> bool:
        if lab.direct.get(USERS, (user.user_id,)) is None:
            # Succeeds only if neither the e-mail address nor the key is taken.
            assert lab.direct.create(USERS, user, record, NOW) is None
            return False
        assert lab.direct.list(USERS, (), by_email).items == [user]
        assert lab.direct.create(USERS, a_user(), record, NOW) == record
        return True

    return Trial(lambda it: it.create(USERS, user, record, NOW), None, is_done)


def list_users(lab: Lab) -> Trial:
    """Return a Query."""
    query = Query(limit=2, ascending=True)
    if len(lab.direct.list(USERS, (), query).items) < query.limit:
        for _ in range(query.limit):
            lab.direct.create(USERS, a_user(), None, NOW)
    expected = lab.direct.list(USERS, (), query)
    return Trial(lambda it: it.list(USERS, (), query), expected, lambda: True)


def change_another_version(lab: Lab) -> Trial:
    """Return an UpdateItem that is refused."""
    user, change = a_user(), user_change(name="Bea", versions=frozenset({7}))
    lab.direct.create(USERS, user, None, NOW)

    def is_done() -> bool:
        assert lab.direct.get(USERS, (user.user_id,)) == user
        return True

    return Trial(lambda it: it.change(USERS, (user.user_id,), change), VersionMismatch, is_done)


def create_a_user_again(lab: Lab) -> Trial:
    """Return a TransactWriteItems that is refused, since its key was used."""
    user, record, other = a_user(), a_record(), a_user()
    lab.direct.create(USERS, user, record, NOW)

    def is_done() -> bool:
        assert lab.direct.get(USERS, (other.user_id,)) is None
        return True

    return Trial(lambda it: it.create(USERS, other, record, NOW), record, is_done)


Make = Callable[[Lab], Trial]
TRIALS: list[Make] = [
    get_a_user,
    change_a_user,
    create_a_user,
    list_users,
    change_another_version,
    create_a_user_again,
]
on_every_trial = pytest.mark.parametrize("make", TRIALS, ids=lambda make: make.__name__)


Clocked = Callable[[TCPProxy], Clock]


def without_pauses(_proxy: TCPProxy) -> Clock:
    """Return a clock that only pauses advance, which take no time."""
    return FakeClock().clock


def real(_proxy: TCPProxy) -> Clock:
    """Return the real clock."""
    return Clock()


@contextlib.contextmanager
def lab(table: str, budget: float = LONG, clock: Clocked = without_pauses) -> Iterator[Lab]:
    """Put the proxy between storage and the emulator that the environment names."""
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(contextlib.closing(DynamoDBStorage(table, RESOURCES)))
        direct.prepare()
        proxy = stack.enter_context(TCPProxy(os.environ["AWS_ENDPOINT_URL"]))
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("AWS_ENDPOINT_URL", proxy.url)
        storage = DynamoDBStorage(table, RESOURCES, budget=budget, clock=clock(proxy))
        stack.callback(storage.close)
        storage.prepare()
        yield Lab(proxy, direct, storage)


def run(lab: Lab, trial: Trial, disturbance: Disturbance | None, due: range = FIRST) -> Any:
    """Return the outcome of a trial whose connections that are due are disturbed, the first is 0.

    Its connections are new, since the disturbances count from the start of one.
    """
    lab.storage.close()
    lab.proxy.disturb(disturbance, due)
    return outcome_of(lambda: trial.run(lab.storage))
