"""Members in the memory of one process; see `memory`, under whose lock they change."""

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.resource import EntityT, MemberChanges, Resource
from chalicelib.domain.storage import Page, Query


class MemoryMemberships:
    """See Memberships. `entities` are those of `MemoryStorage`."""

    def __init__(self, entities: Mapping[tuple[str, Any], Mapping[str, Any]]) -> None:
        self._entities = entities
        # By resource and owner.
        self._members: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def members(self, resource: Resource[Any], owner_id: str, query: Query) -> Page[str]:
        """See Memberships."""
        found = [*self._members.get((resource.name, owner_id), ())]
        if not query.ascending:
            found.reverse()
        after = query.after
        if after is not None:
            found = [one for one in found if (one > after if query.ascending else one < after)]
        items = found[: query.limit]
        return Page(items, items[-1] if len(found) > query.limit else None)

    def owners(self, resource: Resource[EntityT], member_id: str) -> list[EntityT]:
        """See Memberships."""
        found = self._entities.get((resource.name, ()), {})
        return [found[own] for own in sorted(found) if self.has(resource, own, member_id)]

    def has(self, resource: Resource[Any], owner_id: str, member_id: str) -> bool:
        """See Memberships."""
        return member_id in self._members.get((resource.name, owner_id), ())

    def effective(
        self, resource: Resource[Any], owner_id: str, changes: MemberChanges
    ) -> MemberChanges:
        """Return those of the changes that have an effect."""
        steps = {
            member_id: is_added
            for member_id, is_added in changes.steps().items()
            if is_added is not self.has(resource, owner_id, member_id)
        }
        return MemberChanges(
            tuple(one for one, is_added in steps.items() if is_added),
            tuple(one for one, is_added in steps.items() if not is_added),
        )

    def change(self, resource: Resource[Any], owner_id: str, changes: MemberChanges) -> None:
        """Change the members of an entity."""
        effective = self.effective(resource, owner_id, changes)
        members = self._members[resource.name, owner_id]
        for member_id in effective.remove:
            members.remove(member_id)
        for member_id in effective.add:
            insort(members, member_id)

    def forget(self, resource: Resource[Any], owner_id: str) -> None:
        """Forget the members of an entity that is deleted."""
        self._members.pop((resource.name, owner_id), None)
