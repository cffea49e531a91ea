"""What every engine does for every resource, from the resources' descriptions alone.

The synthetic resources have what those of the API do not use; see `tests.support.synthetic`.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, get_args, get_origin

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from chalicelib.domain.annotations import bare_type
from chalicelib.domain.errors import Problem, VersionMismatch
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import Change, Counter, Entity, Ids, Resource, Unique, children
from chalicelib.domain.storage import Query, Storage
from tests.resources.groups import STORAGE_CASE as GROUP_CASE
from tests.storage.conftest import MakeStorage
from tests.storage.test_concurrency import concurrently
from tests.support.factories import LATER, NOW, a_record
from tests.support.resource_case import StorageCase, resource_cases
from tests.support.synthetic import REMINDERS, SYNTHETIC, TEAMS


def counter_of(case: StorageCase) -> Counter:
    """Return the counter of a child."""
    counter = case.resource.counter
    assert counter is not None
    return counter


KEPT = (*RESOURCES, TEAMS, REMINDERS)
CASES: tuple[StorageCase, ...] = (*resource_cases(), GROUP_CASE, *SYNTHETIC)
CHILDREN = [case for case in CASES if case.resource.parent]
UNIQUE = [(case, unique) for case in CASES for unique in case.resource.unique]
SEVERAL_UNIQUE = [case for case in CASES if len(case.resource.unique) > 1]
LIMITED = [case for case in CHILDREN if counter_of(case).maximum]
BLOCKING = [case for case in CHILDREN if counter_of(case).blocks_deletion]


def each(cases: list[StorageCase] | tuple[StorageCase, ...]) -> pytest.MarkDecorator:
    """Return the mark that runs a test for each of the cases."""
    return pytest.mark.parametrize("case", cases, ids=str)


each_unique = pytest.mark.parametrize(
    ("case", "unique"), UNIQUE, ids=lambda value: getattr(value, "field", str(value))
)
each_optional_unique = pytest.mark.parametrize(
    ("case", "unique"),
    [(case, unique) for case, unique in UNIQUE if unique.field in case.resource.optional],
    ids=lambda value: getattr(value, "field", str(value)),
)


@pytest.fixture
def storage(new_storage: MakeStorage) -> Storage:
    """Return an empty storage of all resources, the synthetic ones included."""
    made: Storage = new_storage(KEPT)
    return made


def created(storage: Storage, case: StorageCase, *parents: str, **fields: Any) -> Entity:
    """Create an entity and return it."""
    entity = case.new(*parents, **fields)
    assert storage.create(case.resource, entity, None, NOW) is None
    return entity


def parents(storage: Storage, case: StorageCase, **fields: Any) -> Ids:
    """Create the parent that an entity of the case needs, if any, and return its ids."""
    parent = case.resource.parent
    if parent is None:
        return ()
    (parent_case,) = (one for one in CASES if one.resource is parent)
    return (created(storage, parent_case, **fields).id,)


def close(storage: Storage, case: StorageCase, ids: Ids) -> None:
    """Change the entity so that it no longer blocks the deletion of its parent."""
    if case.closing is not None:
        storage.change(case.resource, ids, Change(values=case.closing, updated_at=LATER))


def listed(storage: Storage, resource: Resource[Any], parent: Ids, query: Query) -> list[str]:
    """Return the ids of a list, page by page; without filters all pages but the last are full."""
    found: list[str] = []
    while True:
        page = storage.list(resource, parent, query)
        is_last = page.position is None
        assert len(page.items) <= query.limit
        assert query.filters or is_last or len(page.items) == query.limit
        # No page but the first is empty, unless a filter drops what it read.
        assert page.items or query.filters or query.after is None
        found += [entity.id for entity in page.items]
        if is_last:
            return found
        query = replace(query, after=page.position)


def refusal(operation: Callable[..., Any], *arguments: Any) -> type[Problem]:
    """Return the type of problem that the operation raises."""
    with pytest.raises(Problem) as raised:
        operation(*arguments)
    return raised.type


def two_values(resource: Resource[Any], field: str) -> tuple[str, str]:
    """Return two different values for a field."""
    bare = bare_type(resource.hints[field])
    return get_args(bare)[:2] if get_origin(bare) else ("AA", "BB")


def other_case(text: str) -> str:
    """Return the text with its case changed."""
    assert text.swapcase() != text
    return text.swapcase()


@each(CASES)
def test_an_entity_is_read_as_created(storage: Storage, case: StorageCase) -> None:
    """An entity is read under its own path, and under no other one."""
    ids, others = parents(storage, case), parents(storage, case)
    entity = created(storage, case, *ids)

    assert storage.get(case.resource, (*ids, entity.id)) == entity
    assert storage.get(case.resource, (*ids, case.new(*ids).id)) is None
    if others:
        assert storage.get(case.resource, (*others, entity.id)) is None


@each_unique
def test_a_unique_value_is_taken_once(storage: Storage, case: StorageCase, unique: Unique) -> None:
    """A unique value is refused, and free once its entity has another, has none, or is gone.

    It is refused in any case where the field ignores case, and only as it is where it does not.
    """
    resource, field = case.resource, unique.field
    ids = parents(storage, case)
    first, second = created(storage, case, *ids), created(storage, case, *ids)
    value = getattr(first, field)
    taken = {field: other_case(value) if unique.ignores_case else value}
    new, same = case.new(*ids), Change(values=taken, updated_at=LATER)

    assert refusal(storage.create, resource, replace(new, **taken), None, NOW) == unique.taken
    assert storage.get(resource, (*ids, new.id)) is None
    assert refusal(storage.change, resource, (*ids, second.id), same) == unique.taken
    assert storage.get(resource, (*ids, second.id)) == second
    assert getattr(storage.change(resource, (*ids, first.id), same), field) == taken[field]

    freed = Change(values={field: getattr(new, field)}, updated_at=LATER)
    storage.change(resource, (*ids, first.id), freed)
    assert getattr(storage.change(resource, (*ids, second.id), same), field) == taken[field]
    storage.delete(resource, (*ids, second.id), None, NOW)
    third = created(storage, case, *ids, **taken)
    if field in resource.optional:
        without = Change(values={field: UNSET}, updated_at=LATER)
        assert getattr(storage.change(resource, (*ids, third.id), without), field) is UNSET
        created(storage, case, *ids, **taken)


@each([case for case, unique in UNIQUE if not unique.ignores_case])
def test_case_may_tell_unique_values_apart(storage: Storage, case: StorageCase) -> None:
    """Values that differ in case are two, each taken and found by itself."""
    resource, ids = case.resource, parents(storage, case)
    for unique in resource.unique:
        if unique.ignores_case:
            continue
        value = getattr(case.new(*ids), unique.field)
        values = (value, other_case(value))
        made = [created(storage, case, *ids, **{unique.field: one}).id for one in values]
        for one, entity_id in zip(values, made, strict=True):
            query = Query(limit=9, filters={unique.field: one})
            assert listed(storage, resource, ids, query) == [entity_id]


@each_optional_unique
def test_many_entities_may_lack_a_unique_value(
    storage: Storage, case: StorageCase, unique: Unique
) -> None:
    """Entities without a value do not exclude each other, and are deleted like others."""
    resource, field, ids = case.resource, unique.field, parents(storage, case)
    made = [created(storage, case, *ids, **{field: UNSET}) for _ in range(3)]
    value = getattr(case.new(*ids), field)

    for versions in (None, frozenset({2})):
        change = Change(values={field: UNSET}, updated_at=LATER, versions=versions)
        assert getattr(storage.change(resource, (*ids, made[0].id), change), field) is UNSET
    change = Change(values={field: value}, updated_at=LATER)
    assert getattr(storage.change(resource, (*ids, made[0].id), change), field) == value
    assert refusal(storage.change, resource, (*ids, made[1].id), change) is unique.taken
    query = Query(limit=9, filters={field: value})
    assert listed(storage, resource, ids, query) == [made[0].id]
    for one in made:
        storage.delete(resource, (*ids, one.id), None, NOW)
    assert listed(storage, resource, ids, query) == []
    created(storage, case, *ids, **{field: value})


@each_unique
def test_a_value_that_many_claim_is_given_once(
    storage: Storage, case: StorageCase, unique: Unique
) -> None:
    """Of concurrent creations and changes to one value, exactly one succeeds."""
    resource, field, ids = case.resource, unique.field, parents(storage, case)
    value = {field: getattr(case.new(*ids), field)}
    others = [created(storage, case, *ids) for _ in range(3)]
    made = [case.new(*ids, **value) for _ in range(3)]
    change = Change(values=value, updated_at=LATER)

    outcomes = concurrently(
        [
            *(lambda one=one: storage.create(resource, one, None, NOW) for one in made),
            *(
                lambda one=one: storage.change(resource, (*ids, one.id), change) and None
                for one in others
            ),
        ]
    )

    assert [type(outcome) for outcome in outcomes].count(unique.taken) == 5
    assert outcomes.count(None) == 1
    assert len(listed(storage, resource, ids, Query(limit=9, filters=value))) == 1


@each(SEVERAL_UNIQUE)
def test_several_taken_values_are_one_problem(storage: Storage, case: StorageCase) -> None:
    """A creation with several taken values fails with the problem of one of them."""
    ids = parents(storage, case)
    first = created(storage, case, *ids)
    taken = {unique.field: getattr(first, unique.field) for unique in case.resource.unique}

    found = refusal(storage.create, case.resource, case.new(*ids, **taken), None, NOW)

    assert found in {unique.taken for unique in case.resource.unique}


@each(SEVERAL_UNIQUE)
def test_filters_by_several_unique_fields_must_all_match(
    storage: Storage, case: StorageCase
) -> None:
    """An entity is found by several unique fields only if it has all of the values."""
    ids = parents(storage, case)
    first, second = created(storage, case, *ids), created(storage, case, *ids)
    fields = [unique.field for unique in case.resource.unique]
    same = {field: getattr(first, field) for field in fields}

    assert listed(storage, case.resource, ids, Query(limit=9, filters=same)) == [first.id]
    for field in fields:
        mixed = {**same, field: getattr(second, field)}
        assert listed(storage, case.resource, ids, Query(limit=9, filters=mixed)) == []


@each(CASES)
def test_an_entity_is_changed(storage: Storage, case: StorageCase) -> None:
    """A change returns and keeps the new values, the next version and the time of the change."""
    ids = parents(storage, case)
    entity = created(storage, case, *ids)
    expected = case.change().apply_to(entity)

    changed = storage.change(case.resource, (*ids, entity.id), case.change())

    assert changed == expected != entity
    assert (changed.version, changed.updated_at) == (2, LATER)
    assert storage.get(case.resource, (*ids, entity.id)) == changed


@each(CASES)
def test_a_change_expects_versions(storage: Storage, case: StorageCase) -> None:
    """A change is made only if the version is among those expected."""
    ids = parents(storage, case)
    entity = created(storage, case, *ids)
    path = (*ids, entity.id)

    many = frozenset(range(2, 300))
    for versions in (frozenset({7, 8}), frozenset[int](), frozenset({10**40}), many):
        stale = case.change(versions=versions)
        assert refusal(storage.change, case.resource, path, stale) == VersionMismatch
    assert storage.get(case.resource, path) == entity
    change = case.change(versions=frozenset({7, 1}))
    assert storage.change(case.resource, path, change).version == 2
    assert refusal(storage.change, case.resource, path, change) == VersionMismatch


@each(CASES)
def test_one_of_many_changes_of_a_version_succeeds(storage: Storage, case: StorageCase) -> None:
    """Of concurrent changes that expect one version, exactly one is made."""
    ids = parents(storage, case)
    path = (*ids, created(storage, case, *ids).id)
    change = case.change(versions=frozenset({1}))

    outcomes = concurrently([lambda: storage.change(case.resource, path, change)] * 8)

    assert [type(outcome) for outcome in outcomes].count(VersionMismatch) == 7
    entity = storage.get(case.resource, path)
    assert entity is not None
    assert entity.version == 2


@each([case for case in CASES if case.refusing])
def test_a_guard_refuses_a_change(storage: Storage, case: StorageCase) -> None:
    """A change that its guard refuses raises the guard's problem, and writes nothing."""
    ids = parents(storage, case)
    entity = created(storage, case, *ids)
    assert case.refusing is not None
    expected = case.refusing.refusal(getattr(entity, case.refusing.field))
    guarded = case.change(guard=case.refusing)

    found = refusal(storage.change, case.resource, (*ids, entity.id), guarded)

    assert found is type(expected)
    assert storage.get(case.resource, (*ids, entity.id)) == entity


