"""PATCH of a group (RFC 7644 §3.5.2) as a change that needs no list of the members.

Providers change one member of a group at a time, which should cost the same in a large group.
"""

from collections.abc import Iterator
from typing import Any

from scim2_models import PatchOp, PatchOperation
from scim2_models.path import CompareOperator, Comparison

from chalicelib.domain.resource import MemberChanges
from chalicelib.scim.groups import GroupChange, user_ids
from chalicelib.scim.schemas import Group

_ADD = PatchOperation.Op.add
_REMOVE = PatchOperation.Op.remove
_ATTRIBUTES = {"displayname": "display_name", "externalid": "external_id"}
# Read-only, or the same for every group; Okta sends the id in the value.
_IGNORED = {"id", "schemas", "meta"}


def group_change(patch: "PatchOp[Group]") -> GroupChange | None:
    """Return the change, None if it depends on who is in the group already."""
    values: dict[str, Any] = {}
    present: dict[str, bool] = {}
    for operation in patch.operations or ():
        for name, value in _targets(operation):
            if name == "members" and isinstance(value, list | dict) and operation.op == _ADD:
                present |= dict.fromkeys(_ids(value), True)
            elif name == "members" and isinstance(value, list | dict) and operation.op == _REMOVE:
                present |= dict.fromkeys(_ids(value), False)
            elif name in _ATTRIBUTES and operation.op != _REMOVE and isinstance(value, str):
                values[_ATTRIBUTES[name]] = value
            elif name not in _IGNORED:
                return None
    return GroupChange(
        values,
        MemberChanges(
            add=tuple(user_id for user_id, is_in in present.items() if is_in),
            remove=tuple(user_id for user_id, is_in in present.items() if not is_in),
        ),
    )


def _targets(operation: "PatchOperation[Group]") -> Iterator[tuple[str, Any]]:
    """Yield the attributes that an operation is about, in lower case, each with its value."""
    path = operation.path
    if path is None:
        value = operation.value if isinstance(operation.value, dict) else {"": None}
        yield from ((name.rpartition(":")[2].lower(), one) for name, one in value.items())
    elif path.value_filter is None:
        yield str(path).rpartition(":")[2].lower(), operation.value
    else:
        yield _selected(path, operation)


def _selected(path: Any, operation: "PatchOperation[Group]") -> tuple[str, Any]:  # noqa: ANN401
    """Return the member that ``members[value eq "…"]`` selects, or what is not understood."""
    selected = path.value_filter
    node = getattr(selected, "ast", selected)
    is_one = isinstance(node, Comparison) and node.op == CompareOperator.eq
    if (
        operation.op == _REMOVE
        and is_one
        and node.attr_path.attr.lower() == "value"
        and str(path).lower().startswith("members[")
        and str(path).endswith("]")
    ):
        return "members", [{"value": node.value}]
    return "", None


def _ids(members: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    given = members if isinstance(members, list) else [members]
    pairs = (pair for one in given if isinstance(one, dict) for pair in one.items())
    return user_ids(value for name, value in pairs if name.lower() == "value")
