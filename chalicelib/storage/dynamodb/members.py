"""Members: found with one request, and changed together with what has them.

A transaction has room for about thirty members (three writes each). More of them are changed in
several, each of which leaves a valid state; what has been done is left out when a request is
repeated. An entity that is to be deleted loses its members, or what it is a member of, in the same
way, and then goes on condition that it counts none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.history import Act
from chalicelib.domain.resource import Change, EntityT, Resource, owners
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.dynamodb.creation import Write, put_new
from chalicelib.storage.dynamodb.items import (
    MEMBER,
    MEMBER_COUNT,
    MEMBERSHIP,
    MEMBERSHIP_COUNT,
    Item,
    Key,
    Layout,
    ResourceItems,
    new_write_token,
)
from chalicelib.storage.dynamodb.member_items import MemberItems, id_in
from chalicelib.storage.dynamodb.requests import ConditionFailed, Operation
from chalicelib.storage.dynamodb.updates import Update, exact_update

Steps = Mapping[str, bool]
"""Members to add (True) and to remove, by id."""

_WRITES_EACH = 3
# The entity, and the claims of two unique values that change.
_OTHER_WRITES = 5


class DynamoDBMemberships:
    """See Memberships. `operation` begins one.

    A transaction has at most `transaction_items`.
    """

    def __init__(
        self,
        table: str,
        layout: Layout,
        operation: Callable[[], Operation],
        transaction_items: int,
    ) -> None:
        self._table = table
        self._layout = layout
        self._operation = operation
        self._transaction_items = transaction_items
        self._batch = (transaction_items - _OTHER_WRITES) // _WRITES_EACH
        self._items = {
            resource.name: MemberItems(resource, resource.members)
            for resource in layout.resources
            if resource.members is not None
        }

    def members(self, resource: Resource[Any], owner_id: str, query: Query) -> Page[str]:
        """See Memberships."""
        items, prefix = self._items[resource.name], self._prefix(resource)
        low, high = f"{MEMBER}#{prefix}", f"{MEMBER}#{prefix}~"
        if query.after is not None and query.ascending:
            low = f"{MEMBER}#{query.after}!"
        elif query.after is not None:
            high = f"{MEMBER}#{query.after[:-1]}{chr(ord(query.after[-1]) - 1)}~"
        request = self._query(items.owner_partition(owner_id), low, high)
        request |= {"ScanIndexForward": query.ascending, "Limit": query.limit + 1}
        rows = self._operation().send("Query", request)["Items"]
        found = [id_in(row) for row in rows]
        page = found[: query.limit]
        return Page(page, page[-1] if len(found) > query.limit else None)

    def owners(self, resource: Resource[EntityT], member_id: str) -> list[EntityT]:
        """See Memberships."""
        operation, items = self._operation(), self._layout.of(resource)
        found = [*self._owner_ids(operation, resource, member_id)]
        read = self._read(operation, [items.key((own,)) for own in found])
        # What was deleted in between is left out.
        return [items.entity(item) for item in read if item is not None]

    def has(self, resource: Resource[Any], owner_id: str, member_id: str) -> bool:
        """See Memberships."""
        key = self._items[resource.name].member_key(owner_id, member_id)
        request = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        return "Item" in self._operation().send("GetItem", request)

    def first(self, steps: Steps) -> dict[str, bool]:
        """Return as many of the steps as a transaction takes."""
        return dict(islice(steps.items(), self._batch))

    def further(self, resource: Resource[Any], change: Change) -> Change:
        """Return what a change that takes several transactions does in another one."""
        act = change.act and change.act.of_owner(self._items[resource.name].field)
        return Change(updated_at=change.updated_at, members=change.members, act=act)

    def effective(
        self, operation: Operation, resource: Resource[Any], owner_id: str, steps: Steps
    ) -> dict[str, bool]:
        """Return those of the steps that have an effect."""
        items = self._items[resource.name]
        keys = [items.member_key(owner_id, member_id) for member_id in steps]
        if len(keys) > self._transaction_items:
            present = self._all_between(operation, items, owner_id, min(steps), max(steps))
        else:
            read = self._read(operation, keys)
            present = {one for one, item in zip(steps, read, strict=True) if item is not None}
        return {
            one: is_added for one, is_added in steps.items() if is_added is not (one in present)
        }

    def require(self, operation: Operation, resource: Resource[Any], steps: Steps) -> None:
        """Raise the not_found of a member that is to be added and does not exist."""
        added = [one for one, is_added in steps.items() if is_added]
        if len(self._existing(operation, resource, added)) < len(added):
            raise self._items[resource.name].member.not_found

    def writes(self, resource: Resource[Any], owner_id: str, steps: Steps) -> list[Write]:
        """Return the writes beside that of the entity, by which it gets and loses members."""
        items = self._items[resource.name]
        found: list[Write] = []
        for member_id, is_added in steps.items():
            keys = items.member_key(owner_id, member_id), items.membership_key(owner_id, member_id)
            make = self._put if is_added else self._delete
            found += [self._count(items, member_id, 1 if is_added else -1), *map(make, keys)]
        return found

    def fill(
        self, operation: Operation, resource: Resource[Any], owner_id: str, steps: Steps
    ) -> None:
        """Add the rest of the members of a new entity, which keeps its version.

        Whoever is deleted meanwhile is left out, as if that had happened right afterwards. Raises
        Unavailable when the time is over.
        """
        rest = self.effective(operation, resource, owner_id, steps)
        while rest:
            batch = self.first(rest)
            update = Update(self._table, self._layout.of(resource).key((owner_id,)))
            self.count(update, batch)
            writes = self.writes(resource, owner_id, batch)
            try:
                self._transact(operation, [{"Update": update.request()}, *writes])
            except ConditionFailed as failed:
                if failed.items.get(0, {}) is None:
                    return
                operation.wait()
                existing = self._existing(operation, resource, rest)
                rest = self.effective(operation, resource, owner_id, existing)
            else:
                rest = {one: True for one in rest if one not in batch}

    def count(self, update: Update, steps: Steps) -> None:
        """Count the members in the update of the entity that gets and loses them."""
        difference = sum(1 if is_added else -1 for is_added in steps.values())
        if difference:
            update.increment(MEMBER_COUNT, difference)

    def empty(self, operation: Operation, resource: Resource[Any], item: Item) -> None:
        """Remove some of the members of an entity that is to be deleted.

        Its version stays, so that a deletion of this version can be repeated. Does nothing where
        others have changed the members meanwhile. Raises Unavailable when the time is over.
        """
        items, owner_id = self._items[resource.name], self._layout.of(resource).id(item)
        request = self._query(items.owner_partition(owner_id), f"{MEMBER}#", f"{MEMBER}#~")
        rows = operation.send("Query", {**request, "Limit": self._batch})["Items"]
        steps = dict.fromkeys(map(id_in, rows), False)
        update = self._unversioned(item)
        update.increment(MEMBER_COUNT, -len(steps))
        writes = self.writes(resource, owner_id, steps)
        self._try(operation, [{"Update": update.request()}, *writes])

    def leave(
        self,
        operation: Operation,
        resource: Resource[Any],
        item: Item,
        updated_at: str,
        act: Act | None,
    ) -> list[tuple[Item, Act | None]]:
        """Remove an entity that is to be deleted from some of those that have it as a member.

        Return the items of these as they were before, with what was done to them. Does nothing
        where others have changed them meanwhile. Raises Unavailable when the time is over.
        """
        member_id = self._layout.of(resource).id(item)
        update = self._unversioned(item)
        writes: list[Write] = []
        done: list[tuple[Item, Act | None]] = []
        for owner in owners(self._layout.resources, resource):
            items, of_owner = self._items[owner.name], self._layout.of(owner)
            ids = [*self._owner_ids(operation, owner, member_id, self._batch)]
            own_act = act and act.of_owner(items.field)
            for owner_item in self._read(operation, [of_owner.key((own,)) for own in ids]):
                if owner_item is None or len(done) == self._batch:
                    continue
                writes += self._owner_writes(of_owner, owner_item, member_id, updated_at, own_act)
                done.append((owner_item, own_act))
        update.increment(MEMBERSHIP_COUNT, -len(done))
        succeeded = self._try(operation, [{"Update": update.request()}, *writes])
        return done if succeeded else []

    def _owner_writes(
        self,
        owner: ResourceItems[Any],
        item: Item,
        member_id: str,
        updated_at: str,
        act: Act | None,
    ) -> list[Write]:
        """Return the writes by which an entity loses a member that is to be deleted."""
        items, owner_id = self._items[owner.resource.name], owner.id(item)
        changed = Change(updated_at=updated_at).apply_to(owner.entity(item))
        token = new_write_token()
        update = exact_update(self._table, owner, item, changed, act=act, token=token)
        update.increment(MEMBER_COUNT, -1)
        return [
            {"Update": update.request()},
            self._delete(items.member_key(owner_id, member_id)),
            self._delete(items.membership_key(owner_id, member_id)),
        ]

    def _try(self, operation: Operation, writes: list[Write]) -> bool:
        """Carry out the writes unless others have changed the members meanwhile."""
        try:
            self._transact(operation, writes)
        except ConditionFailed:
            operation.wait()
            return False
        return True

    def _transact(self, operation: Operation, writes: list[Write]) -> None:
        """Carry out the writes, one of several transactions, if there is time."""
        if not operation.has_time_for(1):
            raise Unavailable
        operation.transact(writes)

    def _existing(
        self, operation: Operation, resource: Resource[Any], ids: Iterable[str]
    ) -> dict[str, bool]:
        """Return the steps that add those of these members that exist."""
        member, wanted = self._layout.of(self._items[resource.name].member), [*ids]
        read = self._read(operation, [member.key((one,)) for one in wanted])
        return {one: True for one, item in zip(wanted, read, strict=True) if item is not None}

    def _unversioned(self, item: Item) -> Update:
        """Return an update of an entity, at the version that was read, which stays."""
        update = Update(self._table, {"PK": item["PK"], "SK": item["SK"]})
        update.where_in("version", [item["version"]])
        return update

    def _count(self, items: MemberItems, member_id: str, number: int) -> Write:
        update = Update(self._table, self._layout.of(items.member).key((member_id,)))
        update.increment(MEMBERSHIP_COUNT, number)
        return {"Update": update.request()}

    def _put(self, key: Key) -> Write:
        return put_new(self._table, key)

    def _delete(self, key: Key) -> Write:
        condition = "attribute_exists(PK)"
        return {"Delete": {"TableName": self._table, "Key": key, "ConditionExpression": condition}}

    def _prefix(self, resource: Resource[Any]) -> str:
        return self._items[resource.name].member.prefix

    def _query(self, partition: str, low: str, high: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "PK = :key AND SK BETWEEN :low AND :high",
            "ExpressionAttributeValues": {
                ":key": {"S": partition},
                ":low": {"S": low},
                ":high": {"S": high},
            },
            "ConsistentRead": True,
        }

    def _owner_ids(
        self, operation: Operation, owner: Resource[Any], member_id: str, limit: int = 0
    ) -> Iterator[str]:
        """Yield the ids of the entities that have a member, with a `limit` only so many."""
        partition = self._items[owner.name].member_partition(member_id)
        prefix = f"{MEMBERSHIP}#{owner.prefix}"
        request = self._query(partition, prefix, f"{prefix}~")
        if limit:
            rows = operation.send("Query", {**request, "Limit": limit})["Items"]
        else:
            rows = operation.items(request)
        yield from map(id_in, rows)

    def _all_between(
        self, operation: Operation, items: MemberItems, owner_id: str, first: str, last: str
    ) -> set[str]:
        """Return the ids of the members from the `first` to the `last`."""
        partition = items.owner_partition(owner_id)
        request = self._query(partition, f"{MEMBER}#{first}", f"{MEMBER}#{last}")
        return {id_in(row) for row in operation.items(request)}

    def _read(self, operation: Operation, keys: Sequence[Key]) -> list[Item | None]:
        """Return the items with these keys: one, or as many at once as a transaction may read."""
        if len(keys) == 1:
            request = {"TableName": self._table, "Key": keys[0], "ConsistentRead": True}
            return [operation.send("GetItem", request).get("Item")]
        found: list[Item | None] = []
        for start in range(0, len(keys), self._transaction_items):
            batch = keys[start : start + self._transaction_items]
            gets = [{"Get": {"TableName": self._table, "Key": key}} for key in batch]
            response = operation.send("TransactGetItems", {"TransactItems": gets})
            found += [one.get("Item") for one in response["Responses"]]
        return found
