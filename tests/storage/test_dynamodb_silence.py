"""Responses that stop, or come too slowly: the time is bounded as a whole, not for each wait."""

import time

import pytest

from chalicelib.domain.errors import Unavailable
from tests.storage.tcp_proxy import Disturbance, Kind
from tests.storage.trials import (
    EVERY,
    TRIALS,
    Make,
    change_a_user,
    lab,
    on_every_trial,
    real,
    run,
)

# An attempt may then take 0.5 seconds for connecting and one second for the response.
SHORT = 4
# What the process may take on top while the machine is busy.
SLACK = 6


@pytest.mark.parametrize("after", [0, 400])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, marks=() if make is change_a_user else pytest.mark.slow)
        for make in TRIALS
    ],
    ids=lambda make: make.__name__,
)
def test_silence_ends_with_the_time_for_a_response(emulator: str, make: Make, after: int) -> None:
    """An answer that stops without an end is given up in time, and asked for again."""
    with lab(emulator, SHORT, real) as it:
        trial = make(it)
        start = time.monotonic()
        assert run(it, trial, Disturbance(Kind.STALL, after)) == trial.expected
        assert time.monotonic() - start < SHORT + SLACK
        assert trial.is_done()
        assert it.proxy.accepted == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.STALL, Kind.DRIP], ids=lambda it: it.name)
@on_every_trial
def test_lasting_silence_ends_with_the_budget(emulator: str, make: Make, kind: Kind) -> None:
    """An operation whose answers never come, or never end, is Unavailable within its budget."""
    with lab(emulator, SHORT, real) as it:
        trial = make(it)
        start = time.monotonic()
        assert run(it, trial, Disturbance(kind, pause=0.1), EVERY) is Unavailable
        assert time.monotonic() - start < SHORT + SLACK
        trial.is_done()


@on_every_trial
def test_an_answer_may_come_byte_by_byte(emulator: str, make: Make) -> None:
    """An answer in packets of one byte each is read like any other."""
    with lab(emulator) as it:
        trial = make(it)
        assert run(it, trial, Disturbance(Kind.DRIP)) == trial.expected
        assert trial.is_done()
        assert it.proxy.requests == 1


def test_a_slow_answer_is_given_up_although_it_goes_on(emulator: str) -> None:
    """The time for a response is for all of it: bytes that keep coming do not extend it."""
    with lab(emulator, SHORT, real) as it:
        trial = change_a_user(it)
        start = time.monotonic()
        # About a minute for the whole answer.
        assert run(it, trial, Disturbance(Kind.DRIP, pause=0.1)) == trial.expected
        assert time.monotonic() - start < SHORT + SLACK
        assert trial.is_done()
        assert it.proxy.accepted == 2
