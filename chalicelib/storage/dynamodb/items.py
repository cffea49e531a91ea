"""How entities lie in the DynamoDB table: the one place that knows keys and attributes.

Those of the history are in `history_items`, and those of members in `member_items`.

| item | PK | SK | index GSI1: PK, SK |
|---|---|---|---|
| user | ``USER#<id>`` | ``USER`` | ``USERS#<shard>``, ``<id>`` |
| order | ``USER#<id>`` | ``ORDER#<order id>`` | |
| webhook | ``WEBHOOKS`` | ``WEBHOOK#<id>`` | |
| claim of an e-mail address | ``EMAIL#<case-folded>`` | ``EMAIL`` | |
| idempotency record | ``IDEMPOTENCY#<key>`` | ``IDEMPOTENCY`` | |
| chunk of a history | ``HISTORY#<PK of the entity>`` | ``<SK of the entity>#<version>`` | |

The names come from the resource: a child lies in its parent's partition, a small resource has one
partition for all, and a unique field has an item of its own, which claims the value. Items are in
DynamoDB's wire format, such as ``{"version": {"N": "1"}}``, and are read without boto3's
TypeDeserializer, which walks every value of every item. Attributes are native, for the console,
exports and streams, and so that metadata can be patched in place; only what has parts and never
changes in part, as the lines of an order, is one JSON string. As a list of maps they made a Query
of 25 orders with five lines each cost 2.2 times the CPU time and a fifth more bytes.
"""

import secrets
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Generic

import msgspec
from msgspec import UNSET

from chalicelib.domain.annotations import bare_type
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.resource import (
    EntityT,
    Ids,
    Kind,
    Resource,
    Resources,
    Unique,
    children,
    owners,
)
from chalicelib.telemetry.activity import current

Item = dict[str, Any]
Key = dict[str, Any]
Attribute = dict[str, Any]

INDEX = "GSI1"
TIME_TO_LIVE = "expires_at"
TRACE = "trace"
# The attribute in which an item remembers its latest updates; stored data fixes its name.
WRITE_TOKENS = "marks"
REMEMBERED_WRITES = 4
MEMBER = "MEMBER"
MEMBERSHIP = "MEMBERSHIP"
MEMBER_COUNT = "member_count"
MEMBERSHIP_COUNT = "membership_count"
_WRITE_TOKEN_BYTES = 8
_MAX_TRANSACTION_WRITES = 100


