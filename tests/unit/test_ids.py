"""Ids: unique, sorted by time, and bounded for any time that a client may ask for."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import ids

MILLISECONDS = st.integers(0, (1 << 48) - 1)


@given(MILLISECONDS)
def test_an_id_is_a_uuid_of_version_7(milliseconds: int) -> None:
    """After its prefix an id is a UUIDv7 that holds its time."""
    made = ids.new_id(ids.USER_PREFIX, milliseconds)
    assert ids.is_user_id(made)
    uuid = UUID(made.removeprefix("usr_"))
    assert (uuid.version, uuid.variant, uuid.int >> 80) == (7, RFC_4122, milliseconds)


@given(MILLISECONDS, MILLISECONDS)
def test_ids_sort_by_time(one: int, other: int) -> None:
    """Of two ids the earlier one is the smaller text, also against the bound of a time."""
    early, late = sorted((one, other))
    first = ids.new_id(ids.ORDER_PREFIX, early)
    second = ids.new_id(ids.ORDER_PREFIX, late)
    assert first < second
    assert ids.first_id_at(ids.ORDER_PREFIX, early) < first
    assert (first < ids.first_id_at(ids.ORDER_PREFIX, late)) == (early < late)


def test_ids_of_one_moment_sort_in_their_order() -> None:
    """Ids that are made in one millisecond are different and in order, threads or not."""
    made = [ids.new_id(ids.USER_PREFIX, 5) for _ in range(1000)]
    assert made == sorted(set(made))
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(lambda _: ids.new_id(ids.USER_PREFIX, 6), range(4000)))
    assert len(set(many)) == 4000


@given(st.integers(-(10**20), 10**20))
def test_a_bound_has_the_shape_of_an_id(milliseconds: int) -> None:
    """Any time has a bound, those outside what ids can hold too."""
    assert ids.is_order_id(ids.first_id_at(ids.ORDER_PREFIX, milliseconds))


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - made aware below
def test_timestamps_are_rfc_3339(time: datetime) -> None:
    """A timestamp reads back as the same millisecond."""
    aware = time.replace(tzinfo=UTC)
    milliseconds = round(aware.timestamp() * 1000)
    text = ids.timestamp(milliseconds)
    assert len(text) == 24
    assert round(datetime.fromisoformat(text).timestamp() * 1000) == milliseconds
