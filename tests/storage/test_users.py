"""Users: operations of storage on one user, and the precedence of their errors."""

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import TooManyPairs, VersionMismatch
from chalicelib.domain.orders import ORDERS, UserHasOpenOrders
from chalicelib.domain.storage import Query, Storage
from chalicelib.domain.users import USERS, EmailTaken, User, UserNotFound
from tests.support.factories import (
    LATER,
    NOW,
    a_record,
    a_user,
    an_order,
    patch,
    step,
    user_change,
    user_id,
    whole,
)

WRONG = frozenset({7, 8})


def new_user(storage: Storage, **members: object) -> User:
    """Create a user and return it."""
    user = a_user(**members)
    assert storage.create(USERS, user, None, NOW) is None
    return user


def full(count: int = 50) -> dict[str, str]:
    """Return metadata with `count` pairs."""
    return {f"k{place}": str(place) for place in range(count)}


def test_a_user_may_have_any_characters(storage: Storage) -> None:
    """Names and metadata keep letters of all scripts, dots, quotes, spaces and symbols."""
    pairs = {
        "Straße": "größer 🦄",
        "a.b[0]": 'quoted "text"',
        "#name": ":value",
        " ": "white space \u2003",
        "version": "7",
        "日本": "語",
        "{}": "\\u0000 in words",
    }
    user = new_user(storage, name="Łucja Ünal-O'Brien 李", metadata=pairs)
    assert storage.get(USERS, (user.user_id,)) == user
    changed = storage.change(
        USERS, (user.user_id,), user_change(metadata=patch(**pairs, more="🙂"))
    )
    assert changed.metadata == pairs | {"more": "🙂"}
    emptied = dict.fromkeys(pairs)
    changed = storage.change(USERS, (user.user_id,), user_change(metadata=patch(**emptied)))
    assert changed.metadata == {"more": "🙂"}


def test_a_value_of_metadata_may_be_empty(storage: Storage) -> None:
    """An empty value is a value, in a new user and in a patch."""
    user = new_user(storage, metadata={"a": ""})
    changed = storage.change(USERS, (user.user_id,), user_change(metadata=patch(b="")))
    assert changed.metadata == {"a": "", "b": ""}
    assert storage.get(USERS, (user.user_id,)) == changed


def test_a_user_may_have_the_most_metadata(storage: Storage) -> None:
    """Fifty pairs of the longest keys and values, four bytes a letter, are stored and replaced."""
    pairs = {f"{place:02}" + "🙂" * 38: "🦄" * 500 for place in range(50)}
    user = new_user(storage, metadata=pairs)
    assert storage.get(USERS, (user.user_id,)) == user
    other = dict.fromkeys(pairs, "🦊" * 500)
    changed = storage.change(USERS, (user.user_id,), user_change(metadata=whole(**other)))
    assert changed.metadata == other


def test_a_change_sets_named_fields(storage: Storage) -> None:
    """Named fields change, others stay; the version grows and the time of change is stored."""
    user = new_user(storage)
    changed = storage.change(USERS, (user.user_id,), user_change(name="Bea"))
    assert changed == replace(user, name="Bea", version=2, updated_at=LATER)
    changed = storage.change(USERS, (user.user_id,), user_change(status="suspended"))
    assert changed == replace(user, name="Bea", status="suspended", version=3, updated_at=LATER)
    assert storage.get(USERS, (user.user_id,)) == changed


def test_an_empty_change_is_a_change(storage: Storage) -> None:
    """An empty change still makes a new version."""
    user = new_user(storage)
    changed = storage.change(USERS, (user.user_id,), user_change(metadata=patch()))
    assert changed == replace(user, version=2, updated_at=LATER)


def test_a_change_can_set_all_fields(storage: Storage) -> None:
    """Name, e-mail, status and metadata change in one operation."""
    user = new_user(storage)
    change = user_change(
        name="Bea", email="bea@example.com", status="suspended", metadata=whole(x="y")
    )
    expected = replace(
        user,
        name="Bea",
        email="bea@example.com",
        status="suspended",
        metadata={"x": "y"},
        version=2,
        updated_at=LATER,
    )
    assert storage.change(USERS, (user.user_id,), change) == expected
    assert storage.get(USERS, (user.user_id,)) == expected