class ResourceItems(Generic[EntityT]):
    """The items of one resource."""

    def __init__(self, resource: Resource[EntityT], resources: Resources) -> None:
        self.resource = resource
        self.type = resource.entity.__name__.upper()
        self._root = self.type if resource.parent is None else _type(resource.parent)
        self._partition = f"{self._root}#"
        self._parent_field = resource.parent.id_field if resource.parent else None
        # Whether the sort key tells entities of one partition apart.
        self._shares_partition = resource.parent is not None or resource.is_small
        path = {resource.id_field, self._parent_field}
        self._fields = {field: kind for field, kind in resource.fields.items() if field not in path}
        self.entity: Callable[[Item], EntityT] = self._entity_reader()
        below = children(resources, resource)
        self._counters = {child.counter.name: {"N": "0"} for child in below if child.counter}

    def key(self, ids: Ids) -> Key:
        """Return the key of the entity at the path `ids`."""
        return {"PK": {"S": self.partition(ids)}, "SK": {"S": self.sort_key(ids)}}

    def partition(self, ids: Ids) -> str:
        """Return the partition of an entity, or of the children of a parent."""
        return self.resource.name.upper() if self.resource.is_small else self._partition + ids[0]

    def sort_key(self, ids: Ids) -> str:
        """Return the sort key of the entity at the path `ids`."""
        return f"{self.type}#{ids[-1]}" if self._shares_partition else self.type

    def id(self, item: Item) -> str:
        """Return the entity's id in an item or a key."""
        own: str = (
            item["SK"]["S"][len(self.type) + 1 :]
            if self._shares_partition
            else item["PK"]["S"][len(self._partition) :]
        )
        return own

    def holds(self, key: Key) -> bool:
        """Return whether this is the key of one of the resource's entities."""
        partition, sort_key = key["PK"]["S"], key["SK"]["S"]
        name, separator, _ = sort_key.partition("#")
        if name != self.type or bool(separator) != self._shares_partition:
            return False
        if self.resource.is_small:
            return bool(partition == self.partition(()))
        return bool(partition.startswith(self._partition))

    def shard_partition(self, shard: int) -> str:
        """Return the index's partition for one shard of the list of all entities."""
        return f"{self.resource.name.upper()}#{shard}"

    def new(self, entity: EntityT, shards: int, record: IdempotencyRecord | None) -> Item:
        """Return the item of a new entity. The shard depends only on the id and on `shards`."""
        item = self.key(self.resource.ids(entity))
        if not self._shares_partition:
            shard = zlib.crc32(entity.id.encode()) % shards
            item["GSI1PK"] = {"S": self.shard_partition(shard)}
            item["GSI1SK"] = {"S": entity.id}
        item |= self.attributes(entity)
        item |= self._counters
        item[WRITE_TOKENS] = {"L": [{"S": "-"}] * REMEMBERED_WRITES}
        if record is not None:
            item["record"] = {"S": record.key}
        return item

    def attributes(self, entity: EntityT) -> Item:
        """Return the attributes of an entity's fields, those of unique fields included."""
        attributes = {
            field: self.attribute(field, value)
            for field in self._fields
            if (value := getattr(entity, field)) is not UNSET
        }
        for unique in self.resource.unique:
            if (key := unique.key(entity)) is not None:
                attributes[key_attribute(unique)] = {"S": key}
        return attributes

    def attribute(self, field: str, value: Any) -> Attribute:  # noqa: ANN401 - any field's
        """Return the attribute of one field."""
        return _WRITERS[self._fields[field]](value)

    def _entity_reader(self) -> Callable[[Item], EntityT]:
        """Return the function that makes an entity of an item.

        Its source is written here, as namedtuple's is: a loop over the fields takes twice as long,
        which is 3 % of the CPU time of a page.
        """
        own = f"item['PK']['S'][{len(self._partition)}:]"
        sources = {self.resource.id_field: own}
        if self._shares_partition:
            sources[self.resource.id_field] = f"item['SK']['S'][{len(self.type) + 1}:]"
        if self._parent_field is not None:
            sources[self._parent_field] = own
        known: dict[str, Any] = {"entity": self.resource.entity, "UNSET": UNSET}
        for field, kind in self._fields.items():
            known[f"read_{field}"] = _reader(kind, self.resource.hints[field])
            source = f"read_{field}(item['{field}'])"
            if kind in {Kind.ID, Kind.TEXT}:
                source = f"item['{field}']['S']"
            if field in self.resource.optional:
                source += f" if '{field}' in item else UNSET"
            sources[field] = source
        arguments = ", ".join(f"{field}={source}" for field, source in sources.items())
        made: Callable[[Item], EntityT] = eval(  # noqa: S307 - of the names of declared fields
            f"lambda item: entity({arguments})", known
        )
        return made

    def claim(self, unique: Unique, key: str, entity_id: str) -> Item:
        """Return the item by which an entity holds the value of a unique field."""
        return {**claim_key(unique, key), self.resource.id_field: {"S": entity_id}}


class Layout:
    """The items of all resources.

    Raises ValueError for resources that cannot share a table.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self._items = {resource.name: ResourceItems(resource, resources) for resource in resources}
        _check(resources)

    def of(self, resource: Resource[EntityT]) -> ResourceItems[EntityT]:
        """Return the items of a resource."""
        return self._items[resource.name]

    def children(self, resource: Resource[Any]) -> list[ResourceItems[Any]]:
        """Return the items of the resource's children."""
        return [self.of(child) for child in children(self.resources, resource)]

    def lies_before_parent(self, items: ResourceItems[Any]) -> bool:
        """Return whether nothing lies between these children and their parent's own item.

        Then a Query that reads on behind the children finds the parent as well. Sort keys are
        ``<CHILD>#<id>`` and ``<PARENT>``, so it depends on the names of all children.
        """
        parent = items.resource.parent
        if parent is None:
            return False
        others = [MEMBERSHIP] if owners(self.resources, parent) else []
        names = sorted([_type(parent), *(child.type for child in self.children(parent)), *others])
        return names.index(_type(parent)) == names.index(items.type) + 1


def _check(resources: Resources) -> None:
    names = [_type(resource) for resource in resources]
    claims = [unique.claim_name.upper() for resource in resources for unique in resource.unique]
    small = [resource.name.upper() for resource in resources if resource.is_small]
    taken = [*names, *claims, *small, "IDEMPOTENCY", "HISTORY", "DELIVERIES", MEMBER, MEMBERSHIP]
    if len(set(taken)) < len(taken):
        raise ValueError(f"Items of different kinds would have the same keys: {sorted(taken)}.")
    for resource in resources:
        maxima = [
            child.counter.maximum or 0
            for child in children(resources, resource)
            if child.counter and child.on_parent_deletion == "delete"
        ]
        # Each entity that is deleted may have a record, and leaves its history.
        writes = 3 + len(resource.unique) + 3 * sum(maxima)
        if writes > _MAX_TRANSACTION_WRITES:
            raise ValueError(
                f"{resource.name}: deleting one may take {writes} writes, and a transaction has at"
                f" most {_MAX_TRANSACTION_WRITES}; lower the maxima of what is deleted with it."
            )


