"""The tables of the SQL engine, the same on SQLite and PostgreSQL.

Each resource has one table, whose columns follow from the fields of its entity. What was done to
the entities of all of them is in one table more, and so are the events that are not relayed yet,
and the deliveries to webhooks. Where entities have members, these are in a table of their own.
Children have no foreign key to their parent, and entries of the history none to their entity: those
that are kept outlive it. Ids sort by creation time, so the primary keys serve the lists as well.
"""

from collections.abc import Sequence
from typing import Any, Generic, get_type_hints

import msgspec
from msgspec import UNSET
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

from chalicelib.domain.annotations import bare_type, is_optional, metas
from chalicelib.domain.deliveries import Delivery, Message
from chalicelib.domain.history import HistoryEntry
from chalicelib.domain.resource import EntityT, Ids, Kind, Members, Resource, Resources

# PostgreSQL's "C" collation sorts ids by octet, as cursors do, and as SQLite does anyway.
_ID = String(36).with_variant(String(36, collation="C"), "postgresql")
_MAX_INTEGER = 2**31 - 1
_PENDING = "status = 'pending'"


class ResourceTable(Generic[EntityT]):
    """The table of one resource, and the way from its rows to entities and back."""

    def __init__(self, resource: Resource[EntityT], metadata: MetaData) -> None:
        self._resource = resource
        self._unique = {unique.field: unique for unique in resource.unique}
        self._decoders = {
            field: msgspec.json.Decoder(bare_type(resource.hints[field])).decode
            for field, kind in resource.fields.items()
            if kind in {Kind.PAIRS, Kind.JSON}
        }
        parents = [resource.parent.id_field] if resource.parent else []
        path = [*parents, resource.id_field]
        optional = self._optional = resource.optional
        self.table = Table(
            resource.name,
            metadata,
            *(Column(field, _ID, primary_key=True) for field in path),
            *(
                Column(field, _column_type(resource, field), nullable=field in optional)
                for field in resource.fields
                if field not in path
            ),
            *(
                # Both databases take any number of NULL.
                Column(_key_column(field), Text, nullable=field in optional, unique=True)
                for field in self._unique
            ),
            *(
                Index(f"{resource.name}_by_{field}", *parents, field, resource.id_field)
                for field in resource.filters
            ),
        )
        self.columns = [self.table.c[field] for field in resource.fields]
        self.id = self.table.c[resource.id_field]
        self.path = [self.table.c[field] for field in path]
        self.version = self.table.c.version

    def is_at(self, ids: Ids) -> ColumnElement[bool]:
        """Return the condition that a row is at the path `ids`, or below it."""
        condition: ColumnElement[bool] = self.path[0] == ids[0]
        for column, value in zip(self.path[1:], ids[1:], strict=False):
            condition &= column == value
        return condition

    def filter(self, field: str, value: str) -> ColumnElement[bool]:
        """Return the condition that a field has a value, as the unique field compares them."""
        if field in self._unique:
            return self.table.c[_key_column(field)] == self._unique[field].normalize(value)
        return self.table.c[field] == value

    def entity(self, row: Row[Any]) -> EntityT:
        """Return the entity in a row of `columns`."""
        values = row._asdict()
        for field in self._optional:
            if values[field] is None:
                values[field] = UNSET
        for field, decode in self._decoders.items():
            if values[field] is not UNSET:
                values[field] = decode(values[field])
        return self._resource.entity(**values)

    def values(self, entity: EntityT) -> dict[str, Any]:
        """Return the row of an entity."""
        values = {field: getattr(entity, field) for field in self._resource.fields}
        for field in self._decoders:
            if values[field] is not UNSET:
                values[field] = msgspec.json.encode(values[field]).decode()
        for field in self._optional:
            if values[field] is UNSET:
                values[field] = None
        for field, unique in self._unique.items():
            values[_key_column(field)] = unique.key(entity)
        return values


class HistoryTable:
    """The table of what was done to the entities of all resources, and its rows."""

    def __init__(self, metadata: MetaData) -> None:
        self.table = Table(
            "history",
            metadata,
            Column("owner_id", _ID, primary_key=True),
            Column("version", Integer, primary_key=True, autoincrement=False),
            Column("resource", Text, nullable=False),
            # The other id in the owner's path, so that no other path leads to the entries.
            Column("parent_id", _ID),
            Column("action", Text, nullable=False),
            Column("fields", Text, nullable=False),
            Column("at", Text, nullable=False),
            Column("by", Text, nullable=False),
            Column("by_role", Text, nullable=False),
            Column("request_id", Text, nullable=False),
        )
        self.columns = [self.table.c[name] for name in HistoryEntry.__struct_fields__]
        self.version = self.table.c.version

    def is_of(self, ids: Ids) -> ColumnElement[bool]:
        """Return the condition that an entry is of the entity at the path `ids`."""
        owner = self.table.c.owner_id == ids[-1]
        # Comparing with None becomes IS NULL.
        return owner & (self.table.c.parent_id == _parent_id(ids))

    def values(self, resource: Resource[Any], ids: Ids, entry: HistoryEntry) -> dict[str, Any]:
        """Return the row of an entry."""
        return msgspec.structs.asdict(entry) | {
            "owner_id": ids[-1],
            "resource": resource.name,
            "parent_id": _parent_id(ids),
            "fields": msgspec.json.encode(entry.fields).decode(),
        }

    def entry(self, row: Row[Any]) -> HistoryEntry:
        """Return the entry in a row of `columns`."""
        values = row._asdict()
        return HistoryEntry(**values | {"fields": msgspec.json.decode(values["fields"])})