@each(CASES)
def test_what_does_not_exist_is_not_found(storage: Storage, case: StorageCase) -> None:
    """To change or delete an entity that does not exist, or by another path, is its not_found."""
    resource, ids, others = case.resource, parents(storage, case), parents(storage, case)
    entity = created(storage, case, *ids)

    for path in [(*ids, case.new(*ids).id), *([(*others, entity.id)] if others else [])]:
        found = refusal(storage.change, resource, path, case.change(versions=frozenset({1})))
        assert found is resource.not_found
        assert refusal(storage.delete, resource, path, frozenset({1}), NOW) is resource.not_found
    assert storage.get(resource, (*ids, entity.id)) == entity


@each(CASES)
def test_an_entity_is_deleted_once(storage: Storage, case: StorageCase) -> None:
    """A deletion needs the expected version; then the entity is gone, and its values are free."""
    resource, ids = case.resource, parents(storage, case)
    entity, other = created(storage, case, *ids), created(storage, case, *ids)
    path = (*ids, entity.id)

    stale = frozenset({7, 8})
    assert refusal(storage.delete, resource, path, stale, NOW) == VersionMismatch
    assert storage.get(resource, path) == entity
    storage.delete(resource, path, frozenset({1, 2}), NOW)
    assert storage.get(resource, path) is None
    assert refusal(storage.change, resource, path, case.change()) is resource.not_found
    assert listed(storage, resource, ids, Query(limit=9)) == [other.id]
    assert refusal(storage.delete, resource, path, None, NOW) is resource.not_found


