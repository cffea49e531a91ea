"""Connections that break at every byte of a response: an operation happens once, or not at all."""

import pytest

from chalicelib.aws.retries import Clock
from chalicelib.domain.errors import Unavailable
from tests.storage.tcp_proxy import Disturbance, Kind, TCPProxy
from tests.storage.test_dynamodb_faults import outcome_of
from tests.storage.trials import (
    EVERY,
    Lab,
    Make,
    change_a_user,
    create_a_user,
    lab,
    on_every_trial,
    run,
)
from tests.storage.wire import FakeClock


def size_of_answer(lab: Lab, make: Make) -> tuple[int, int]:
    """Return how many bytes the head and the whole of the undisturbed answer have."""
    trial = make(lab)
    assert run(lab, trial, None) == trial.expected
    head, _, body = lab.proxy.answer.partition(b"\r\n\r\n")
    return len(head) + 4, len(head) + 4 + len(body)


def places(head: int, whole: int, step: int) -> list[int]:
    """Return every so many places in an answer, and all around its borders."""
    borders = {0, 1, *range(head - 3, head + 4), *range(whole - 2, whole + 1)}
    return sorted(place for place in {*borders, *range(0, whole, step)} if 0 <= place <= whole)


USUAL = 8

every_place = pytest.mark.parametrize("step", [41, pytest.param(1, marks=pytest.mark.slow)])


@every_place
@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET, Kind.GARBAGE], ids=lambda it: it.name)
@on_every_trial
def test_a_broken_answer_is_asked_for_again(
    emulator: str, make: Make, kind: Kind, step: int
) -> None:
    """Wherever an answer breaks off or turns into garbage, the operation happens exactly once."""
    with lab(emulator) as it:
        head, whole = size_of_answer(it, make)
        for place in places(head, whole, step):
            trial = make(it)
            outcome = run(it, trial, Disturbance(kind, place))
            assert (place, outcome) == (place, trial.expected)
            assert trial.is_done()
            # The checksum has one to ten digits.
            if place < whole - 9:
                assert (place, it.proxy.accepted, it.proxy.requests) == (place, 2, 2)


@every_place
@on_every_trial
def test_a_damaged_body_is_asked_for_again(emulator: str, make: Make, step: int) -> None:
    """A valid head, and a body of the right length with other bytes, is not believed."""
    with lab(emulator) as it:
        head, whole = size_of_answer(it, make)
        for place in range(head + 9, whole - 1, step):
            trial = make(it)
            outcome = run(it, trial, Disturbance(Kind.SCRAMBLE, place))
            assert (place, outcome) == (place, trial.expected)
            assert trial.is_done()
            assert it.proxy.requests == 2


@pytest.mark.parametrize("kind", [Kind.REJECT, Kind.DROP, Kind.LEAVE], ids=lambda it: it.name)
@on_every_trial
def test_a_request_that_is_lost_is_sent_again(emulator: str, make: Make, kind: Kind) -> None:
    """A connection that ends without an answer, carried out or not, is replaced by another."""
    with lab(emulator) as it:
        trial = make(it)
        assert run(it, trial, Disturbance(kind)) == trial.expected
        assert trial.is_done()
        assert it.proxy.accepted == 2


LASTING = [
    Disturbance(Kind.REJECT),
    Disturbance(Kind.DROP),
    Disturbance(Kind.LEAVE),
    *(
        Disturbance(kind, after)
        for kind in (Kind.CUT, Kind.RESET, Kind.GARBAGE)
        for after in (0, 1, 300, 700)
    ),
]
NEVER_CARRIED_OUT = {Kind.REJECT, Kind.DROP}


@on_every_trial
def test_a_lasting_fault_is_unavailable(emulator: str, make: Make) -> None:
    """If no attempt gets an answer, that is what is reported, with all done once or nothing."""
    with lab(emulator, USUAL) as it:
        _, whole = size_of_answer(it, make)
        for disturbance in LASTING:
            trial = make(it)
            if disturbance.after < whole:
                outcome = run(it, trial, disturbance, EVERY)
                assert (disturbance, outcome) == (disturbance, Unavailable)
                assert it.proxy.accepted > 3
            it.storage.close()
            it.proxy.settle()
            is_done = trial.is_done()
            if disturbance.kind in NEVER_CARRIED_OUT and make in {change_a_user, create_a_user}:
                assert not is_done
        trial = make(it)
        assert run(it, trial, None) == trial.expected


@on_every_trial
def test_a_refused_connection_is_tried_again(emulator: str, make: Make) -> None:
    """A server that accepts no connections at first is called again; one that never does is not."""
    paused = FakeClock()

    def listen_in_the_first_pause(proxy: TCPProxy) -> Clock:
        def sleep(seconds: float) -> None:
            paused.clock.sleep(seconds)
            if len(paused.pauses) == 1:
                proxy.listen()

        return Clock(paused.clock.now, sleep)

    with lab(emulator, USUAL, clock=listen_in_the_first_pause) as it:
        trial = make(it)
        it.proxy.refuse()
        assert run(it, trial, None) == trial.expected
        assert trial.is_done()
        assert len(paused.pauses) == 1
        it.proxy.refuse()
        assert run(it, make(it), None) is Unavailable
        assert len(paused.pauses) > 4


def test_the_second_answer_of_a_connection_may_break(emulator: str) -> None:
    """A connection that was kept open and breaks in a later answer is replaced as well."""
    with lab(emulator) as it:
        for kind in (Kind.DROP, Kind.LEAVE, Kind.CUT, Kind.RESET, Kind.GARBAGE):
            for after in (0, 100, 600):
                first, second = change_a_user(it), change_a_user(it)
                assert run(it, first, Disturbance(kind, after, exchange=1)) == first.expected
                assert (it.proxy.accepted, it.proxy.requests) == (1, 1)
                assert outcome_of(lambda: second.run(it.storage)) == second.expected  # noqa: B023
                assert second.is_done()
                assert (it.proxy.accepted, it.proxy.requests) == (2, 3)
