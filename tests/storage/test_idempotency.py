"""Idempotency records: stored with the resource, replayed until they expire."""

import pytest
from msgspec.structs import replace

from chalicelib.domain.orders import ORDERS, UserSuspended
from chalicelib.domain.storage import Storage
from chalicelib.domain.users import USERS, EmailTaken, UserNotFound
from tests.support.factories import NOW, a_record, a_user, an_order, step, user_change


def test_a_live_record_is_returned_and_nothing_written(storage: Storage) -> None:
    """A second creation with a key returns the first record, whatever it contains."""
    record = a_record()
    first, second = a_user(), a_user()
    assert storage.create(USERS, first, record, NOW) is None
    other = a_record(key=record.key)
    assert storage.create(USERS, second, other, NOW) == record
    assert storage.get(USERS, (second.user_id,)) is None
    assert storage.create(ORDERS, an_order(first), other, NOW) == record


def test_a_record_comes_before_every_other_error(storage: Storage) -> None:
    """A replay succeeds although the e-mail is taken by now, or the user gone."""
    user, order, record = a_user(), a_record(), a_record()
    storage.create(USERS, user, record, NOW)
    assert storage.create(USERS, replace(a_user(), email=user.email), record, NOW) == record
    storage.create(ORDERS, an_order(user), order, NOW)
    storage.change(USERS, (user.user_id,), user_change(status="suspended"))
    assert storage.create(ORDERS, an_order(user), order, NOW) == order
    assert storage.create(ORDERS, an_order(a_user()), order, NOW) == order


def test_a_record_lives_until_it_expires(storage: Storage) -> None:
    """Until its last second it is replayed; when it expires, it is replaced."""
    old = a_record(expires_at=NOW + 100)
    storage.create(USERS, a_user(), old, NOW)
    assert storage.create(USERS, a_user(), old, NOW + 99) == old
    new = a_record(key=old.key, expires_at=NOW + 200)
    user = a_user()
    assert storage.create(USERS, user, new, NOW + 100) is None
    assert storage.get(USERS, (user.user_id,)) == user
    assert storage.create(USERS, a_user(), old, NOW + 199) == new


def test_a_failed_creation_stores_no_record(storage: Storage) -> None:
    """After a failed creation the same key can be used again."""
    taken, user = a_user(), a_user()
    storage.create(USERS, taken, None, NOW)
    record = a_record()
    with pytest.raises(EmailTaken):
        storage.create(USERS, replace(user, email=taken.email), record, NOW)
    with pytest.raises(UserNotFound):
        storage.create(ORDERS, an_order(user), record, NOW)
    assert storage.create(USERS, user, record, NOW) is None
    storage.change(USERS, (user.user_id,), user_change(status="suspended"))
    other = a_record()
    with pytest.raises(UserSuspended):
        storage.create(ORDERS, an_order(user), other, NOW)
    storage.change(USERS, (user.user_id,), user_change(status="active"))
    assert storage.create(ORDERS, an_order(user), other, NOW) is None


def test_an_expired_record_does_not_hide_errors(storage: Storage) -> None:
    """A creation over an expired record fails for its own reasons, and can be corrected."""
    user = a_user()
    record = a_record(expires_at=NOW)
    storage.create(USERS, user, record, NOW - 1)
    with pytest.raises(EmailTaken):
        storage.create(USERS, a_user(email=user.email), a_record(key=record.key), NOW)
    assert storage.create(USERS, a_user(), a_record(key=record.key), NOW) is None


def test_a_record_keeps_the_whole_response(storage: Storage) -> None:
    """The stored body is returned byte for byte, even a large one."""
    record = a_record(body='{"name":"Łucja 🦄"}' + "x" * 60_000)
    storage.create(USERS, a_user(), record, NOW)
    assert storage.create(USERS, a_user(), record, NOW) == record


def test_deletion_leaves_a_tombstone_of_the_creation(storage: Storage) -> None:
    """After deletion the key stays used until it expires; the rest of the record is erased."""
    user, record = a_user(), a_record()
    storage.create(USERS, user, record, NOW)
    order, order_record = an_order(user), a_record()
    storage.create(ORDERS, order, order_record, NOW)
    storage.change(ORDERS, (user.user_id, order.order_id), step("cancelled", "pending"))
    storage.delete(USERS, (user.user_id,), None, NOW)
    late = a_user(email=user.email)
    for attempt in (record, a_record(key=record.key)):
        assert storage.create(USERS, late, attempt, record.expires_at - 1) == record.tombstone()
        assert storage.create(ORDERS, an_order(user), attempt, NOW) == record.tombstone()
    assert storage.get(USERS, (late.user_id,)) is None
    assert storage.create(ORDERS, an_order(user), order_record, NOW) == order_record
    new = a_record(key=record.key, expires_at=record.expires_at + 1)
    assert storage.create(USERS, late, new, record.expires_at) is None
    assert storage.create(USERS, a_user(), record, record.expires_at) == new


def test_deletion_keeps_a_record_of_another_creation(storage: Storage) -> None:
    """A key that expired and was reused belongs to the later user only."""
    first, second = a_user(), a_user()
    old = a_record(expires_at=NOW)
    new = a_record(key=old.key)
    storage.create(USERS, first, old, NOW - 1)
    storage.create(USERS, second, new, NOW)
    storage.delete(USERS, (first.user_id,), None, NOW)
    assert storage.get(USERS, (first.user_id,)) is None
    assert storage.create(USERS, a_user(), new, NOW) == new


def test_a_user_can_be_deleted_without_its_record(storage: Storage) -> None:
    """An expired record, removed or not, does not prevent the deletion."""
    user = a_user()
    storage.create(USERS, user, a_record(expires_at=NOW), NOW - 1)
    storage.create(USERS, a_user(), a_record(), NOW + 10)
    storage.delete(USERS, (user.user_id,), None, NOW)
    assert storage.get(USERS, (user.user_id,)) is None