@each(CASES)
def test_a_record_is_replayed(storage: Storage, case: StorageCase) -> None:
    """A creation with a used key returns the first record and writes nothing."""
    ids, record = parents(storage, case), a_record()
    entity, second = case.new(*ids), case.new(*ids)

    assert storage.create(case.resource, entity, record, NOW) is None
    repeated = a_record(key=record.key)
    assert storage.create(case.resource, second, repeated, NOW) == record
    assert storage.get(case.resource, (*ids, second.id)) is None
    assert storage.create(case.resource, second, repeated, record.expires_at) is None
    assert storage.get(case.resource, (*ids, second.id)) == second


@each(CASES)
def test_deletion_leaves_a_tombstone(storage: Storage, case: StorageCase) -> None:
    """After a deletion the key of the creation stays used, and nothing of the record is kept."""
    ids, record = parents(storage, case), a_record()
    entity = case.new(*ids)
    storage.create(case.resource, entity, record, NOW)
    storage.delete(case.resource, (*ids, entity.id), None, NOW)

    late = case.new(*ids)
    assert storage.create(case.resource, late, record, NOW) == record.tombstone()
    assert storage.get(case.resource, (*ids, late.id)) is None
    assert storage.create(case.resource, late, record, record.expires_at) is None


@each(CASES)
@pytest.mark.parametrize("ascending", [True, False], ids=["oldest first", "newest first"])
def test_pages_cover_the_whole_list(
    storage: Storage, case: StorageCase, *, ascending: bool
) -> None:
    """With any size of pages each entity is listed once, oldest or newest first, within bounds."""
    resource, ids = case.resource, parents(storage, case)
    number = min(7, (resource.counter and resource.counter.maximum) or 7)
    entities = [created(storage, case, *ids) for _ in range(number)]
    made = [entity.id for entity in entities]

    def found(limit: int, **options: Any) -> list[str]:
        return listed(storage, resource, ids, Query(limit=limit, ascending=ascending, **options))

    ordered = made if ascending else made[::-1]
    for limit in (1, 2, 3, number, number + 1, 100):
        assert found(limit) == ordered
    whole = storage.list(resource, ids, Query(limit=100, ascending=ascending)).items
    assert whole == (entities if ascending else entities[::-1])
    for limit in (1, 9):
        inside = found(limit, from_id=made[1], to_id=made[-1])
        assert inside == (made[1:-1] if ascending else made[-2:0:-1])
        assert found(limit, from_id=made[-1]) == made[-1:]
        assert found(limit, to_id=made[0]) == []


