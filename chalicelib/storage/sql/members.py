"""Members: a row for each, in the transaction that changes what has them.

Whoever changes members has locked the row of what has them. New members are locked as well, so that
none is deleted meanwhile.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from chalicelib.domain.resource import EntityT, MemberChanges, Members, Resource, owners
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.sql.schema import MemberTable, Schema
from chalicelib.storage.sql.transactions import Database

_BATCH = 1000


class SQLMemberships:
    """See Memberships."""

    def __init__(self, database: Database, schema: Schema) -> None:
        self._database = database
        self._schema = schema

    def members(self, resource: Resource[Any], owner_id: str, query: Query) -> Page[str]:
        """See Memberships."""
        table = self._schema.members_of(resource)
        listed = select(table.member).where(table.owner == owner_id).limit(query.limit + 1)
        if query.after is not None:
            after = query.after
            listed = listed.where(table.member > after if query.ascending else table.member < after)
        listed = listed.order_by(table.member if query.ascending else table.member.desc())
        found = self._database.read(lambda connection: connection.scalars(listed).all())
        items = [*found[: query.limit]]
        return Page(items, items[-1] if len(found) > query.limit else None)

    def owners(self, resource: Resource[EntityT], member_id: str) -> list[EntityT]:
        """See Memberships."""
        table, entities = self._schema.members_of(resource), self._schema.of(resource)
        found = (
            select(*entities.columns)
            .join(table.table, table.owner == entities.id)
            .where(table.member == member_id)
            .order_by(table.owner)
        )
        return self._database.read(
            lambda connection: [entities.entity(row) for row in connection.execute(found)]
        )

    def has(self, resource: Resource[Any], owner_id: str, member_id: str) -> bool:
        """See Memberships."""
        table = self._schema.members_of(resource)
        found = select(table.member).where(table.is_at(owner_id, [member_id]))
        return bool(self._database.read(lambda connection: connection.scalars(found).all()))

    def change(
        self, connection: Connection, resource: Resource[Any], owner_id: str, changes: MemberChanges
    ) -> bool:
        """Change the members of an entity; return whether that has an effect.

        Raises a new member's not_found.
        """
        steps = changes.steps()
        if resource.members is None or not steps:
            return False
        table = self._schema.members_of(resource)
        present = {*_present(connection, table, owner_id, [*steps])}
        added = sorted(one for one, is_added in steps.items() if is_added and one not in present)
        removed = [one for one, is_added in steps.items() if not is_added and one in present]
        self._lock(connection, resource.members, added)
        for batch in _batches(added):
            rows = [table.values(owner_id, member_id) for member_id in batch]
            connection.execute(insert(table.table), rows)
        for batch in _batches(removed):
            connection.execute(delete(table.table).where(table.is_at(owner_id, batch)))
        return bool(added or removed)

    def lock_owners(self, connection: Connection, member: Resource[Any], member_id: str) -> None:
        """Lock what has a member that is to be deleted.

        Who adds members locks in the same order: first what has them, then the members.
        """
        for owner in owners(self._schema.resources, member):
            self._owner_ids(connection, owner, member_id)

    def leave(
        self, connection: Connection, member: Resource[Any], member_id: str, updated_at: str
    ) -> Iterator[tuple[Resource[Any], list[tuple[tuple[str], int]]]]:
        """Remove a member from all that has it.

        Yield each resource, with the path and the new version of those of its entities that had it.
        """
        for owner in owners(self._schema.resources, member):
            entities, table = self._schema.of(owner), self._schema.members_of(owner)
            found = self._owner_ids(connection, owner, member_id)
            if not found:
                continue
            connection.execute(delete(table.table).where(table.member == member_id))
            changed = (
                update(entities.table)
                .where(entities.id.in_(found))
                .values(version=entities.version + 1, updated_at=updated_at)
                .returning(entities.id, entities.version)
            )
            rows = connection.execute(changed).all()
            yield owner, [((owner_id,), version) for owner_id, version in rows]

    def forget(self, connection: Connection, resource: Resource[Any], owner_id: str) -> None:
        """Remove all members of an entity that is to be deleted."""
        if resource.members is not None:
            table = self._schema.members_of(resource)
            connection.execute(delete(table.table).where(table.owner == owner_id))

    def _owner_ids(
        self, connection: Connection, owner: Resource[Any], member_id: str
    ) -> Sequence[str]:
        """Return the ids of what has a member, and lock it."""
        entities, table = self._schema.of(owner), self._schema.members_of(owner)
        having = select(table.owner).where(table.member == member_id)
        found = select(entities.id).where(entities.id.in_(having)).order_by(entities.id)
        return connection.scalars(found.with_for_update()).all()

    def _lock(self, connection: Connection, members: Members, added: list[str]) -> None:
        """Keep these members from being deleted. Raises their not_found."""
        table = self._schema.of(members.resource)
        for batch in _batches(added):
            found = select(table.id).where(table.id.in_(batch)).order_by(table.id)
            locked = found.with_for_update(read=True, key_share=True)
            if len(connection.scalars(locked).all()) < len(batch):
                raise members.resource.not_found


def _batches(member_ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(member_ids), _BATCH):
        yield member_ids[start : start + _BATCH]


def _present(
    connection: Connection, table: MemberTable, owner_id: str, member_ids: list[str]
) -> Iterator[str]:
    """Yield those of the ids that are members of an entity."""
    for batch in _batches(member_ids):
        found = select(table.member).where(table.is_at(owner_id, batch))
        yield from connection.scalars(found)
