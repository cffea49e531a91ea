"""Users: the acts of storage on one user, and the order of their errors."""

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import (
    EmailTaken,
    TooManyPairs,
    UserHasOpenOrders,
    UserNotFound,
    VersionMismatch,
)
from chalicelib.domain.model import User
from chalicelib.domain.storage import Storage, UserQuery
from tests.storage.things import (
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


def kept(storage: Storage, **members: object) -> User:
    """Create a user and return it."""
    user = a_user(**members)
    assert storage.create_user(user, None, NOW) is None
    return user


def full(count: int = 50) -> dict[str, str]:
    """Return metadata of `count` pairs."""
    return {f"k{place}": str(place) for place in range(count)}


def test_a_new_user_is_read_as_it_was_given(storage: Storage) -> None:
    """What was created is what is read, member for member."""
    user = kept(storage, status="suspended", metadata={"a": "1", "b": "2"})
    assert storage.get_user(user.user_id) == user


def test_an_unknown_user_is_none(storage: Storage) -> None:
    """Reading a user that was never created gives None."""
    assert storage.get_user(user_id()) is None


def test_a_user_of_any_letters_is_kept(storage: Storage) -> None:
    """Names and metadata keep letters of all scripts, dots, quotes, spaces and signs."""
    pairs = {
        "Straße": "größer 🦄",
        "a.b[0]": 'quoted "text"',
        "#name": ":value",
        " ": "white space \u2003",
        "version": "7",
        "日本": "語",
        "{}": "\\u0000 in words",
    }
    user = kept(storage, name="Łucja Ünal-O'Brien 李", metadata=pairs)
    assert storage.get_user(user.user_id) == user
    changed = storage.change_user(user.user_id, user_change(metadata=patch(**pairs, more="🙂")))
    assert changed.metadata == pairs | {"more": "🙂"}
    emptied = dict.fromkeys(pairs)
    changed = storage.change_user(user.user_id, user_change(metadata=patch(**emptied)))
    assert changed.metadata == {"more": "🙂"}


def test_a_value_of_metadata_may_be_empty(storage: Storage) -> None:
    """An empty value is a value, in a new user and in a patch."""
    user = kept(storage, metadata={"a": ""})
    changed = storage.change_user(user.user_id, user_change(metadata=patch(b="")))
    assert changed.metadata == {"a": "", "b": ""}
    assert storage.get_user(user.user_id) == changed


def test_a_user_may_have_the_most_metadata(storage: Storage) -> None:
    """Fifty pairs of the longest keys and values, four octets a letter, are kept and replaced."""
    pairs = {f"{place:02}" + "🙂" * 38: "🦄" * 500 for place in range(50)}
    user = kept(storage, metadata=pairs)
    assert storage.get_user(user.user_id) == user
    other = dict.fromkeys(pairs, "🦊" * 500)
    changed = storage.change_user(user.user_id, user_change(metadata=whole(**other)))
    assert changed.metadata == other


def test_an_email_is_taken_whatever_its_case(storage: Storage) -> None:
    """A second user with the address in another case is refused and not kept."""
    kept(storage, email="Ann@Example.com")
    second = a_user(email="aNN@example.COM")
    with pytest.raises(EmailTaken):
        storage.create_user(second, None, NOW)
    assert storage.get_user(second.user_id) is None


def test_a_change_sets_what_it_names(storage: Storage) -> None:
    """Named members change, others stay; the version grows and the time of change is kept."""
    user = kept(storage)
    changed = storage.change_user(user.user_id, user_change(name="Bea"))
    assert changed == replace(user, name="Bea", version=2, updated_at=LATER)
    changed = storage.change_user(user.user_id, user_change(status="suspended"))
    assert changed == replace(user, name="Bea", status="suspended", version=3, updated_at=LATER)
    assert storage.get_user(user.user_id) == changed


def test_a_change_of_nothing_is_a_change(storage: Storage) -> None:
    """An empty change still counts as a version."""
    user = kept(storage)
    changed = storage.change_user(user.user_id, user_change(metadata=patch()))
    assert changed == replace(user, version=2, updated_at=LATER)


def test_a_change_of_all_sets_all(storage: Storage) -> None:
    """Name, e-mail, status and metadata change in one act."""
    user = kept(storage)
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
    assert storage.change_user(user.user_id, change) == expected
    assert storage.get_user(user.user_id) == expected


def test_a_patch_sets_and_removes_single_pairs(storage: Storage) -> None:
    """A merge patch sets its texts, removes its nulls, and leaves the rest (RFC 7396)."""
    user = kept(storage, metadata={"a": "1", "b": "2", "c": "3"})
    change = user_change(metadata=patch(a="9", b=None, d="4", never=None))
    assert storage.change_user(user.user_id, change).metadata == {"a": "9", "c": "3", "d": "4"}


def test_a_patch_may_fill_metadata_to_the_limit(storage: Storage) -> None:
    """Fifty pairs are allowed, also where a patch names pairs that are there already."""
    user = kept(storage, metadata=full(49))
    changed = storage.change_user(user.user_id, user_change(metadata=patch(k0="new", more="1")))
    assert len(changed.metadata) == 50
    changed = storage.change_user(
        user.user_id, user_change(metadata=patch(**full(49), more=None, k49="x"))
    )
    assert changed.metadata == full() | {"k49": "x"}


def test_a_patch_over_the_limit_changes_nothing(storage: Storage) -> None:
    """The fifty-first pair is refused, and no other part of the change is made."""
    user = kept(storage, metadata=full())
    with pytest.raises(TooManyPairs):
        storage.change_user(user.user_id, user_change(name="Bea", metadata=patch(more="1")))
    assert storage.get_user(user.user_id) == user


def test_a_patch_may_exchange_pairs_at_the_limit(storage: Storage) -> None:
    """A patch that removes as many pairs as it adds is allowed on full metadata."""
    user = kept(storage, metadata=full())
    changed = storage.change_user(user.user_id, user_change(metadata=patch(k0=None, more="1")))
    assert len(changed.metadata) == 50
    assert changed.metadata["more"] == "1"


def test_a_patch_may_name_very_many_pairs(storage: Storage) -> None:
    """A patch is judged by what it leaves, not by how much it names."""
    user = kept(storage, metadata=full())
    many: dict[str, str | None] = {f"n{place}": None for place in range(3000)}
    changed = storage.change_user(user.user_id, user_change(metadata=patch(**many, k0=None)))
    assert len(changed.metadata) == 49
    with pytest.raises(TooManyPairs):
        storage.change_user(
            user.user_id, user_change(metadata=patch(**{f"n{place}": "" for place in range(3000)}))
        )


def test_a_change_at_an_expected_version_is_made(storage: Storage) -> None:
    """One of the expected versions is enough."""
    user = kept(storage)
    change = user_change(name="Bea", versions=frozenset({1, 5}))
    assert storage.change_user(user.user_id, change).version == 2


@pytest.mark.parametrize(
    "versions", [WRONG, frozenset(), frozenset({10**40}), frozenset(range(2, 300))]
)
def test_a_change_at_another_version_is_refused(storage: Storage, versions: frozenset[int]) -> None:
    """A version that is not among the expected ones refuses the change, however these look."""
    user = kept(storage)
    with pytest.raises(VersionMismatch):
        storage.change_user(user.user_id, user_change(name="Bea", versions=versions))
    assert storage.get_user(user.user_id) == user


def test_changing_no_user_is_not_found(storage: Storage) -> None:
    """A user that does not exist is not found, whatever else is wrong with the change."""
    kept(storage, email="ann@example.com")
    change = user_change(
        email="ann@example.com",
        versions=WRONG,
        metadata=whole(**full(51)),
    )
    for unknown in (user_change(name="Bea"), user_change(email="new@example.com"), change):
        with pytest.raises(UserNotFound):
            storage.change_user(user_id(), unknown)


def test_the_errors_of_a_change_have_an_order(storage: Storage) -> None:
    """A version comes before too many pairs, and these before a taken e-mail."""
    kept(storage, email="ann@example.com")
    user = kept(storage)
    wrong = user_change(email="ANN@example.com", versions=WRONG, metadata=patch(**full(51)))
    with pytest.raises(VersionMismatch):
        storage.change_user(user.user_id, wrong)
    with pytest.raises(TooManyPairs):
        storage.change_user(user.user_id, replace(wrong, versions=None))
    with pytest.raises(EmailTaken):
        storage.change_user(user.user_id, replace(wrong, versions=None, metadata=patch(a="1")))
    assert storage.get_user(user.user_id) == user


def test_a_changed_email_frees_the_old_one(storage: Storage) -> None:
    """The old address can be taken at once, the new one cannot."""
    user = kept(storage, email="old@example.com")
    changed = storage.change_user(user.user_id, user_change(email="new@example.com"))
    assert changed == replace(user, email="new@example.com", version=2, updated_at=LATER)
    kept(storage, email="old@example.com")
    with pytest.raises(EmailTaken):
        storage.create_user(a_user(email="NEW@example.com"), None, NOW)


def test_an_email_changed_in_case_keeps_its_claim(storage: Storage) -> None:
    """Another case of the own address is kept as given, and stays taken."""
    user = kept(storage, email="ann@example.com")
    changed = storage.change_user(user.user_id, user_change(email="ANN@Example.com"))
    assert changed.email == "ANN@Example.com"
    with pytest.raises(EmailTaken):
        storage.create_user(a_user(email="ann@example.com"), None, NOW)
    found = storage.list_users(UserQuery(limit=5, email="aNN@example.com"))
    assert found.things == [changed]


def test_an_email_may_be_set_to_itself(storage: Storage) -> None:
    """Sending the own address again is no conflict."""
    user = kept(storage)
    assert storage.change_user(user.user_id, user_change(email=user.email)).version == 2


def test_a_refused_email_changes_nothing(storage: Storage) -> None:
    """A user whose new address is taken stays as it was, and keeps its old address."""
    kept(storage, email="ann@example.com")
    user = kept(storage, email="bea@example.com")
    with pytest.raises(EmailTaken):
        storage.change_user(user.user_id, user_change(name="X", email="ANN@example.com"))
    assert storage.get_user(user.user_id) == user
    with pytest.raises(EmailTaken):
        storage.create_user(a_user(email="bea@example.com"), None, NOW)


def test_a_changed_email_goes_with_other_changes(storage: Storage) -> None:
    """A new address, a patch and a status are one act, at the expected version."""
    user = kept(storage, metadata={"a": "1", "b": "2"})
    change = user_change(
        email="new@example.com",
        status="suspended",
        metadata=patch(b=None, c="3"),
        versions=frozenset({1}),
    )
    changed = storage.change_user(user.user_id, change)
    assert changed.metadata == {"a": "1", "c": "3"}
    assert (changed.email, changed.status, changed.version) == ("new@example.com", "suspended", 2)
    assert storage.get_user(user.user_id) == changed


def test_a_deleted_user_is_gone_and_frees_its_email(storage: Storage) -> None:
    """After deletion the user is not found, cannot be deleted again, and its address is free."""
    user = kept(storage, email="ann@example.com")
    storage.delete_user(user.user_id, None, NOW)
    assert storage.get_user(user.user_id) is None
    with pytest.raises(UserNotFound):
        storage.delete_user(user.user_id, None, NOW)
    with pytest.raises(UserNotFound):
        storage.change_user(user.user_id, user_change(name="Bea"))
    kept(storage, email="ANN@example.com")


def test_a_user_is_deleted_at_an_expected_version(storage: Storage) -> None:
    """Another version refuses the deletion, an expected one lets it happen."""
    user = kept(storage)
    with pytest.raises(VersionMismatch):
        storage.delete_user(user.user_id, WRONG, NOW)
    assert storage.get_user(user.user_id) == user
    storage.delete_user(user.user_id, frozenset({1, 2}), NOW)
    assert storage.get_user(user.user_id) is None


def test_the_errors_of_a_deletion_have_an_order(storage: Storage) -> None:
    """Not found comes before a wrong version, and this before open orders."""
    with pytest.raises(UserNotFound):
        storage.delete_user(user_id(), WRONG, NOW)
    user = kept(storage)
    storage.create_order(an_order(user), None, NOW)
    with pytest.raises(VersionMismatch):
        storage.delete_user(user.user_id, WRONG, NOW)
    with pytest.raises(UserHasOpenOrders):
        storage.delete_user(user.user_id, None, NOW)


def test_open_orders_keep_a_user(storage: Storage) -> None:
    """A user can be deleted only when each order is delivered or cancelled."""
    user = kept(storage)
    first, second = an_order(user), an_order(user)
    storage.create_order(first, None, NOW)
    storage.create_order(second, None, NOW)
    storage.change_order(user.user_id, first.order_id, step("cancelled", "pending"))
    for status, left in (("paid", "pending"), ("shipped", "paid"), ("delivered", "shipped")):
        with pytest.raises(UserHasOpenOrders):
            storage.delete_user(user.user_id, None, NOW)
        storage.change_order(user.user_id, second.order_id, step(status, left))
    storage.delete_user(user.user_id, None, NOW)


def test_deletion_leaves_orders_and_erases_the_rest(storage: Storage) -> None:
    """Closed orders stay readable; the user, its claim and its creation's answer are erased."""
    user, record = a_user(), a_record()
    storage.create_user(user, record, NOW)
    order = an_order(user)
    storage.create_order(order, None, NOW)
    closed = storage.change_order(user.user_id, order.order_id, step("cancelled", "pending"))
    storage.delete_user(user.user_id, None, NOW)
    assert storage.get_order(user.user_id, order.order_id) == closed
    assert storage.list_users(UserQuery(limit=10)).things == []
    assert storage.list_users(UserQuery(limit=10, email=user.email)).things == []
    again = a_user(email=user.email)
    assert storage.create_user(again, record, NOW) == record.undone()
    assert storage.create_user(again, None, NOW) is None


def test_an_order_does_not_change_its_user(storage: Storage) -> None:
    """Creating and closing orders leaves the user's version alone, so that its ETag holds."""
    user = kept(storage)
    order = an_order(user)
    storage.create_order(order, None, NOW)
    storage.change_order(user.user_id, order.order_id, step("cancelled", "pending"))
    assert storage.get_user(user.user_id) == user


def test_storage_says_that_it_is_there(storage: Storage) -> None:
    """The check passes, before and after connections were let go."""
    storage.check()
    storage.close()
    storage.check()
