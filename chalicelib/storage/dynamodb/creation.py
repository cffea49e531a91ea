"""Creation of an entity: with its claims, its record and its parent's counter, all at once."""

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.errors import Problem
from chalicelib.domain.history import Act
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.resource import EntityT, Resource
from chalicelib.storage.dynamodb.history_items import LATEST_ENTRY, latest
from chalicelib.storage.dynamodb.items import (
    MEMBER_COUNT,
    Item,
    Layout,
    latest_child_attribute,
    record_item,
    trace_attributes,
)
from chalicelib.storage.dynamodb.updates import Update, counter_update

Write = dict[str, Any]


class Creation:
    """The writes that create entities in the table `table`, and why they fail.

    `shards` is the number of partitions of lists; `now` is in seconds since the Unix epoch.
    """

    def __init__(self, table: str, layout: Layout, shards: int, now: int) -> None:
        self._table = table
        self._layout = layout
        self._shards = shards
        self._now = now

    def writes(
        self,
        resource: Resource[EntityT],
        entity: EntityT,
        record: IdempotencyRecord | None,
        act: Act | None,
        members: int = 0,
    ) -> list[Write]:
        """Return the writes: the record, the parent, the entity, and the values that it claims.

        The entity counts so many `members`, whose own writes are not among these.
        """
        items = self._layout.of(resource)
        writes = []
        if record is not None:
            writes.append(put_record(self._table, record, entity.id, self._now))
        if update := self._parent_update(resource, entity):
            writes.append({"Update": update.request()})
        item = items.new(entity, self._shards, record)
        if act is not None:
            item[LATEST_ENTRY] = latest(act, entity.version)
        if members:
            item[MEMBER_COUNT] = {"N": str(members)}
        item |= trace_attributes(resource, entity.updated_at)
        writes.append(put_new(self._table, item))
        writes += [
            put_new(self._table, items.claim(unique, key, entity.id))
            for unique in resource.unique
            if (key := unique.key(entity)) is not None
        ]
        return writes

    def problem(
        self, resource: Resource[Any], writes: list[Write], failed: Mapping[int, Item | None]
    ) -> Exception:
        """Return why the creation failed, by the items that the failed conditions saw."""
        for place, item in sorted(failed.items()):
            if "Update" in writes[place]:
                return self._parent_problem(resource, item)
        puts = [writes[place] for place in sorted(failed)]
        entity_type = self._layout.of(resource).type
        if any(put["Put"]["Item"]["SK"]["S"].partition("#")[0] == entity_type for put in puts):
            return RuntimeError("An id was used twice.")
        return taken(resource, puts)

    def _parent_update(self, resource: Resource[EntityT], entity: EntityT) -> Update | None:
        """Return the parent's part in the creation of a child: guard, counter and maximum."""
        counter, guard = resource.counter, resource.parent_guard
        counted = counter is not None and counter.counts(entity)
        update = counter_update(self._table, self._layout, resource, entity, int(counted))
        if counter is None or update is None:
            return None
        if counter.maximum is not None and counted:
            update.where(
                f"(attribute_not_exists(#{counter.name}) OR #{counter.name} < :maximum)",
                maximum={"N": str(counter.maximum)},
            )
        if guard:
            update.where_in(guard.field, [{"S": value} for value in sorted(guard.allowed)])
        if resource.on_parent_deletion == "delete":
            update.set(latest_child_attribute(resource), {"S": entity.id})
        return update

    def _parent_problem(self, resource: Resource[Any], item: Item | None) -> Problem:
        """Return why a parent, whose item is handed back, refused the creation of a child."""
        parent, counter = resource.parent, resource.counter
        assert parent is not None and counter is not None  # noqa: S101, PT018 - see Resource
        if item is None:
            return parent.not_found()
        if resource.parent_guard:
            try:
                resource.parent_guard.check(self._layout.of(parent).entity(item))
            except Problem as refusal:
                return refusal
        return counter.exceeded()


def put_new(table: str, item: Item) -> Write:
    """Return the write of an item whose key must be free."""
    return {
        "Put": {
            "TableName": table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(PK)",
        }
    }


def put_record(table: str, record: IdempotencyRecord, owner_id: str, now: int) -> Write:
    """Return the write of a record, whose key no record may have that expires after `now`."""
    put = put_new(table, record_item(record, owner_id))
    put["Put"] |= {
        "ConditionExpression": "attribute_not_exists(PK) OR expires_at <= :now",
        "ExpressionAttributeValues": {":now": {"N": str(now)}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return put


def taken(resource: Resource[Any], claims: list[Write]) -> Problem:
    """Return the problem of the first of the claims that failed."""
    problems = {unique.claim_name.upper(): unique.taken for unique in resource.unique}
    return problems[claims[0]["Put"]["Item"]["SK"]["S"]]()
