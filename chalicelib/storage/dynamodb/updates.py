"""Updates of one item: how changes become UpdateItem's expressions.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from chalicelib.domain.model import (
    MAX_PAIRS,
    MAX_SAFE_INTEGER,
    OPEN_STATUSES,
    Order,
    OrderChange,
    User,
    UserChange,
)
from chalicelib.storage.dynamodb.items import MARKS, Key, pairs

# More names in a patch would come near the limit of 4 KB for an expression, more versions would
# pass that of 100 operands for IN.
_MOST_NAMES = 100


class Update:
    """One update of one item: what it sets and removes, and the conditions that all must hold.

    Names stand in expressions as ``#name`` and values as ``:name``.
    """

    def __init__(self, table: str, key: Key) -> None:
        self._head = {"TableName": table, "Key": key}
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions = ["attribute_exists(PK)"]
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def set(self, name: str, value: Mapping[str, Any]) -> None:
        """Give the attribute a new value."""
        self._assign(name, f"#{name}", value)

    def add(self, name: str, number: int) -> None:
        """Add to the attribute's number."""
        self._sets.append(f"#{name} = #{name} + :{name}")
        self._names[f"#{name}"] = name
        self._values[f":{name}"] = {"N": str(number)}

    def patch(self, name: str, pairs: Mapping[str, str | None]) -> None:
        """Set or, where the value is None, remove single pairs of the attribute's map."""
        self._names[f"#{name}"] = name
        for place, (key, value) in enumerate(pairs.items()):
            part = f"{name}{place}"
            if value is None:
                self._names[f"#{part}"] = key
                self._removes.append(f"#{name}.#{part}")
            else:
                self._assign(part, f"#{name}.#{part}", {"S": value}, key)

    def mark(self, mark: str) -> None:
        """Make the update happen at most once: it bears `mark`, and no item that does is updated.

        An update may be carried out and its answer lost; sent again, it is refused by an item
        that bears its mark. The item remembers more marks than the last one, so that others may
        have changed it in between.
        """
        # From the oldest to the newest, although each right side means the item before the update.
        for place in range(MARKS - 1, 0, -1):
            self._sets.append(f"marks[{place}] = marks[{place - 1}]")
        self._sets.append("marks[0] = :mark")
        self.where("NOT contains(marks, :mark)", mark={"S": mark})

    def where(self, condition: str, **values: Mapping[str, Any]) -> None:
        """Add a condition; ``#name`` in it stands for each attribute that is also set."""
        self._conditions.append(condition)
        self._values.update((f":{name}", value) for name, value in values.items())

    def where_in(self, name: str, values: list[Mapping[str, Any]]) -> None:
        """Add the condition that the attribute has one of `values`."""
        parts = {f":{name}_{place}": value for place, value in enumerate(values)}
        self._conditions.append(f"#{name} IN ({', '.join(parts)})")
        self._names[f"#{name}"] = name
        self._values.update(parts)

    def request(self) -> dict[str, Any]:
        """Return the update as UpdateItem's parameters and as a transaction's Update alike."""
        removes = f" REMOVE {', '.join(self._removes)}" if self._removes else ""
        names = {"ExpressionAttributeNames": self._names} if self._names else {}
        return {
            **self._head,
            "UpdateExpression": f"SET {', '.join(self._sets)}{removes}",
            "ConditionExpression": " AND ".join(self._conditions),
            **names,
            "ExpressionAttributeValues": self._values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _assign(
        self, part: str, path: str, value: Mapping[str, Any], name: str | None = None
    ) -> None:
        self._sets.append(f"{path} = :{part}")
        self._names[f"#{part}"] = name or part
        self._values[f":{part}"] = value


def blind_update(
    table: str, key: Key, change: UserChange | OrderChange, mark: str
) -> Update | None:
    """Return the update that carries out `change` whatever the item holds, if there is one.

    Its conditions hold only where the change is legal, but it may be refused where it is legal:
    a patch that adds as many pairs as still fit counts each of them as new.
    """
    update = Update(table, key)
    own = (
        _set_step(update, change)
        if isinstance(change, OrderChange)
        else _set_contact(update, change)
    )
    if not (own and _set_metadata(update, change) and _expect(update, change)):
        return None
    update.set("updated_at", {"S": change.updated_at})
    update.add("version", 1)
    update.mark(mark)
    return update


def exact_update(table: str, key: Key, changed: User | Order, mark: str) -> Update:
    """Return the update that makes the item what `changed` is, from the version before it."""
    update = Update(table, key)
    if isinstance(changed, User):
        update.set("name", {"S": changed.name})
        update.set("email", {"S": changed.email})
        update.set("email_key", {"S": changed.email.casefold()})
    update.set("status", {"S": changed.status})
    update.set("metadata", pairs(changed.metadata))
    update.set("updated_at", {"S": changed.updated_at})
    update.set("version", {"N": str(changed.version)})
    update.where("#version = :seen", seen={"N": str(changed.version - 1)})
    update.mark(mark)
    return update


def _set_contact(update: Update, change: UserChange) -> bool:
    if change.name is not UNSET:
        update.set("name", {"S": change.name})
    if change.email is not UNSET:
        update.set("email", {"S": change.email})
        update.where("email_key = :email_key", email_key={"S": change.email.casefold()})
    if change.status is not UNSET:
        update.set("status", {"S": change.status})
    return True


def _set_step(update: Update, change: OrderChange) -> bool:
    if change.status is UNSET:
        return True
    # A step that closes the order also changes the user's count of open orders.
    if change.status not in OPEN_STATUSES or not change.leaves:
        return False
    update.set("status", {"S": change.status})
    update.where_in("status", [{"S": status} for status in sorted(change.leaves)])
    return True


def _set_metadata(update: Update, change: UserChange | OrderChange) -> bool:
    metadata = change.metadata
    if metadata is UNSET:
        return True
    kept = sum(value is not None for value in metadata.pairs.values())
    if kept > MAX_PAIRS or len(metadata.pairs) > _MOST_NAMES:
        return False
    if not metadata.merge:
        update.set("metadata", pairs(metadata.pairs))
    elif metadata.pairs:
        update.patch("metadata", metadata.pairs)
    if metadata.merge and kept:
        update.where("size(#metadata) <= :room", room={"N": str(MAX_PAIRS - kept)})
    return True


def _expect(update: Update, change: UserChange | OrderChange) -> bool:
    if change.versions is None:
        return True
    possible = sorted(version for version in change.versions if 0 < version <= MAX_SAFE_INTEGER)
    if not 0 < len(possible) <= _MOST_NAMES:
        return False
    update.where_in("version", [{"N": str(version)} for version in possible])
    return True