@each([case for case in CASES if case.resource.filters])
def test_lists_are_filtered(storage: Storage, case: StorageCase) -> None:
    """Each filter selects the entities with its value, alone and with the others."""
    resource, ids = case.resource, parents(storage, case)
    values = {field: two_values(resource, field) for field in resource.filters}
    firsts = {field: value for field, (value, _) in values.items()}
    made = [created(storage, case, *ids, **firsts)]
    made += [
        created(storage, case, *ids, **{**firsts, field: second})
        for field, (_, second) in values.items()
    ]
    made.append(created(storage, case, *ids, **firsts))
    filters = [{field: value} for field, both in values.items() for value in both]

    for wanted in [*filters, firsts]:
        expected = [
            one.id
            for one in made
            if all(getattr(one, field) == value for field, value in wanted.items())
        ]
        for limit in (1, 9):
            query = Query(limit=limit, ascending=True, filters=wanted)
            assert listed(storage, resource, ids, query) == expected
            assert listed(storage, resource, ids, replace(query, ascending=False)) == expected[::-1]
    for one in made:
        storage.delete(resource, (*ids, one.id), None, NOW)
    assert listed(storage, resource, ids, Query(limit=9, filters=firsts)) == []


@each_unique
def test_a_unique_value_is_found(storage: Storage, case: StorageCase, unique: Unique) -> None:
    """A filter by a unique field finds the one entity, alone and with other filters.

    It finds it in any case where the field ignores case.
    """
    resource, ids = case.resource, parents(storage, case)
    firsts = {field: two_values(resource, field) for field in resource.filters}
    matching = {field: value for field, (value, _) in firsts.items()}
    wanted = created(storage, case, *ids, **matching)
    created(storage, case, *ids, **matching)

    def found(**filters: str) -> list[str]:
        return listed(storage, resource, ids, Query(limit=9, filters=filters))

    value = getattr(wanted, unique.field)
    if unique.ignores_case:
        value = other_case(value)
    assert found(**{unique.field: value}) == [wanted.id]
    assert found(**{unique.field: value}, **matching) == [wanted.id]
    for field, (_, second) in firsts.items():
        assert found(**{unique.field: value, field: second}) == []
    assert found(**{unique.field: "nobody-has-this"}) == []


