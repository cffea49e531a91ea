"""Amazon DynamoDB: one table, one request for each operation wherever that is possible.

Two requests are needed where an item determines what else is written, or what to return: a changed
unique value (the old claim), a deletion (claims, records, children), and a change of what a parent
counts (a transaction returns no item). The second request is conditioned on what the first one saw.
It is retried when a concurrent write wins; the failed condition hands back the item to decide by.
"""

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from chalicelib.aws.retries import Clock
from chalicelib.domain.errors import Problem, Unavailable
from chalicelib.domain.history import Act, HistoryEntry
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.ids import timestamp
from chalicelib.domain.resource import (
    Change,
    EntityT,
    ExpectedVersions,
    Ids,
    Resource,
    Resources,
    check_version,
)
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.dynamodb.creation import Creation, put_new, taken
from chalicelib.storage.dynamodb.deletion import Deletion
from chalicelib.storage.dynamodb.history import History
from chalicelib.storage.dynamodb.items import (
    TIME_TO_LIVE,
    Item,
    Key,
    Layout,
    ResourceItems,
    claim_key,
    has_write_token,
    new_write_token,
    record_from,
    record_key,
)
from chalicelib.storage.dynamodb.lists import Lists, matches
from chalicelib.storage.dynamodb.member_items import has_members, has_memberships
from chalicelib.storage.dynamodb.requests import (
    ConditionFailed,
    DynamoDBClient,
    Operation,
    make_client,
)
from chalicelib.storage.dynamodb.updates import Update, blind_update, counter_update, exact_update

if TYPE_CHECKING:
    from chalicelib.domain.deliveries import Deliveries
    from chalicelib.storage.dynamodb.members import DynamoDBMemberships

_MOVE_REQUESTS = 2

Write = dict[str, Any]
Writes = list[Write]


