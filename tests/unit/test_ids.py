"""Ids: unique, sorted by time, with bounds for any time that a client may send."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import ids
from chalicelib.domain.orders import ORDERS
from chalicelib.domain.users import USERS

MILLISECONDS = st.integers(0, (1 << 48) - 1)


@given(MILLISECONDS)
def test_an_id_is_a_uuid_of_version_7(milliseconds: int) -> None:
    """After its prefix an id is a UUIDv7 with its time."""
    made = ids.new_id(USERS.prefix, milliseconds)
    assert re.fullmatch("usr_[0-9a-f]{32}", made)
    uuid = UUID(made.removeprefix("usr_"))
    assert (uuid.version, uuid.variant, uuid.int >> 80) == (7, RFC_4122, milliseconds)


@given(MILLISECONDS, MILLISECONDS)
def test_ids_sort_by_time(one: int, other: int) -> None:
    """The earlier of two ids is the smaller string, also compared with the bound of a time."""
    early, late = sorted((one, other))
    first = ids.new_id(ORDERS.prefix, early)
    second = ids.new_id(ORDERS.prefix, late)
    assert first < second
    assert ids.first_id_at(ORDERS.prefix, early) < first
    assert (first < ids.first_id_at(ORDERS.prefix, late)) == (early < late)


def test_ids_of_one_millisecond_are_sorted() -> None:
    """Ids of one millisecond are unique and in order, even across threads."""
    made = [ids.new_id(USERS.prefix, 5) for _ in range(1000)]
    assert made == sorted(set(made))
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(lambda _: ids.new_id(USERS.prefix, 6), range(4000)))
    assert len(set(many)) == 4000


@given(st.integers(-(10**20), 10**20))
def test_a_bound_is_formatted_as_an_id(milliseconds: int) -> None:
    """Any time has a bound, even outside the range of ids."""
    assert re.fullmatch("ord_[0-9a-f]{32}", ids.first_id_at(ORDERS.prefix, milliseconds))


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - made aware below
def test_timestamps_are_rfc_3339(time: datetime) -> None:
    """A timestamp is parsed to the same millisecond."""
    aware = time.replace(tzinfo=UTC)
    milliseconds = round(aware.timestamp() * 1000)
    text = ids.timestamp(milliseconds)
    assert len(text) == 24
    assert round(datetime.fromisoformat(text).timestamp() * 1000) == milliseconds