@each(CHILDREN)
def test_a_child_needs_its_parent(storage: Storage, case: StorageCase) -> None:
    """Without the parent, to create or list children is the parent's not_found."""
    resource = case.resource
    (parent,) = parents(storage, case)
    assert resource.parent is not None
    storage.delete(resource.parent, (parent,), None, NOW)
    child, record = case.new(parent), a_record()

    not_found = resource.parent.not_found
    assert refusal(storage.create, resource, child, record, NOW) is not_found
    assert storage.get(resource, (parent, child.id)) is None
    for query in (Query(limit=1), Query(limit=1, to_id=child.id, ascending=True)):
        assert refusal(storage.list, resource, (parent,), query) is not_found
    (other,) = parents(storage, case)
    assert storage.create(resource, case.new(other), record, NOW) is None


@each([case for case in CHILDREN if case.resource.parent_guard])
def test_a_guarded_parent_refuses_children(storage: Storage, case: StorageCase) -> None:
    """A parent whose state is not allowed refuses children with the guard's problem."""
    guard, parent = case.resource.parent_guard, case.resource.parent
    assert guard is not None
    assert parent is not None
    states = get_args(bare_type(parent.hints[guard.field]))
    refused = next(state for state in states if state not in guard.allowed)
    ids = parents(storage, case, **{guard.field: refused})
    child = case.new(*ids)

    found = refusal(storage.create, case.resource, child, None, NOW)

    assert found is type(guard.refusal(refused))
    assert storage.get(case.resource, (*ids, child.id)) is None


@each(CHILDREN)
def test_children_are_listed_under_their_parent_only(storage: Storage, case: StorageCase) -> None:
    """A list has the children of one parent and one type; it may be empty."""
    first, second, third = (parents(storage, case) for _ in range(3))
    made = {ids: created(storage, case, *ids).id for ids in (first, second)}
    for other in CHILDREN:
        if other is not case:
            created(storage, other, *third)
            created(storage, other, *first)

    for query in (Query(limit=9), Query(limit=9, ascending=True)):
        for ids, child in made.items():
            assert listed(storage, case.resource, ids, query) == [child]
        assert listed(storage, case.resource, third, query) == []
    for field in case.resource.filters:
        for value in two_values(case.resource, field):
            query = Query(limit=9, filters={field: value})
            assert listed(storage, case.resource, third, query) == []
    assert listed(storage, case.resource, third, Query(limit=1, to_id=made[first])) == []


