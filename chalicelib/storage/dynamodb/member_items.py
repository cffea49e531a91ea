"""How members lie in the DynamoDB table: each as two items, one for either way to find it.

| item | PK | SK |
|---|---|---|
| a group's member | ``GROUP#<group id>`` | ``MEMBER#<user id>`` |
| a user's membership | ``USER#<user id>`` | ``MEMBERSHIP#<group id>`` |

So both are read from one partition, strongly consistently. Both entities count them in their own
items, and are deleted on condition that they count none: no member is left of a group that is gone,
and no membership of a user that is. The counts are there once the first member is.
"""

from typing import Any

from chalicelib.domain.resource import Members, Resource
from chalicelib.storage.dynamodb.items import (
    MEMBER,
    MEMBER_COUNT,
    MEMBERSHIP,
    MEMBERSHIP_COUNT,
    Item,
    Key,
)

_NONE = {"N": "0"}


class MemberItems:
    """The items of the members of one resource's entities."""

    def __init__(self, owner: Resource[Any], members: Members) -> None:
        self.owner = owner
        self.member = members.resource
        self.field = members.field
        self._owner_type = owner.entity.__name__.upper()
        self._member_type = members.resource.entity.__name__.upper()

    def owner_partition(self, owner_id: str) -> str:
        """Return the partition that has an entity's members."""
        return f"{self._owner_type}#{owner_id}"

    def member_partition(self, member_id: str) -> str:
        """Return the partition that has what an entity is a member of, and the entity itself."""
        return f"{self._member_type}#{member_id}"

    def member_key(self, owner_id: str, member_id: str) -> Key:
        """Return the key of a member among those of an entity."""
        sort_key = f"{MEMBER}#{member_id}"
        return {"PK": {"S": self.owner_partition(owner_id)}, "SK": {"S": sort_key}}

    def membership_key(self, owner_id: str, member_id: str) -> Key:
        """Return the key of an entity among those that have a member."""
        sort_key = f"{MEMBERSHIP}#{owner_id}"
        return {"PK": {"S": self.member_partition(member_id)}, "SK": {"S": sort_key}}


def id_in(key: Key) -> str:
    """Return the id at the end of the sort key of a member, or of a membership."""
    own: str = key["SK"]["S"].partition("#")[2]
    return own


def has_members(item: Item) -> bool:
    """Return whether an entity has members."""
    return bool(item.get(MEMBER_COUNT, _NONE) != _NONE)


def has_memberships(item: Item) -> bool:
    """Return whether an entity is a member of others."""
    return bool(item.get(MEMBERSHIP_COUNT, _NONE) != _NONE)
