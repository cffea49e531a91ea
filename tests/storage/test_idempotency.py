"""Idempotency records: kept with the thing, replayed while they live, absent afterwards."""

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import EmailTaken, UserNotFound, UserSuspended
from chalicelib.domain.storage import Storage
from tests.storage.things import NOW, a_record, a_user, an_order, step, user_change


def test_a_live_record_is_returned_and_nothing_written(storage: Storage) -> None:
    """The second creation with a key gives the first one's record, whatever it asks for."""
    record = a_record()
    first, second = a_user(), a_user()
    assert storage.create_user(first, record, NOW) is None
    other = a_record(key=record.key)
    assert storage.create_user(second, other, NOW) == record
    assert storage.get_user(second.user_id) is None
    assert storage.create_order(an_order(first), other, NOW) == record


def test_a_record_comes_before_every_other_error(storage: Storage) -> None:
    """A replay gets its answer although the e-mail is taken by now, or the user gone."""
    user, order, record = a_user(), a_record(), a_record()
    storage.create_user(user, record, NOW)
    assert storage.create_user(replace(a_user(), email=user.email), record, NOW) == record
    storage.create_order(an_order(user), order, NOW)
    storage.change_user(user.user_id, user_change(status="suspended"))
    assert storage.create_order(an_order(user), order, NOW) == order
    assert storage.create_order(an_order(a_user()), order, NOW) == order


def test_a_record_lives_until_it_expires(storage: Storage) -> None:
    """A second before its end it is replayed; from its end on it is replaced."""
    old = a_record(expires_at=NOW + 100)
    storage.create_user(a_user(), old, NOW)
    assert storage.create_user(a_user(), old, NOW + 99) == old
    new = a_record(key=old.key, expires_at=NOW + 200)
    user = a_user()
    assert storage.create_user(user, new, NOW + 100) is None
    assert storage.get_user(user.user_id) == user
    assert storage.create_user(a_user(), old, NOW + 199) == new


def test_a_failure_keeps_no_record(storage: Storage) -> None:
    """A creation that fails can be made good with the same key."""
    taken, user = a_user(), a_user()
    storage.create_user(taken, None, NOW)
    record = a_record()
    with pytest.raises(EmailTaken):
        storage.create_user(replace(user, email=taken.email), record, NOW)
    with pytest.raises(UserNotFound):
        storage.create_order(an_order(user), record, NOW)
    assert storage.create_user(user, record, NOW) is None
    storage.change_user(user.user_id, user_change(status="suspended"))
    other = a_record()
    with pytest.raises(UserSuspended):
        storage.create_order(an_order(user), other, NOW)
    storage.change_user(user.user_id, user_change(status="active"))
    assert storage.create_order(an_order(user), other, NOW) is None


def test_an_expired_record_does_not_hide_errors(storage: Storage) -> None:
    """A creation over an expired record fails for its own reasons, and can be made good."""
    user = a_user()
    record = a_record(expires_at=NOW)
    storage.create_user(user, record, NOW - 1)
    with pytest.raises(EmailTaken):
        storage.create_user(a_user(email=user.email), a_record(key=record.key), NOW)
    assert storage.create_user(a_user(), a_record(key=record.key), NOW) is None


def test_a_record_keeps_all_that_was_answered(storage: Storage) -> None:
    """The body comes back letter for letter, large ones too."""
    record = a_record(body='{"name":"Łucja 🦄"}' + "x" * 60_000, location="/users/usr_ü")
    storage.create_user(a_user(), record, NOW)
    assert storage.create_user(a_user(), record, NOW) == record


def test_deletion_leaves_a_tombstone_of_the_creation(storage: Storage) -> None:
    """After deletion the key stays spent until its end, and nothing else of the record is kept."""
    user, record = a_user(), a_record()
    storage.create_user(user, record, NOW)
    order, order_record = an_order(user), a_record()
    storage.create_order(order, order_record, NOW)
    storage.change_order(user.user_id, order.order_id, step("cancelled", "pending"))
    storage.delete_user(user.user_id, None, NOW)
    late = a_user(email=user.email)
    for attempt in (record, a_record(key=record.key)):
        assert storage.create_user(late, attempt, record.expires_at - 1) == record.undone()
        assert storage.create_order(an_order(user), attempt, NOW) == record.undone()
    assert storage.get_user(late.user_id) is None
    assert storage.create_order(an_order(user), order_record, NOW) == order_record
    new = a_record(key=record.key, expires_at=record.expires_at + 1)
    assert storage.create_user(late, new, record.expires_at) is None
    assert storage.create_user(a_user(), record, record.expires_at) == new


def test_deletion_spares_a_record_of_another_creation(storage: Storage) -> None:
    """A key that expired and was used again belongs to the later user alone."""
    first, second = a_user(), a_user()
    old = a_record(expires_at=NOW)
    new = a_record(key=old.key)
    storage.create_user(first, old, NOW - 1)
    storage.create_user(second, new, NOW)
    storage.delete_user(first.user_id, None, NOW)
    assert storage.get_user(first.user_id) is None
    assert storage.create_user(a_user(), new, NOW) == new


def test_a_user_is_deleted_although_its_record_is_gone(storage: Storage) -> None:
    """A record that expired, and perhaps was removed, does not hold up the deletion."""
    user = a_user()
    storage.create_user(user, a_record(expires_at=NOW), NOW - 1)
    storage.create_user(a_user(), a_record(), NOW + 10)
    storage.delete_user(user.user_id, None, NOW)
    assert storage.get_user(user.user_id) is None