@each(LIMITED)
def test_a_maximum_holds_under_concurrency(storage: Storage, case: StorageCase) -> None:
    """Of concurrent creations exactly as many succeed as a parent may have children."""
    resource, counter = case.resource, counter_of(case)
    ids, others = parents(storage, case), parents(storage, case)
    maximum = counter.maximum or 0
    made = [case.new(*ids) for _ in range(maximum + 5)]
    records = [a_record() for _ in made]

    outcomes = concurrently(
        [
            lambda pair=pair: storage.create(resource, pair[0], pair[1], NOW)
            for pair in zip(made, records, strict=True)
        ]
    )

    assert outcomes.count(None) == maximum
    assert {type(outcome) for outcome in outcomes} == {type(None), counter.exceeded}
    accepted = [one.id for one, outcome in zip(made, outcomes, strict=True) if outcome is None]
    query = Query(limit=100, ascending=True)
    assert listed(storage, resource, ids, query) == accepted
    created(storage, case, *others)
    # There is room for another one once one is deleted, and its key was not used up.
    refused = next(place for place, outcome in enumerate(outcomes) if outcome is not None)
    late = case.new(*ids)
    assert refusal(storage.create, resource, late, records[refused], NOW) is counter.exceeded
    storage.delete(resource, (*ids, accepted[0]), None, NOW)
    assert storage.create(resource, late, records[refused], NOW) is None
    assert refusal(storage.create, resource, case.new(*ids), None, NOW) is counter.exceeded


@each(BLOCKING)
def test_counted_children_block_the_deletion_of_their_parent(
    storage: Storage, case: StorageCase
) -> None:
    """A parent can be deleted once none of its children is counted."""
    parent, counter = case.resource.parent, counter_of(case)
    assert parent is not None
    for end in ("closed", "deleted"):
        ids = parents(storage, case)
        made = [created(storage, case, *ids).id for _ in range(2)]
        for child in made:
            assert refusal(storage.delete, parent, ids, None, NOW) is counter.blocks_deletion
            if end == "closed":
                close(storage, case, (*ids, child))
            else:
                storage.delete(case.resource, (*ids, child), None, NOW)
        storage.delete(parent, ids, None, NOW)
        assert storage.get(parent, ids) is None


@each([case for case in CHILDREN if case.resource.on_parent_deletion == "keep"])
def test_kept_children_outlive_their_parent(storage: Storage, case: StorageCase) -> None:
    """Children that are kept can be read and listed after their parent is deleted."""
    resource, ids = case.resource, parents(storage, case)
    made = [created(storage, case, *ids).id for _ in range(3)]
    for child in made:
        close(storage, case, (*ids, child))
    assert resource.parent is not None
    storage.delete(resource.parent, ids, None, NOW)

    for child in made:
        assert storage.get(resource, (*ids, child)) is not None
    for limit in (1, 3, 9):
        assert listed(storage, resource, ids, Query(limit=limit)) == made[::-1]
    before = Query(limit=9, to_id=made[0])
    assert listed(storage, resource, ids, before) == []
    for field in resource.filters:
        for value in two_values(resource, field):
            listed(storage, resource, ids, Query(limit=9, filters={field: value}))


@each([case for case in CHILDREN if case.resource.on_parent_deletion == "keep" and case.closing])
def test_kept_children_cannot_be_counted_again(storage: Storage, case: StorageCase) -> None:
    """A change after which a deleted parent would count a child is no fault of the server.

    The rules of orders allow no such change, but storage does not know that.
    """
    resource, ids = case.resource, parents(storage, case)
    child = created(storage, case, *ids)
    close(storage, case, (*ids, child.id))
    assert resource.parent is not None
    storage.delete(resource.parent, ids, None, NOW)
    values = {name: getattr(child, name) for name in case.closing or ()}

    with suppress(Problem):
        storage.change(resource, (*ids, child.id), Change(values=values, updated_at=LATER))


@each([case for case in CHILDREN if case.resource.on_parent_deletion == "delete"])
def test_children_are_deleted_with_their_parent(
    storage: Storage, case: StorageCase, engine: str
) -> None:
    """Nothing of the children is left: not they themselves, nor the records of their creations."""
    resource, ids, others = case.resource, parents(storage, case), parents(storage, case)
    # DynamoDB Local's transactions have at most 10 writes; since 2022 DynamoDB's have 100.
    number = 3 if engine == "dynamodb-local" else counter_of(case).maximum or 0
    made = [case.new(*ids) for _ in range(number)]
    records = [a_record() for _ in made]
    for child, record in zip(made, records, strict=True):
        storage.create(resource, child, record, NOW)
    kept = created(storage, case, *others)
    assert resource.parent is not None
    storage.delete(resource.parent, ids, None, NOW)

    for child in made:
        assert storage.get(resource, (*ids, child.id)) is None
        assert (
            refusal(storage.change, resource, (*ids, child.id), case.change()) is resource.not_found
        )
    assert refusal(storage.list, resource, ids, Query(limit=9)) is resource.parent.not_found
    assert listed(storage, resource, others, Query(limit=9)) == [kept.id]
    late = case.new(*others)
    for record in records:
        assert storage.create(resource, late, record, NOW) == record.tombstone()
    for unique in resource.unique:
        created(storage, case, *others, **{unique.field: getattr(made[0], unique.field)})


