"""Relays of one outbox in PostgreSQL, at the same time: what one has does not keep others idle."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Engine, Executable, create_engine, insert, update

from chalicelib.domain.deliveries import Message, QueueingStorage
from chalicelib.domain.events import CloudEvent
from chalicelib.domain.registry import RESOURCES
from chalicelib.storage.factory import open_storage
from chalicelib.storage.sql.schema import Schema
from chalicelib.telemetry.activity import begin
from localdev.emulators import Emulators
from tests.conftest import url_of
from tests.storage.conftest import empty
from tests.support.event_factories import an_event

LIMIT = 100


class Relays:
    """An outbox, and relays that wait for each other in the middle of their work."""

    def __init__(self, storage: QueueingStorage, database: Engine) -> None:
        self._storage = storage
        self._database = database
        self._table = Schema(RESOURCES).outbox

    def write(self, *subjects: str) -> None:
        """Write an event of each of the subjects, in this order."""
        rows = [
            {"subject": subject, "event": an_event(subject=subject).to_json()}
            for subject in subjects
        ]
        self._execute(insert(self._table), rows)

    def damage(self, subject: str) -> None:
        """Make the events of a subject unreadable."""
        self._execute(
            update(self._table).where(self._table.c.subject == subject).values(event="{}")
        )

    def _execute(self, statement: Executable, *parameters: Any) -> None:
        with self._database.begin() as connection:
            connection.execute(statement, *parameters)

    def relay(self, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
        """Relay once, call `meanwhile` in the middle of it, and return the subjects."""
        found: list[str] = []

        def deliver(events: Sequence[CloudEvent]) -> list[Message]:
            found.extend(str(event.subject) for event in events)
            meanwhile()
            return []

        self._storage.outbox.relay(LIMIT, deliver)
        return found


@pytest.fixture
def relays(engines: Emulators) -> Iterator[Relays]:
    """Return relays of an empty outbox."""
    url = url_of(engines, "postgresql")
    empty(url)
    database = create_engine(url)
    storage = open_storage(url, RESOURCES)
    assert isinstance(storage, QueueingStorage)
    with closing(storage):
        yield Relays(storage, database)
    database.dispose()


def test_relays_take_the_next_subjects(relays: Relays) -> None:
    """While one has the first hundred subjects, others get the next ones."""
    subjects = [f"/users/{number:04}" for number in range(250)]
    relays.write(*subjects)
    second: list[str] = []
    third: list[str] = []
    fourth = ["nothing yet"]

    def meanwhile() -> None:
        second.extend(relays.relay(lambda: third.extend(relays.relay(last))))

    def last() -> None:
        fourth[:] = relays.relay()

    first = relays.relay(meanwhile)

    assert (first, second) == (subjects[:100], subjects[100:200])
    assert third == subjects[200:]
    assert fourth == []
    assert relays.relay() == []


def test_a_large_backlog_of_one_subject_hides_no_other(relays: Relays) -> None:
    """Behind 20,000 events of a subject that one relay has, another finds what it can pass on."""
    relays.write(*["/users/busy"] * 20_000, "/users/a", "/users/busy", "/users/b", "/users/a")
    others: list[str] = []
    seconds = [0.0]

    def meanwhile() -> None:
        started = time.perf_counter()
        others.extend(relays.relay())
        seconds[0] = time.perf_counter() - started

    assert relays.relay(meanwhile) == ["/users/busy"] * 100
    assert others == ["/users/a", "/users/b", "/users/a"]
    assert seconds[0] < 2
    started = time.perf_counter()
    assert relays.relay() == ["/users/busy"] * 100
    assert time.perf_counter() - started < 1


def test_what_cannot_be_read_holds_up_nothing(
    relays: Relays, caplog: pytest.LogCaptureFixture
) -> None:
    """An event that cannot be read is logged as an error and left out; those behind it go on."""
    activity = begin()
    relays.write("/users/a", "/users/odd", "/users/b")
    relays.damage("/users/odd")

    assert relays.relay() == ["/users/a", "/users/b"]

    assert relays.relay() == []
    assert activity.error is not None
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "cannot be read, and was left out" in record.getMessage()