class DeliveryTable:
    """The table of deliveries to webhooks, and its rows."""

    def __init__(self, metadata: MetaData) -> None:
        hints = get_type_hints(Delivery, include_extras=True)
        path = ["webhook_id", "delivery_id"]
        self._optional = [name for name in hints if is_optional(hints[name])]
        self.table = Table(
            "deliveries",
            metadata,
            *(Column(name, _ID, primary_key=True) for name in path),
            *(
                Column(
                    name,
                    Integer if Kind.of(hint) is Kind.INTEGER else Text,
                    nullable=name in self._optional,
                )
                for name, hint in hints.items()
                if name not in path
            ),
            Column("payload", Text, nullable=False),
            Column("expires_at", BigInteger, nullable=False, index=True),
            Index(
                "deliveries_due",
                "webhook_id",
                "next_attempt_at",
                "delivery_id",
                postgresql_where=text(_PENDING),
                sqlite_where=text(_PENDING),
            ),
        )
        self.columns = [self.table.c[name] for name in Delivery.__struct_fields__]
        self.message_columns = [*self.columns, self.table.c.payload]
        # As the index has it: with a bound value, SQLite would not use the index.
        self.is_pending = text(_PENDING)

    def is_at(self, webhook_id: str, delivery_id: str) -> ColumnElement[bool]:
        """Return the condition that a row is this delivery."""
        columns = self.table.c
        return (columns.webhook_id == webhook_id) & (columns.delivery_id == delivery_id)

    def fields(self, delivery: Delivery) -> dict[str, Any]:
        """Return the columns of a delivery without its event."""
        values = msgspec.structs.asdict(delivery)
        columns = {name: None if value is UNSET else value for name, value in values.items()}
        return columns | {"expires_at": delivery.expires_at}

    def values(self, message: Message) -> dict[str, Any]:
        """Return the row of a delivery."""
        delivery = message.delivery
        return self.fields(delivery) | {"payload": message.payload}

    def delivery(self, row: Row[Any]) -> Delivery:
        """Return the delivery in a row of `columns`, and perhaps more."""
        values = {name: getattr(row, name) for name in Delivery.__struct_fields__}
        for name in self._optional:
            if values[name] is None:
                values[name] = UNSET
        return Delivery(**values)

    def message(self, row: Row[Any]) -> Message:
        """Return the delivery in a row of `message_columns`."""
        return Message(self.delivery(row), row.payload)


class MemberTable:
    """The table of the members of a resource's entities, with a row for each."""

    def __init__(self, resource: Resource[Any], members: Members, metadata: MetaData) -> None:
        owner, member = resource.id_field, members.resource.id_field
        self.table = Table(
            members.name,
            metadata,
            Column(owner, _ID, primary_key=True),
            Column(member, _ID, primary_key=True),
            Index(f"{members.name}_by_{member}", member, owner),
        )
        self.owner = self.table.c[owner]
        self.member = self.table.c[member]

    def is_at(self, owner_id: str, member_ids: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that a row is of an entity and one of these members."""
        return (self.owner == owner_id) & self.member.in_(member_ids)

    def values(self, owner_id: str, member_id: str) -> dict[str, str]:
        """Return the row of a member."""
        return {self.owner.name: owner_id, self.member.name: member_id}


def outbox_table(metadata: MetaData) -> Table:
    """Return the table of events that have not been relayed; ids grow in the order of writing."""
    return Table(
        "outbox",
        metadata,
        # SQLite gives ids by itself to this type alone.
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("subject", Text, nullable=False),
        Column("event", Text, nullable=False),
    )


class Schema:
    """The tables of `resources`, of their history, of the idempotency records, and of events."""

    def __init__(self, resources: Resources) -> None:
        self.metadata = MetaData()
        self.resources = resources
        self._tables = {
            resource.name: ResourceTable(resource, self.metadata) for resource in resources
        }
        self._members = {
            resource.name: MemberTable(resource, resource.members, self.metadata)
            for resource in resources
            if resource.members is not None
        }
        self.history = HistoryTable(self.metadata)
        self.records = Table(
            "idempotency_keys",
            self.metadata,
            Column("key", String(64), primary_key=True),
            Column("digest", String(64), nullable=False),
            Column("body", Text, nullable=False),
            Column("expires_at", BigInteger, nullable=False, index=True),
            # The entity whose creation this is, until it is deleted.
            Column("owner_id", _ID, index=True),
        )
        self.outbox = outbox_table(self.metadata)
        self.deliveries = DeliveryTable(self.metadata)

    def of(self, resource: Resource[EntityT]) -> ResourceTable[EntityT]:
        """Return the table of a resource."""
        return self._tables[resource.name]

    def members_of(self, resource: Resource[Any]) -> MemberTable:
        """Return the table of the members of a resource's entities."""
        return self._members[resource.name]


def _parent_id(ids: Ids) -> str | None:
    return ids[-2] if len(ids) > 1 else None


def _key_column(field: str) -> str:
    return f"{field}_key"


def _column_type(resource: Resource[Any], field: str) -> TypeEngine[Any]:
    kind = resource.fields[field]
    if kind is Kind.ID:
        return _ID
    if kind is not Kind.INTEGER:
        return Text()
    limit = max((meta.le or 0 for meta in metas(resource.hints[field])), default=0)
    return BigInteger() if limit > _MAX_INTEGER else Integer()
