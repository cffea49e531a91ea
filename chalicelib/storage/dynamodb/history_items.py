"""How the history of an entity lies in the table: in the entity's own item, and in chunks.

| item | attribute | value |
|---|---|---|
| the entity's | ``latest_entry`` | the latest entry |
| the entity's | ``history`` | the entries before it that are in no chunk yet |
| a chunk | ``entries`` | the entries of some versions |

A chunk's key is that of its entity and the first of its versions:
``HISTORY#<PK of the entity>``, ``<SK of the entity>#<version in 16 digits>``. Once written, a chunk
has these entries forever.

An entry is two elements of a list, the version and a JSON array; so a list of n entries has 2n
elements. The latest entry lies apart since an update does not know the version that it makes: it
can append one list to another, and set an element to ``version + 1``, but it cannot append the
result of a sum.
"""

from datetime import datetime
from typing import Any

import msgspec

from chalicelib.domain import ids
from chalicelib.domain.history import Act, Action, HistoryEntry, Role
from chalicelib.storage.dynamodb.items import Attribute, Item, Key

HISTORY = "history"
LATEST_ENTRY = "latest_entry"
CHUNK_ENTRIES = 6

_ACTIONS: dict[Action, str] = {"created": "c", "changed": "u", "deleted": "d"}
_ACTION_OF = {letter: action for action, letter in _ACTIONS.items()}
_ROLES: dict[Role, str] = {"administrator": "a", "user": "u", "iam": "i", "system": "s"}
_ROLE_OF = {letter: role for role, letter in _ROLES.items()}
_Stored = tuple[str, list[str], int, str, str, str]
_decode = msgspec.json.Decoder(_Stored).decode


def stored(act: Act) -> Attribute:
    """Return the second element of an entry: ``["u",["name"],1795341600000,"boss","a","<id>"]``.

    It is as short as it can be read: each KB that an item grows costs a write unit more.
    """
    at = datetime.fromisoformat(act.at)
    milliseconds = int(at.timestamp()) * 1000 + at.microsecond // 1000
    parts: _Stored = (
        _ACTIONS[act.action],
        [*act.fields],
        milliseconds,
        act.by,
        _ROLES[act.by_role],
        act.request_id,
    )
    return {"S": msgspec.json.encode(parts).decode()}


def latest(act: Act, version: int) -> Attribute:
    """Return the attribute of the latest entry."""
    return {"L": [{"N": str(version)}, stored(act)]}


def inline(item: Item) -> list[Attribute]:
    """Return the elements of all entries in an entity's item, the oldest entry first."""
    return [element for name in (HISTORY, LATEST_ENTRY) for element in item.get(name, _EMPTY)["L"]]


def entries(elements: list[Attribute]) -> list[HistoryEntry]:
    """Return the entries of the elements."""
    return [
        _entry(int(version["N"]), text["S"])
        for version, text in zip(elements[::2], elements[1::2], strict=True)
    ]


def chunk_partition(entity: Key) -> str:
    """Return the partition of the chunks of an entity, by its key."""
    return f"HISTORY#{entity['PK']['S']}"


def chunk_sort_key(entity: Key, version: int) -> str:
    """Return the sort key of the chunk of an entity that begins with a version."""
    return f"{entity['SK']['S']}#{version:016d}"


def chunk(entity: Key, elements: list[Attribute]) -> Item:
    """Return the chunk of an entity that has the entries of these elements."""
    return {
        "PK": {"S": chunk_partition(entity)},
        "SK": {"S": chunk_sort_key(entity, int(elements[0]["N"]))},
        "entries": {"L": elements},
    }


def _entry(version: int, text: str) -> HistoryEntry:
    action, fields, milliseconds, by, role, request_id = _decode(text)
    return HistoryEntry(
        version,
        _ACTION_OF[action],
        fields,
        ids.timestamp(milliseconds),
        by,
        _ROLE_OF[role],
        request_id,
    )


_EMPTY: dict[str, Any] = {"L": []}
