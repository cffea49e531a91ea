"""Amazon DynamoDB: one table, one request for each operation wherever that is possible.

Two requests are needed where an item determines what else is written, or what to return: a changed
unique value (the old claim), a deletion (claims, records, children), and a change of what a parent
counts (a transaction returns no item). The second request is conditioned on what the first one saw.
It is retried when a concurrent write wins; the failed condition hands back the item to decide by.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chalicelib.aws.retries import Clock
from chalicelib.domain.errors import Problem
from chalicelib.domain.history import Act, HistoryEntry
from chalicelib.domain.idempotency import IdempotencyRecord
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
    Item,
    Key,
    Layout,
    ResourceItems,
    claim_key,
    has_write_token,
    new_write_token,
    record_from,
)
from chalicelib.storage.dynamodb.lists import Lists, matches
from chalicelib.storage.dynamodb.requests import (
    ConditionFailed,
    DynamoDBClient,
    Operation,
    make_client,
)
from chalicelib.storage.dynamodb.updates import Update, blind_update, counter_update, exact_update

if TYPE_CHECKING:
    from chalicelib.domain.deliveries import Deliveries

_MOVE_REQUESTS = 2

Write = dict[str, Any]
Writes = list[Write]


class DynamoDBStorage:
    """The table `table`, which `python -m chalicelib.storage create-table` creates.

    `shards` is the number of partitions over which lists of everything are spread (about 1,000
    creations a second each); it may grow, but never shrink. `budget` is the time that an operation
    may take, retries included, in seconds. `clock` and `client` can be replaced in tests.
    """

    def __init__(  # noqa: PLR0913 - two are for tests
        self,
        table: str,
        resources: Resources,
        *,
        shards: int = 1,
        budget: float = 8,
        clock: Clock = Clock(),  # noqa: B008 - it is immutable
        client: Callable[[float], DynamoDBClient] = make_client,
    ) -> None:
        self._table = table
        self._layout = Layout(resources)
        self._shards = shards
        self._lists = Lists(table, self._layout, shards)
        self._history = History(table)
        self._budget = budget
        self._clock = clock
        self._make_client = client
        self._client: DynamoDBClient | None = None
        self._lock = threading.Lock()

    def create(
        self,
        resource: Resource[EntityT],
        entity: EntityT,
        record: IdempotencyRecord | None,
        now: int,
        act: Act | None = None,
    ) -> IdempotencyRecord | None:
        """See Storage."""
        creation = Creation(self._table, self._layout, self._shards, now)
        writes = creation.writes(resource, entity, record, act)
        try:
            self._operation().transact(writes)
        except ConditionFailed as failed:
            if record is not None and (earlier := failed.items.get(0)) is not None:
                return record_from(earlier, record.key)
            raise creation.problem(resource, writes, failed.items) from None
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
        blind = blind_update(self._table, items, key, change, token)
        if blind is None:
            item = self._get(operation, key)
        else:
            try:
                return items.entity(self._update(operation, blind, change.act))
            except ConditionFailed as failed:
                item = failed.items[0]
        has_conflict = False
        while item is not None:
            old = items.entity(item)
            if has_write_token(item, token):
                return old
            new = change.apply_to(old)
            if has_conflict:
                operation.wait()
            update = exact_update(self._table, items, item, new, act=change.act, token=token)
            others = self._writes_with_change(items, old, new)
            try:
                if others:
                    operation.transact([{"Update": update.request()}, *others])
                    self._move_history(operation, item, change.act)
                else:
                    self._update(operation, update, change.act)
            except ConditionFailed as failed:
                if 0 not in failed.items:
                    rejected = [others[place - 1] for place in sorted(failed.items)]
                    raise _rejection(resource, rejected) from None
                item, has_conflict = failed.items[0], True
            else:
                return new
        raise resource.not_found

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
        if resource.is_small:
            return self._lists.small(operation, items, query)
        for unique in resource.unique:
            if unique.field in query.filters:
                value = unique.normalize(query.filters[unique.field])
                found = self._find(operation, items, claim_key(unique, value))
                # Between the two reads the entity may have taken another value.
                return Page([found] if found and matches(query, resource, found) else [], None)
        return self._lists.all(operation, items, query)

    def history(self, resource: Resource[EntityT], ids: Ids, query: Query) -> Page[HistoryEntry]:
        """See Storage."""
        key = self._layout.of(resource).key(ids)
        page = self._history.read(self._operation(), key, query)
        if page is None:
            raise resource.not_found
        return page

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
            if before != after:
                claim = {"TableName": self._table, "Key": claim_key(unique, before)}
                writes.append(put_new(self._table, items.claim(unique, after, new.id)))
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


def _rejection(resource: Resource[Any], rejected: Writes) -> Problem:
    """Return why writes beside that of a changed entity were rejected."""
    # A child has no unique fields: here its parent, which would count it again, is gone.
    return resource.parent.not_found() if resource.parent else taken(resource, rejected)