def projected(resources: Resources) -> list[str]:
    """Return the attributes that the index of lists holds.

    Only what clients read: a write to anything else, such as a count of children, is then no write
    to the index. DynamoDB never changes the projection of an existing index.
    """
    fields = {
        field: None
        for resource in resources
        if resource.parent is None and not resource.is_small
        for field in resource.fields
        if field != resource.id_field
    }
    return list(fields)


def _type(resource: Resource[Any]) -> str:
    return resource.entity.__name__.upper()


def key_attribute(unique: Unique) -> str:
    """Return the attribute that holds a unique field in the form in which it is compared."""
    return f"{unique.field}_key"


def count_attributes(resources: Resources, resource: Resource[Any]) -> list[str]:
    """Return the attributes that count an entity's members, and what it is a member of."""
    names = [] if resource.members is None else [MEMBER_COUNT]
    return [*names, MEMBERSHIP_COUNT] if owners(resources, resource) else names


def latest_child_attribute(child: Resource[Any]) -> str:
    """Return the parent's attribute with the id of the latest of the children deleted with it."""
    return f"latest_{child.id_field}"


def claim_key(unique: Unique, key: str) -> Key:
    """Return the key of the claim of a unique field's value."""
    name = unique.claim_name.upper()
    return {"PK": {"S": f"{name}#{key}"}, "SK": {"S": name}}


def record_key(key: str) -> Key:
    """Return the key of an idempotency record."""
    return {"PK": {"S": f"IDEMPOTENCY#{key}"}, "SK": {"S": "IDEMPOTENCY"}}


def record_item(record: IdempotencyRecord, owner_id: str) -> Item:
    """Return the item of the record of the creation of the entity `owner_id`."""
    return {
        **record_key(record.key),
        "owner_id": {"S": owner_id},
        "digest": {"S": record.digest},
        "body": {"S": record.body},
        TIME_TO_LIVE: {"N": str(record.expires_at)},
    }


def record_from(item: Item, key: str) -> IdempotencyRecord:
    """Return the record in `item` under `key`; a tombstone has no digest and no body."""
    absent = {"S": ""}
    return IdempotencyRecord(
        key=key,
        digest=item.get("digest", absent)["S"],
        body=item.get("body", absent)["S"],
        expires_at=int(item[TIME_TO_LIVE]["N"]),
    )


def trace_attributes(resource: Resource[Any], updated_at: str) -> dict[str, Attribute]:
    """Return what keeps the client's trace for the event of a write, which the stream makes.

    Nothing without a trace or an event.
    """
    traceparent = current().traceparent
    if not traceparent or resource.events is None:
        return {}
    return {TRACE: {"S": f"{updated_at} {traceparent}"}}


def traceparent_of(item: Item) -> str:
    """Return the trace of the request that wrote an item last, "" without one."""
    written_at, _, traceparent = item.get(TRACE, {"S": ""})["S"].partition(" ")
    # An update without a trace leaves that of one before it.
    return str(traceparent) if written_at == item["updated_at"]["S"] else ""


def new_write_token() -> str:
    """Return a text that no other update has."""
    return secrets.token_urlsafe(_WRITE_TOKEN_BYTES)


def has_write_token(item: Item, token: str) -> bool:
    """Return whether the update with this token is among the latest of `item`."""
    return {"S": token} in item[WRITE_TOKENS]["L"]


def pairs(metadata: Mapping[str, str | None]) -> Attribute:
    """Return pairs of strings as a map in the wire format."""
    return {"M": {key: {"S": value} for key, value in metadata.items() if value is not None}}


_WRITERS: Mapping[Kind, Callable[[Any], Attribute]] = {
    Kind.ID: lambda value: {"S": value},
    Kind.TEXT: lambda value: {"S": value},
    Kind.INTEGER: lambda value: {"N": str(value)},
    Kind.PAIRS: pairs,
    Kind.JSON: lambda value: {"S": msgspec.json.encode(value).decode()},
}


def _reader(kind: Kind, hint: Any) -> Callable[[Attribute], Any]:  # noqa: ANN401 - an annotation
    if kind is Kind.INTEGER:
        return lambda attribute: int(attribute["N"])
    if kind is Kind.PAIRS:
        return lambda attribute: {key: value["S"] for key, value in attribute["M"].items()}
    if kind is Kind.JSON:
        decode = msgspec.json.Decoder(bare_type(hint)).decode
        return lambda attribute: decode(attribute["S"])
    return lambda attribute: attribute["S"]
