"""Updates of one item: how changes become UpdateItem's expressions.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from chalicelib.domain.fields import MAX_PAIRS, MAX_SAFE_INTEGER
from chalicelib.domain.history import Act
from chalicelib.domain.metadata import MetadataChange
from chalicelib.domain.resource import Change, EntityT, ExpectedVersions, Guard, Resource
from chalicelib.storage.dynamodb.history_items import HISTORY, LATEST_ENTRY, latest, stored
from chalicelib.storage.dynamodb.items import (
    REMEMBERED_WRITES,
    WRITE_TOKENS,
    Item,
    Key,
    Layout,
    ResourceItems,
    key_attribute,
    pairs,
    trace_attributes,
)

# More names in a patch would come near the limit of 4 KB for an expression, more versions would
# pass that of 100 operands for IN.
_MAX_NAMES = 100


class Update:
    """One update of one item: what it sets and removes, and the conditions that all must hold.

    Names stand in expressions as ``#name`` and values as ``:name``.
    """

    def __init__(self, table: str, key: Key) -> None:
        self.key = key
        self._head = {"TableName": table, "Key": key}
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._adds: list[str] = []
        self._conditions = ["attribute_exists(PK)"]
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def set(self, name: str, value: Mapping[str, Any]) -> None:
        """Give the attribute a new value."""
        self._assign(name, f"#{name}", value)

    def set_all(self, attributes: Mapping[str, Mapping[str, Any]]) -> None:
        """Give these attributes new values."""
        for name, value in attributes.items():
            self.set(name, value)

    def remove(self, name: str) -> None:
        """Remove the attribute."""
        self._removes.append(f"#{name}")
        self._names[f"#{name}"] = name

    def increment(self, name: str, number: int) -> None:
        """Add to the attribute's number, which is 0 where it is missing."""
        self._adds.append(f"#{name} :{name}")
        self._names[f"#{name}"] = name
        self._values[f":{name}"] = {"N": str(number)}

    def patch(self, name: str, pairs: Mapping[str, str | None]) -> None:
        """Set or, if the value is None, remove single pairs of the attribute's map."""
        self._names[f"#{name}"] = name
        for place, (key, value) in enumerate(pairs.items()):
            part = f"{name}{place}"
            if value is None:
                self._names[f"#{part}"] = key
                self._removes.append(f"#{name}.#{part}")
            else:
                self._assign(part, f"#{name}.#{part}", {"S": value}, key)

    def apply_once(self, token: str) -> None:
        """Make the update happen at most once: an item that remembers the token is not updated.

        An update may be carried out and its response lost; its retry is then refused. The item
        remembers more than the last token, so that others may have changed it in between.
        """
        # From the oldest to the newest, although each right side means the item before the update.
        for place in range(REMEMBERED_WRITES - 1, 0, -1):
            self._sets.append(f"{WRITE_TOKENS}[{place}] = {WRITE_TOKENS}[{place - 1}]")
        self._sets.append(f"{WRITE_TOKENS}[0] = :token")
        self.where(f"NOT contains({WRITE_TOKENS}, :token)", token={"S": token})

    def record(self, entry: Mapping[str, Any]) -> None:
        """Make `entry` the latest one, with the version that the update makes; keep the one before.

        Only an item with a latest entry is updated.
        """
        self._names |= {f"#{name}": name for name in (HISTORY, LATEST_ENTRY, "version")}
        # Each right side means the item before the update.
        self._sets += [
            f"#{HISTORY} = list_append(if_not_exists(#{HISTORY}, :none), #{LATEST_ENTRY})",
            f"#{LATEST_ENTRY}[0] = #version + :one",
            f"#{LATEST_ENTRY}[1] = :entry",
        ]
        self.where(
            f"attribute_exists(#{LATEST_ENTRY})", none={"L": []}, one={"N": "1"}, entry=entry
        )

    def where(self, condition: str, **values: Mapping[str, Any]) -> None:
        """Add a condition; ``#name`` in it stands for each attribute that is also set."""
        self._conditions.append(condition)
        self._values.update((f":{name}", value) for name, value in values.items())

    def where_in(self, name: str, values: list[Mapping[str, Any]]) -> None:
        """Add the condition that the attribute has one of `values`."""
        parts = {f":{name}_{place}": value for place, value in enumerate(values)}
        self._conditions.append(f"#{name} IN ({', '.join(parts)})")
        self._names[f"#{name}"] = name
        self._values.update(parts)

    def request(self) -> dict[str, Any]:
        """Return the update as UpdateItem's parameters and as a transaction's Update alike."""
        clauses = {"SET": self._sets, "REMOVE": self._removes, "ADD": self._adds}
        names = {"ExpressionAttributeNames": self._names} if self._names else {}
        return {
            **self._head,
            "UpdateExpression": " ".join(
                f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts
            ),
            "ConditionExpression": " AND ".join(self._conditions),
            **names,
            "ExpressionAttributeValues": self._values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _assign(
        self, part: str, path: str, value: Mapping[str, Any], name: str | None = None
    ) -> None:
        self._sets.append(f"{path} = :{part}")
        self._names[f"#{part}"] = name or part
        self._values[f":{part}"] = value


def counter_update(
    table: str, layout: Layout, resource: Resource[EntityT], entity: EntityT, number: int
) -> Update | None:
    """Return the update by which the parent counts `number` more, None without a parent."""
    if resource.parent is None or resource.counter is None:
        return None
    update = Update(table, layout.of(resource.parent).key(resource.ids(entity)[:-1]))
    update.increment(resource.counter.name, number)
    return update


def blind_update(
    table: str, items: ResourceItems[Any], key: Key, change: Change, token: str
) -> Update | None:
    """Return the update that carries out `change` without knowing the item, if there is one.

    Its conditions hold only where the change is legal, but it may be refused where it is legal:
    a patch that adds as many pairs as still fit counts each of them as new, and an item without
    a latest entry needs its version written out.
    """
    if not _keeps_count(items.resource, change):
        return None
    update = Update(table, key)
    for field, value in change.values.items():
        if value is UNSET:
            update.remove(field)
        elif not isinstance(value, MetadataChange):
            update.set(field, items.attribute(field, value))
        elif not _set_metadata(update, field, value):
            return None
    _keep_claims(update, items.resource, change)
    if not (_guard(update, change.guard) and _expect(update, change.versions)):
        return None
    update.set("updated_at", {"S": change.updated_at})
    update.set_all(trace_attributes(items.resource, change.updated_at))
    update.increment("version", 1)
    if change.act is not None:
        update.record(stored(change.act))
    update.apply_once(token)
    return update


def exact_update(  # noqa: PLR0913 - before and after, and what goes with it
    table: str,
    items: ResourceItems[EntityT],
    item: Item,
    new: EntityT,
    *,
    act: Act | None,
    token: str,
) -> Update:
    """Return the update of `item` to `new`, on condition that it still has the same version."""
    old = items.entity(item)
    update = Update(table, items.key(items.resource.ids(old)))
    before = items.attributes(old)
    after = items.attributes(new)
    for name in before.keys() - after.keys():
        update.remove(name)
    for name, value in after.items():
        if before.get(name) != value:
            update.set(name, value)
    update.set_all(trace_attributes(items.resource, new.updated_at))
    if act is not None and LATEST_ENTRY in item:
        update.record(stored(act))
    elif act is not None:
        update.set(LATEST_ENTRY, latest(act, new.version))
    update.where("#version = :seen", seen={"N": str(old.version)})
    update.apply_once(token)
    return update


def _keeps_count(resource: Resource[Any], change: Change) -> bool:
    """Return whether the parent's counter is the same after the change, whatever the item is."""
    counter, guard = resource.counter, change.guard
    if counter is None or counter.field not in change.values:
        return True
    if guard is None or guard.field != counter.field:
        return False
    states = {*guard.allowed, change.values[counter.field]}
    return states <= counter.values or not states & counter.values


def _keep_claims(update: Update, resource: Resource[Any], change: Change) -> None:
    """Add the condition that unique values stay: others need a transaction, for their claims."""
    for unique in resource.unique:
        if unique.field in change.values:
            attribute, value = key_attribute(unique), change.values[unique.field]
            if value is UNSET:
                update.where(f"attribute_not_exists({attribute})")
            else:
                same = {"S": unique.normalize(value)}
                update.where(f"{attribute} = :{attribute}", **{attribute: same})


def _guard(update: Update, guard: Guard | None) -> bool:
    if guard is None:
        return True
    update.where_in(guard.field, [{"S": value} for value in sorted(guard.allowed)])
    return bool(guard.allowed)


def _set_metadata(update: Update, field: str, change: MetadataChange) -> bool:
    kept = sum(value is not None for value in change.pairs.values())
    if kept > MAX_PAIRS or len(change.pairs) > _MAX_NAMES:
        return False
    if not change.merge:
        update.set(field, pairs(change.pairs))
    elif change.pairs:
        update.patch(field, change.pairs)
    if change.merge and kept:
        update.where(f"size(#{field}) <= :room", room={"N": str(MAX_PAIRS - kept)})
    return True


def _expect(update: Update, versions: ExpectedVersions) -> bool:
    if versions is None:
        return True
    possible = sorted(version for version in versions if 0 < version <= MAX_SAFE_INTEGER)
    if not 0 < len(possible) <= _MAX_NAMES:
        return False
    update.where_in("version", [{"N": str(version)} for version in possible])
    return True