def test_a_patch_sets_and_removes_single_pairs(storage: Storage) -> None:
    """A merge patch sets strings, removes nulls, and keeps the rest (RFC 7396)."""
    user = new_user(storage, metadata={"a": "1", "b": "2", "c": "3"})
    change = user_change(metadata=patch(a="9", b=None, d="4", never=None))
    assert storage.change(USERS, (user.user_id,), change).metadata == {"a": "9", "c": "3", "d": "4"}


def test_a_patch_may_fill_metadata_to_the_limit(storage: Storage) -> None:
    """Fifty pairs are allowed, even if a patch names existing pairs."""
    user = new_user(storage, metadata=full(49))
    changed = storage.change(
        USERS, (user.user_id,), user_change(metadata=patch(k0="new", more="1"))
    )
    assert len(changed.metadata) == 50
    changed = storage.change(
        USERS, (user.user_id,), user_change(metadata=patch(**full(49), more=None, k49="x"))
    )
    assert changed.metadata == full() | {"k49": "x"}


def test_a_patch_over_the_limit_changes_nothing(storage: Storage) -> None:
    """The fifty-first pair is refused, and so is the rest of the change."""
    user = new_user(storage, metadata=full())
    with pytest.raises(TooManyPairs):
        storage.change(USERS, (user.user_id,), user_change(name="Bea", metadata=patch(more="1")))
    assert storage.get(USERS, (user.user_id,)) == user


def test_a_patch_may_exchange_pairs_at_the_limit(storage: Storage) -> None:
    """A patch that removes as many pairs as it adds is allowed on full metadata."""
    user = new_user(storage, metadata=full())
    changed = storage.change(USERS, (user.user_id,), user_change(metadata=patch(k0=None, more="1")))
    assert len(changed.metadata) == 50
    assert changed.metadata["more"] == "1"


def test_a_patch_may_name_very_many_pairs(storage: Storage) -> None:
    """A patch is limited by its result, not by its size."""
    user = new_user(storage, metadata=full())
    many: dict[str, str | None] = {f"n{place}": None for place in range(3000)}
    changed = storage.change(USERS, (user.user_id,), user_change(metadata=patch(**many, k0=None)))
    assert len(changed.metadata) == 49
    with pytest.raises(TooManyPairs):
        storage.change(
            USERS,
            (user.user_id,),
            user_change(metadata=patch(**{f"n{place}": "" for place in range(3000)})),
        )


def test_changing_a_missing_user_is_not_found(storage: Storage) -> None:
    """A missing user is not found, whatever else is wrong with the change."""
    new_user(storage, email="ann@example.com")
    change = user_change(
        email="ann@example.com",
        versions=WRONG,
        metadata=whole(**full(51)),
    )
    for unknown in (user_change(name="Bea"), user_change(email="new@example.com"), change):
        with pytest.raises(UserNotFound):
            storage.change(USERS, (user_id(),), unknown)


def test_the_errors_of_a_change_have_a_precedence(storage: Storage) -> None:
    """The version comes before too many pairs, and these before a taken e-mail."""
    new_user(storage, email="ann@example.com")
    user = new_user(storage)
    wrong = user_change(email="ANN@example.com", versions=WRONG, metadata=patch(**full(51)))
    with pytest.raises(VersionMismatch):
        storage.change(USERS, (user.user_id,), wrong)
    with pytest.raises(TooManyPairs):
        storage.change(USERS, (user.user_id,), replace(wrong, versions=None))
    with pytest.raises(EmailTaken):
        storage.change(
            USERS, (user.user_id,), user_change(email="ANN@example.com", metadata=patch(a="1"))
        )
    assert storage.get(USERS, (user.user_id,)) == user


def test_a_changed_email_frees_the_old_one(storage: Storage) -> None:
    """The old address is free at once; the new one is taken."""
    user = new_user(storage, email="old@example.com")
    changed = storage.change(USERS, (user.user_id,), user_change(email="new@example.com"))
    assert changed == replace(user, email="new@example.com", version=2, updated_at=LATER)
    new_user(storage, email="old@example.com")
    with pytest.raises(EmailTaken):
        storage.create(USERS, a_user(email="NEW@example.com"), None, NOW)


def test_an_email_changed_in_case_keeps_its_claim(storage: Storage) -> None:
    """The user's own address in another case is stored as given, and stays taken."""
    user = new_user(storage, email="ann@example.com")
    changed = storage.change(USERS, (user.user_id,), user_change(email="ANN@Example.com"))
    assert changed.email == "ANN@Example.com"
    with pytest.raises(EmailTaken):
        storage.create(USERS, a_user(email="ann@example.com"), None, NOW)
    found = storage.list(USERS, (), Query(limit=5, filters={"email": "aNN@example.com"}))
    assert found.items == [changed]


