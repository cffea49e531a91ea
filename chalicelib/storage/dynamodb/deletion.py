"""Deletion of an entity: its claims, the records of creations, and its children, all at once.

What was done to it and to them goes into chunks, which stay (see `history_items`).
"""

from collections.abc import Iterable
from typing import Any

from chalicelib.domain.history import Act
from chalicelib.domain.resource import Resource
from chalicelib.storage.dynamodb.history_items import chunk, inline, latest
from chalicelib.storage.dynamodb.items import (
    Item,
    Layout,
    ResourceItems,
    claim_key,
    count_attributes,
    key_attribute,
    latest_child_attribute,
    record_key,
)
from chalicelib.storage.dynamodb.requests import Operation
from chalicelib.storage.dynamodb.updates import Update, counter_update

Write = dict[str, Any]
_NONE = {"N": "0"}


class Deletion:
    """The writes that delete an entity, on condition that it has not changed since it was read.

    `now` is in seconds since the Unix epoch.
    """

    def __init__(
        self, table: str, layout: Layout, items: ResourceItems[Any], now: int, act: Act | None
    ) -> None:
        self._table = table
        self._items = items
        self._layout = layout
        self._children = layout.children(items.resource)
        self._now = {"N": str(now)}
        self._act = act
        self._foreign_records: list[dict[str, Any]] = []

    def check_children(self, item: Item) -> None:
        """Raise the `blocks_deletion` of a counter that is not zero."""
        for child in self._children:
            counter = child.resource.counter
            if counter and counter.blocks_deletion and item.get(counter.name, _NONE) != _NONE:
                raise counter.blocks_deletion

    def writes(self, operation: Operation, item: Item) -> list[Write]:
        """Return the writes for the entity in `item`, its own first."""
        resource = self._items.resource
        writes = [{"Delete": self._own(item)}]
        writes += [
            self._delete(claim_key(unique, item[key_attribute(unique)]["S"]))
            for unique in resource.unique
            if key_attribute(unique) in item
        ]
        writes += self._tombstone(item, self._items.id(item))
        writes += self._chunk(item)
        if update := self._parent_update(item):
            writes.append({"Update": update.request()})
        for child in self._children:
            if child.resource.on_parent_deletion == "delete":
                for one in self._read_children(operation, child, item):
                    writes.append(self._delete_child(one))
                    writes += self._tombstone(one, child.id(one))
                    writes += self._chunk(one)
        return writes

    def skip(self, failed: Iterable[Write]) -> None:
        """Leave out the updates that failed, from now on.

        These are records of keys that expired and were used again for another creation. A child
        whose deletion failed has changed, and is read again.
        """
        self._foreign_records += [write["Update"]["Key"] for write in failed if "Update" in write]

    def _own(self, item: Item) -> dict[str, Any]:
        seen = ["version", *count_attributes(self._layout.resources, self._items.resource)]
        for child in self._children:
            seen += _child_attributes(child.resource)
        names = {f"#{name}": name for name in seen}
        values = {f":{name}": item[name] for name in seen if name in item}
        conditions = [
            f"#{name} = :{name}" if name in item else f"attribute_not_exists(#{name})"
            for name in seen
        ]
        return {
            "TableName": self._table,
            "Key": {"PK": item["PK"], "SK": item["SK"]},
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _parent_update(self, item: Item) -> Update | None:
        """Return the update that counts the entity no more, if it is counted."""
        resource, entity = self._items.resource, self._items.entity(item)
        if resource.counter is None or not resource.counter.counts(entity):
            return None
        return counter_update(self._table, self._layout, resource, entity, -1)

    def _tombstone(self, item: Item, owner_id: str) -> list[Write]:
        """Return what makes a tombstone of the record of an entity's creation, if it has one."""
        if "record" not in item:
            return []
        key = record_key(item["record"]["S"])
        if key in self._foreign_records:
            return []
        # A record that expired and was removed leaves a tombstone that has expired as well.
        tombstone = {
            "TableName": self._table,
            "Key": key,
            "UpdateExpression": (
                "SET expires_at = if_not_exists(expires_at, :now) REMOVE owner_id, digest, #body"
            ),
            "ConditionExpression": "attribute_not_exists(PK) OR owner_id = :owner",
            "ExpressionAttributeNames": {"#body": "body"},
            "ExpressionAttributeValues": {":now": self._now, ":owner": {"S": owner_id}},
        }
        return [{"Update": tombstone}]

    def _chunk(self, item: Item) -> list[Write]:
        """Return what keeps the history in an item of an entity, with its deletion as the last."""
        elements = inline(item)
        if self._act is not None:
            elements += latest(self._act, int(item["version"]["N"]) + 1)["L"]
        if not elements:
            return []
        # A chunk that begins with the same version was written before a change could remove its
        # entries from the item; this one has all of them.
        return [{"Put": {"TableName": self._table, "Item": chunk(item, elements)}}]

    def _delete(self, key: dict[str, Any]) -> Write:
        return {"Delete": {"TableName": self._table, "Key": key}}

    def _delete_child(self, item: Item) -> Write:
        """Return the deletion of a child as it was read, whose history goes into a chunk."""
        delete = self._delete({"PK": item["PK"], "SK": item["SK"]})
        delete["Delete"] |= {
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":version": item["version"]},
        }
        return delete

    def _read_children(
        self, operation: Operation, child: ResourceItems[Any], item: Item
    ) -> Iterable[Item]:
        """Yield the items of the children, without a request if there are none."""
        counter = child.resource.counter
        if counter is None or item.get(counter.name, _NONE) == _NONE:
            return
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "PK = :key AND begins_with(SK, :type)",
            "ExpressionAttributeValues": {":key": item["PK"], ":type": {"S": f"{child.type}#"}},
            "ConsistentRead": True,
        }
        yield from operation.items(request)


def _child_attributes(child: Resource[Any]) -> list[str]:
    """Return the parent's attributes that change with each child that is created."""
    names = [child.counter.name] if child.counter else []
    if child.on_parent_deletion == "delete":
        names.append(latest_child_attribute(child))
    return names
