"""Requests made regular where the specification leaves room, and providers use it.

- A user without displayName gets it from name.formatted, from the other names or from userName,
  and one without emails has userName for an address: a server may add values (RFC 7644 §3.3).
- A new user is active unless the request says otherwise.
- Of several e-mail addresses the primary one is kept, and the only one there is is the primary one.
- name.formatted is the same as displayName: a PATCH of it changes displayName, unless the request
  changes that as well.
"""

import re
from typing import Any

from scim2_models import Context

JSON = Any

_FORMATTED = "name.formatted"
_DISPLAY_NAME = "displayname"
_PRIMARY = re.compile(r'emails\[\s*primary\s+eq\s+"?true"?\s*\]')
_WORK = 'emails[type eq "work"]'
_PREFIX = "urn:ietf:params:scim:schemas:core:2.0:user:"
_CONTEXTS = {
    "post": Context.RESOURCE_CREATION_REQUEST,
    "put": Context.RESOURCE_REPLACEMENT_REQUEST,
    "patch": Context.RESOURCE_PATCH_REQUEST,
}


def regular_bulk(body: JSON) -> JSON:
    """Return the body of a bulk request with what it does to users made regular."""
    if not isinstance(body, dict):
        return body
    key, operations = _member(body, "operations")
    if not isinstance(operations, list):
        return body
    return body | {key: [_regular_operation(operation) for operation in operations]}


def regular_user(body: JSON, context: Context) -> JSON:
    """Return the body of a request for a user, made regular."""
    if not isinstance(body, dict):
        return body
    if context == Context.RESOURCE_PATCH_REQUEST:
        return _regular_patch(body)
    given = dict(body)
    user_name = _text(_member(body, "username")[1])
    if _member(body, "displayname")[1] is None and (name := _full_name(body) or user_name):
        given["displayName"] = name
    key, emails = _member(body, "emails")
    if emails:
        given[key] = _primary_first(emails)
    elif "@" in user_name:
        given["emails"] = [{"value": user_name, "type": "work"}]
    if context == Context.RESOURCE_CREATION_REQUEST and _member(body, "active")[1] is None:
        given["active"] = True
    return given


def _regular_operation(operation: JSON) -> JSON:
    if not isinstance(operation, dict):
        return operation
    key, data = _member(operation, "data")
    path = _text(_member(operation, "path")[1]).strip("/").lower()
    context = _CONTEXTS.get(_text(_member(operation, "method")[1]).lower())
    if context is None or path.partition("/")[0] != "users":
        return operation
    return operation | {key: regular_user(data, context)}


def _regular_patch(body: dict[str, Any]) -> JSON:
    """Return a PATCH in which displayName stands for name.formatted."""
    key, operations = _member(body, "operations")
    if not isinstance(operations, list):
        return body
    names = any(_names_display_name(operation) for operation in operations)
    regular = [_with_display_name(_one_email(one), drop=names) for one in operations]
    kept = [operation for operation in regular if operation is not None]
    # Nothing is left where all that changed follows from displayName.
    return body | {key: kept or [{"op": "replace", "value": {}}]}


def _names_display_name(operation: JSON) -> bool:
    if not isinstance(operation, dict):
        return False
    path, value = _target(operation)
    return path == _DISPLAY_NAME or (
        not path and isinstance(value, dict) and _member(value, _DISPLAY_NAME)[1] is not None
    )


def _with_display_name(operation: JSON, *, drop: bool) -> JSON:
    """Return an operation without name.formatted, None if nothing is left of it."""
    if not isinstance(operation, dict):
        return operation
    path, value = _target(operation)
    if path == _FORMATTED:
        return None if drop else operation | {"path": "displayName"}
    if not isinstance(value, dict) or path not in {"", "name"}:
        return operation
    rest, formatted = _without_formatted(value, in_name=path == "name")
    if formatted is None:
        return operation
    if path == "name":
        # One operation has one target: the other names come with their own paths.
        rest = {f"name.{name}": part for name, part in rest.items()}
    if not drop:
        rest["displayName"] = formatted
    stripped = {name: part for name, part in operation.items() if name.lower() != "path"}
    return {**stripped, "value": rest}


def _without_formatted(value: dict[str, Any], *, in_name: bool) -> tuple[dict[str, Any], JSON]:
    """Return the value of an operation without name.formatted, and that; None if it is absent."""
    if in_name:
        key, formatted = _member(value, "formatted")
        return {name: part for name, part in value.items() if name != key}, formatted
    key, formatted = _member(value, _FORMATTED)
    rest = {name: part for name, part in value.items() if name != key}
    name_key, name = _member(rest, "name")
    if isinstance(name, dict):
        rest[name_key], inner = _without_formatted(name, in_name=True)
        formatted = inner if formatted is None else formatted
    return rest, formatted


def _one_email(operation: JSON) -> JSON:
    """Return an operation on the primary address as one on the only address."""
    if not isinstance(operation, dict):
        return operation
    path, value = _target(operation)
    if _PRIMARY.match(path):
        return operation | {_member(operation, "path")[0]: _PRIMARY.sub(_WORK, path)}
    key = _member(operation, "value")[0]
    if path == "emails":
        return _replacing(operation, value) | {key: _primary_first(value)}
    if not path and isinstance(value, dict) and (emails := _member(value, "emails"))[1]:
        preferred = value | {emails[0]: _primary_first(emails[1])}
        return _replacing(operation, emails[1]) | {key: preferred}
    return operation


def _replacing(operation: dict[str, Any], emails: JSON) -> dict[str, Any]:
    """Return the addition of another primary address as a replacement of the only one."""
    key, op = _member(operation, "op")
    given = emails if isinstance(emails, list) else [emails]
    has_primary = any(isinstance(one, dict) and _is_primary(one) for one in given)
    is_addition = _text(op).lower() == "add" and has_primary
    return operation | {key: "replace"} if is_addition else operation


def _primary_first(emails: JSON) -> JSON:
    """Return addresses in the order in which they are preferred."""
    if not isinstance(emails, list):
        return emails
    return sorted(emails, key=lambda one: not (isinstance(one, dict) and _is_primary(one)))


def _is_primary(email: dict[str, Any]) -> bool:
    return str(_member(email, "primary")[1]).lower() == "true"


def _target(operation: dict[str, Any]) -> tuple[str, JSON]:
    """Return the path of an operation in lower case without the schema, and its value."""
    path = _text(_member(operation, "path")[1]).strip().lower().removeprefix(_PREFIX)
    return path, _member(operation, "value")[1]


def _full_name(body: dict[str, Any]) -> str:
    _, name = _member(body, "name")
    if not isinstance(name, dict):
        return ""
    formatted, given, family = (
        _text(_member(name, part)[1]) for part in ("formatted", "givenname", "familyname")
    )
    return formatted or f"{given} {family}".strip()


def _member(value: dict[str, Any], name: str) -> tuple[str, JSON]:
    """Return a member as it is spelled, whose name is compared without regard to case."""
    return next(((key, value[key]) for key in value if key.lower() == name), (name, None))


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""
