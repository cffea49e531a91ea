"""The schedule: about three days, never sooner than the endpoint asks for."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.events.schedule import DELAYS, Schedule

DAY = 24 * 60 * 60


def delays(schedule: Schedule) -> list[float]:
    """Return the delays after each attempt, until none follows."""
    after = (schedule.delay(attempts) for attempts in itertools.count(1))
    return [*itertools.takewhile(lambda delay: delay is not None, after)]  # type: ignore[list-item]


def test_the_attempts_span_about_three_days() -> None:
    """Ten attempts follow one another after growing delays of about three days in all."""
    made = delays(Schedule())
    assert len(made) == 9
    assert sum(DELAYS) / DAY > 3
    assert 2.5 < sum(made) / DAY < 4
    assert sorted(DELAYS) == [*DELAYS]
    assert 4 <= made[0] <= 6


@given(st.integers(1, 9), st.floats(0, DAY))
def test_it_is_never_sooner_than_asked_for(attempts: int, retry_after: float) -> None:
    """The delay is at least Retry-After, up to a day, and varies by at most a fifth otherwise."""
    delay = Schedule().delay(attempts, retry_after)
    assert delay is not None
    nominal = DELAYS[attempts - 1]
    assert max(retry_after, 0.8 * nominal) <= delay <= max(retry_after, 1.2 * nominal)


@given(st.floats(DAY, 1e300))
def test_nobody_is_waited_for_longer_than_a_day(retry_after: float) -> None:
    """A Retry-After beyond a day counts as a day."""
    assert Schedule().delay(1, retry_after) == DAY


@given(st.lists(st.floats(0, 1e300), min_size=9, max_size=9))
def test_a_delivery_is_given_up_within_five_days(asked: list[float]) -> None:
    """Whatever the endpoint asks for each time, the last attempt is within five days."""
    age = 0.0
    for attempts, retry_after in enumerate(asked, 1):
        delay = Schedule().delay(attempts, retry_after, age)
        if delay is None:
            break
        age += delay
    assert age <= 5 * DAY
    assert delay is None or attempts == 9


def test_endpoints_do_not_get_everything_at_once() -> None:
    """The delays of many deliveries that failed together differ."""
    assert len({Schedule().delay(3) for _ in range(100)}) > 90


def test_after_the_last_attempt_none_follows() -> None:
    """Whatever the endpoint asks for, the tenth attempt is the last."""
    assert Schedule().delay(10) is None
    assert Schedule().delay(10, 60) is None