def test_a_user_may_keep_its_email(storage: Storage) -> None:
    """Setting the user's own address again is no conflict."""
    user = new_user(storage)
    assert storage.change(USERS, (user.user_id,), user_change(email=user.email)).version == 2


def test_a_refused_email_changes_nothing(storage: Storage) -> None:
    """A user whose new address is taken stays unchanged, and keeps its old address."""
    new_user(storage, email="ann@example.com")
    user = new_user(storage, email="bea@example.com")
    with pytest.raises(EmailTaken):
        storage.change(USERS, (user.user_id,), user_change(name="X", email="ANN@example.com"))
    assert storage.get(USERS, (user.user_id,)) == user
    with pytest.raises(EmailTaken):
        storage.create(USERS, a_user(email="bea@example.com"), None, NOW)


def test_a_changed_email_combines_with_other_changes(storage: Storage) -> None:
    """A new address, a patch and a status are one operation, at the expected version."""
    user = new_user(storage, metadata={"a": "1", "b": "2"})
    change = user_change(
        email="new@example.com",
        status="suspended",
        metadata=patch(b=None, c="3"),
        versions=frozenset({1}),
    )
    changed = storage.change(USERS, (user.user_id,), change)
    assert changed.metadata == {"a": "1", "c": "3"}
    assert (changed.email, changed.status, changed.version) == ("new@example.com", "suspended", 2)
    assert storage.get(USERS, (user.user_id,)) == changed


def test_the_errors_of_a_deletion_have_a_precedence(storage: Storage) -> None:
    """Not found comes before a wrong version, and that before open orders."""
    with pytest.raises(UserNotFound):
        storage.delete(USERS, (user_id(),), WRONG, NOW)
    user = new_user(storage)
    storage.create(ORDERS, an_order(user), None, NOW)
    with pytest.raises(VersionMismatch):
        storage.delete(USERS, (user.user_id,), WRONG, NOW)
    with pytest.raises(UserHasOpenOrders):
        storage.delete(USERS, (user.user_id,), None, NOW)


def test_open_orders_prevent_deletion(storage: Storage) -> None:
    """A user can be deleted only when each order is delivered or cancelled."""
    user = new_user(storage)
    first, second = an_order(user), an_order(user)
    storage.create(ORDERS, first, None, NOW)
    storage.create(ORDERS, second, None, NOW)
    storage.change(ORDERS, (user.user_id, first.order_id), step("cancelled", "pending"))
    for status, left in (("paid", "pending"), ("shipped", "paid"), ("delivered", "shipped")):
        with pytest.raises(UserHasOpenOrders):
            storage.delete(USERS, (user.user_id,), None, NOW)
        storage.change(ORDERS, (user.user_id, second.order_id), step(status, left))
    storage.delete(USERS, (user.user_id,), None, NOW)


def test_deletion_keeps_orders_and_erases_the_rest(storage: Storage) -> None:
    """Closed orders stay readable; the user, its e-mail claim and its record are erased."""
    user, record = a_user(), a_record()
    storage.create(USERS, user, record, NOW)
    order = an_order(user)
    storage.create(ORDERS, order, None, NOW)
    closed = storage.change(ORDERS, (user.user_id, order.order_id), step("cancelled", "pending"))
    storage.delete(USERS, (user.user_id,), None, NOW)
    assert storage.get(ORDERS, (user.user_id, order.order_id)) == closed
    assert storage.list(USERS, (), Query(limit=10)).items == []
    assert storage.list(USERS, (), Query(limit=10, filters={"email": user.email})).items == []
    again = a_user(email=user.email)
    assert storage.create(USERS, again, record, NOW) == record.tombstone()
    assert storage.create(USERS, again, None, NOW) is None


def test_an_order_does_not_change_its_user(storage: Storage) -> None:
    """Creating and closing orders keeps the user's version, and so its ETag."""
    user = new_user(storage)
    order = an_order(user)
    storage.create(ORDERS, order, None, NOW)
    storage.change(ORDERS, (user.user_id, order.order_id), step("cancelled", "pending"))
    assert storage.get(USERS, (user.user_id,)) == user


def test_storage_can_be_checked(storage: Storage) -> None:
    """The check passes, before and after connections were closed."""
    storage.check()
    storage.close()
    storage.check()