@each(CHILDREN)
def test_no_child_is_left_without_its_parent(storage: Storage, case: StorageCase) -> None:
    """When children are created, changed and deleted meanwhile, a deletion leaves no orphan."""
    resource, counter = case.resource, counter_of(case)
    parent = resource.parent
    assert parent is not None
    for _ in range(3):
        ids = parents(storage, case)
        gone, changed = created(storage, case, *ids), created(storage, case, *ids)
        close(storage, case, (*ids, gone.id))
        close(storage, case, (*ids, changed.id))
        made = [case.new(*ids) for _ in range(4)]

        outcomes = concurrently(
            [
                *(
                    lambda child=child: storage.create(resource, child, None, NOW)
                    for child in made[:2]
                ),
                lambda ids=ids: storage.delete(parent, ids, None, NOW),
                lambda ids=ids, gone=gone: storage.delete(resource, (*ids, gone.id), None, NOW),
                lambda ids=ids, changed=changed: storage.change(
                    resource, (*ids, changed.id), case.change()
                ),
                *(
                    lambda child=child: storage.create(resource, child, None, NOW)
                    for child in made[2:]
                ),
            ]
        )

        is_deleted = outcomes[2] is None
        if not is_deleted:
            assert type(outcomes[2]) is counter.blocks_deletion
        for child, outcome in zip(made, [*outcomes[:2], *outcomes[5:]], strict=True):
            allowed = {type(None), parent.not_found, counter.exceeded}
            assert type(outcome) in allowed
            is_kept = outcome is None and not is_deleted
            assert (storage.get(resource, (*ids, child.id)) is not None) is is_kept
        assert storage.get(resource, (*ids, gone.id)) is None
        if is_deleted and resource.on_parent_deletion == "delete":
            assert storage.get(resource, (*ids, changed.id)) is None
            assert refusal(storage.list, resource, ids, Query(limit=1)) is parent.not_found


@each([case for case in CASES if case.resource.optional])
def test_optional_fields_may_be_absent(storage: Storage, case: StorageCase) -> None:
    """Optional fields can be absent, removed and set again."""
    resource, ids = case.resource, parents(storage, case)
    whole = case.new(*ids)
    values = {field: getattr(whole, field) for field in resource.optional}
    absent = dict.fromkeys(values, UNSET)
    assert UNSET not in values.values()
    assert storage.create(resource, whole, None, NOW) is None
    bare = created(storage, case, *ids, **absent)

    assert storage.get(resource, (*ids, whole.id)) == whole
    assert storage.get(resource, (*ids, bare.id)) == bare
    for start, fields in ((whole, absent), (bare, values)):
        for versions in (None, frozenset({2})):
            change = Change(values=fields, updated_at=LATER, versions=versions)
            changed = storage.change(resource, (*ids, start.id), change)
            assert {field: getattr(changed, field) for field in values} == fields
            assert storage.get(resource, (*ids, start.id)) == changed
    assert {one.id for one in storage.list(resource, ids, Query(limit=9)).items} == {
        whole.id,
        bare.id,
    }


@each(CHILDREN)
def test_several_children_are_deleted_together(storage: Storage, case: StorageCase) -> None:
    """The deletion of a parent deletes its children of each type, and no other parent's."""
    ids, parent = parents(storage, case), case.resource.parent
    assert parent is not None
    siblings = [one for one in CHILDREN if one.resource in children(KEPT, parent)]
    made = {str(one): created(storage, one, *ids).id for one in siblings}
    for one in siblings:
        close(storage, one, (*ids, made[str(one)]))

    storage.delete(parent, ids, None, NOW)

    for one in siblings:
        is_kept = one.resource.on_parent_deletion == "keep"
        assert (storage.get(one.resource, (*ids, made[str(one)])) is not None) is is_kept