class DynamoDBStorage:
    """The table `table`, which `python -m chalicelib.storage create-table` creates.

    `shards` is the number of partitions over which lists of everything are spread (about 1,000
    creations a second each); it may grow, but never shrink. `budget` is the time that an operation
    may take, retries included, in seconds. `transaction_items` is how many items a transaction may
    have, fewer with older emulators. `clock` and `client` can be replaced in tests.
    """

    def __init__(  # noqa: PLR0913 - two are for tests
        self,
        table: str,
        resources: Resources,
        *,
        shards: int = 1,
        budget: float = 8,
        transaction_items: int = 100,
        clock: Clock = Clock(),  # noqa: B008 - it is immutable
        client: Callable[[float], DynamoDBClient] = make_client,
    ) -> None:
        self._table = table
        self._layout = Layout(resources)
        self._shards = shards
        self._lists = Lists(table, self._layout, shards)
        self._history = History(table)
        self._budget = budget
        self._transaction_items = transaction_items
        self._clock = clock
        self._make_client = client
        self._client: DynamoDBClient | None = None
        self._lock = threading.Lock()

    def create(  # noqa: PLR0913, PLR0917 - see Storage
        self,
        resource: Resource[EntityT],
        entity: EntityT,
        record: IdempotencyRecord | None,
        now: int,
        act: Act | None = None,
        members: tuple[str, ...] = (),
    ) -> IdempotencyRecord | None:
        """See Storage."""
        operation = self._operation()
        steps = dict.fromkeys(members, True)
        first = self.memberships.first(steps) if steps else {}
        if len(first) < len(steps):
            resumed = self._resumed(operation, resource, record, now, steps)
            if resumed is not None:
                return resumed
            self.memberships.require(operation, resource, steps)
        creation = Creation(self._table, self._layout, self._shards, now)
        writes = creation.writes(resource, entity, record, act, len(first))
        others = self.memberships.writes(resource, entity.id, first) if first else []
        try:
            operation.transact([*writes, *others])
        except ConditionFailed as failed:
            if record is not None and (earlier := failed.items.get(0)) is not None:
                return record_from(earlier, record.key)
            if any(place >= len(writes) for place in failed.items):
                raise _member_not_found(resource) from None
            raise creation.problem(resource, writes, failed.items) from None
        if len(first) < len(steps):
            self.memberships.fill(operation, resource, entity.id, steps)
        return None

    def get(self, resource: Resource[EntityT], ids: Ids) -> EntityT | None:
        """See Storage."""
        items = self._layout.of(resource)
        item = self._get(self._operation(), items.key(ids))
        return items.entity(item) if item else None

    def change(self, resource: Resource[EntityT], ids: Ids, change: Change) -> EntityT:
        """See Storage."""
        items = self._layout.of(resource)
        operation, key, token = self._operation(), items.key(ids), new_write_token()
        if steps := change.members.steps():
            return self._change_members(operation, items, key, change, steps)
        blind = blind_update(self._table, items, key, change, token)
        if blind is None:
            item = self._get(operation, key)
        else:
            try:
                return items.entity(self._update(operation, blind, change.act))
            except ConditionFailed as failed:
                item = failed.items[0]
        return self._change_exactly(operation, items, item, change, token)

    def _change_exactly(  # noqa: PLR0913, PLR0917 - what is changed, how, and what goes with it
        self,
        operation: Operation,
        items: ResourceItems[EntityT],
        item: Item | None,
        change: Change,
        token: str,
        steps: Mapping[str, bool] = MappingProxyType({}),
    ) -> EntityT:
        """Change the entity in `item`, again as long as others change it meanwhile.

        `steps` are the members to add (True) and to remove, all at once, that have an effect.
        """
        resource, has_conflict = items.resource, False
        while item is not None:
            old = items.entity(item)
            if has_write_token(item, token):
                return old
            new = change.apply_to(old)
            if change.members.steps() and not (steps or change.values):
                return old
            if has_conflict:
                operation.wait()
            update = exact_update(self._table, items, item, new, act=change.act, token=token)
            others = self._writes_with_change(items, old, new)
            of_members = self._member_writes(update, resource, new.id, steps)
            others += of_members
            try:
                if others:
                    operation.transact([{"Update": update.request()}, *others])
                    self._move_history(operation, item, change.act)
                else:
                    self._update(operation, update, change.act)
            except ConditionFailed as failed:
                if 0 not in failed.items:
                    rejected = [others[place - 1] for place in sorted(failed.items)]
                    _refuse(resource, rejected, of_members)
                item, has_conflict = self._seen(operation, failed, update.key), True
                if steps:
                    steps = self.memberships.effective(operation, resource, new.id, steps)
            else:
                return new
        raise resource.not_found

    def _seen(self, operation: Operation, failed: ConditionFailed, key: Key) -> Item | None:
        """Return the item that the condition of a transaction's first write saw, or would see."""
        return failed.items[0] if 0 in failed.items else self._get(operation, key)

    def _member_writes(
        self, update: Update, resource: Resource[Any], owner_id: str, steps: Mapping[str, bool]
    ) -> Writes:
        """Return the writes of members beside the `update` of the entity, which counts them."""
        if not steps:
            return []
        self.memberships.count(update, steps)
        return self.memberships.writes(resource, owner_id, steps)

    def _change_members(
        self,
        operation: Operation,
        items: ResourceItems[EntityT],
        key: Key,
        change: Change,
        steps: Mapping[str, bool],
    ) -> EntityT:
        """Change an entity and its members, those that are too many in further transactions."""
        resource, memberships = items.resource, self.memberships
        item = self._get(operation, key)
        if item is None:
            raise resource.not_found
        change.apply_to(items.entity(item))
        rest = memberships.effective(operation, resource, items.id(item), steps)
        if memberships.first(rest) != rest:
            memberships.require(operation, resource, rest)
        while True:
            first = memberships.first(rest)
            changed = self._change_exactly(operation, items, item, change, new_write_token(), first)
            rest = {one: rest[one] for one in rest if one not in first}
            if not rest:
                return changed
            if not operation.has_time_for(1):
                raise Unavailable
            change = memberships.further(resource, change)
            item = self._get(operation, key)

    def delete(
        self,
        resource: Resource[EntityT],
        ids: Ids,
        versions: ExpectedVersions,
        now: int,
        act: Act | None = None,
    ) -> None:
        """See Storage."""
        items = self._layout.of(resource)
        operation, key = self._operation(), items.key(ids)
        deletion = Deletion(self._table, self._layout, items, now, act)
        item = self._get(operation, key)
        has_conflict = False
        while item is not None:
            check_version(items.entity(item), versions)
            deletion.check_children(item)
            if has_members(item):
                self.memberships.empty(operation, resource, item)
                item = self._get(operation, key)
                continue
            if has_memberships(item):
                updated_at = act.at if act else timestamp(now * 1000)
                left = self.memberships.leave(operation, resource, item, updated_at, act)
                for owner, owner_act in left:
                    self._move_history(operation, owner, owner_act)
                item = self._get(operation, key)
                continue
            writes = deletion.writes(operation, item)
            if has_conflict:
                operation.wait()
            try:
                return operation.transact(writes)
            except ConditionFailed as failed:
                if 0 in failed.items:
                    item = failed.items[0]
                else:
                    deletion.skip(writes[place] for place in failed.items)
                has_conflict = True
        raise resource.not_found

    def list(self, resource: Resource[EntityT], parent: Ids, query: Query) -> Page[EntityT]:
        """See Storage.

        Children and small resources are read strongly consistently, and so is what is found by a
        unique value; other lists of everything are eventually consistent.
        """
        items, operation = self._layout.of(resource), self._operation()
        if parent:
            return self._lists.children(operation, items, parent, query)
        for unique in resource.unique:
            if unique.field in query.filters:
                value = unique.normalize(query.filters[unique.field])
                found = self._find(operation, items, claim_key(unique, value))
                # Between the two reads the entity may have taken another value.
                return Page([found] if found and matches(query, resource, found) else [], None)
        if resource.is_small:
            return self._lists.small(operation, items, query)
        return self._lists.all(operation, items, query)

    def history(self, resource: Resource[EntityT], ids: Ids, query: Query) -> Page[HistoryEntry]:
        """See Storage."""
        key = self._layout.of(resource).key(ids)
        page = self._history.read(self._operation(), key, query)
        if page is None:
            raise resource.not_found
        return page

    @cached_property
    def memberships(self) -> "DynamoDBMemberships":
        """See Storage."""
        # Most cold starts are for other requests.
        from chalicelib.storage.dynamodb.members import DynamoDBMemberships  # noqa: PLC0415

        return DynamoDBMemberships(
            self._table, self._layout, self._operation, self._transaction_items
        )

    @property
    def deliveries(self) -> "Deliveries":
        """What is sent to webhooks; the table's stream queues it."""
        # Most cold starts are for other requests.
        from chalicelib.storage.dynamodb.deliveries import DynamoDBDeliveries  # noqa: PLC0415

        return DynamoDBDeliveries(self._table, self._operation)

    def prepare(self) -> None:
        """See Storage."""
        self._operation()

    def check(self) -> None:
        """See Storage. Reads a key that no item has."""
        self._get(self._operation(), {"PK": {"S": "CHECK"}, "SK": {"S": "CHECK"}})

    def close(self) -> None:
        """See Storage."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _operation(self, budget: float | None = None) -> Operation:
        client = self._client
        if client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._make_client(self._budget)
                client = self._client
        return Operation(client, self._budget if budget is None else budget, self._clock)

    def _resumed(
        self,
        operation: Operation,
        resource: Resource[Any],
        record: IdempotencyRecord | None,
        now: int,
        steps: Mapping[str, bool],
    ) -> IdempotencyRecord | None:
        """Return the live record of an earlier attempt, which gets the members that it still lacks.

        Only of an entity that has not changed since: each change of members makes a version.
        """
        item = self._get(operation, record_key(record.key)) if record else None
        if record is None or item is None or int(item[TIME_TO_LIVE]["N"]) <= now:
            return None
        earlier = record_from(item, record.key)
        if earlier.digest == record.digest:
            owner = self._get(operation, self._layout.of(resource).key((item["owner_id"]["S"],)))
            if owner is not None and owner["version"] == {"N": "1"}:
                self.memberships.fill(operation, resource, item["owner_id"]["S"], steps)
        return earlier

    def _get(self, operation: Operation, key: Key) -> Item | None:
        request = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        return operation.send("GetItem", request).get("Item")

    def _update(self, operation: Operation, update: Update, act: Act | None) -> Item:
        request = {**update.request(), "ReturnValues": "ALL_NEW"}
        item: Item = operation.send("UpdateItem", request)["Attributes"]
        self._move_history(operation, item, act)
        return item

    def _move_history(self, operation: Operation, item: Item, act: Act | None) -> None:
        """Move entries out of an item that was changed, which may be as it was before."""
        if act is not None and operation.has_time_for(_MOVE_REQUESTS):
            # Without retries: the caller waits, and the next change can do it as well.
            self._history.move(self._operation(budget=0), item)

    def _writes_with_change(
        self, items: ResourceItems[EntityT], old: EntityT, new: EntityT
    ) -> Writes:
        """Return what changes in the same transaction: claims, and the parent's counter."""
        resource, writes = items.resource, []
        for unique in resource.unique:
            before, after = unique.key(old), unique.key(new)
            if before == after:
                continue
            if after is not None:
                writes.append(put_new(self._table, items.claim(unique, after, new.id)))
            if before is not None:
                claim = {"TableName": self._table, "Key": claim_key(unique, before)}
                writes.append({"Delete": claim})
        counter = resource.counter
        difference = counter.counts(new) - counter.counts(old) if counter else 0
        count = counter_update(self._table, self._layout, resource, new, difference)
        if difference and count:
            writes.append({"Update": count.request()})
        return writes

    def _find(
        self, operation: Operation, items: ResourceItems[EntityT], claim: Key
    ) -> EntityT | None:
        """Return the entity that had claimed a unique value."""
        found = self._get(operation, claim)
        if found is None:
            return None
        item = self._get(operation, items.key((found[items.resource.id_field]["S"],)))
        return items.entity(item) if item else None


def _member_not_found(resource: Resource[Any]) -> Problem:
    """Return why members could not be added to an entity that nobody else has changed."""
    assert resource.members is not None  # noqa: S101 - it was to get some
    return resource.members.resource.not_found()


def _refuse(resource: Resource[Any], rejected: Writes, of_members: Writes) -> None:
    """Raise why writes beside that of a changed entity were rejected.

    Do nothing if others have changed the same members meanwhile, without another version.
    """
    if any("Update" in write for write in rejected if write in of_members):
        raise _member_not_found(resource) from None
    if resource.parent is not None:
        # A child has no unique fields: here its parent, which would count it again, is gone.
        raise resource.parent.not_found from None
    claims = [write for write in rejected if write not in of_members]
    if claims:
        raise taken(resource, claims) from None
