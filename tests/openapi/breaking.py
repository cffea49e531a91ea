"""Rules that find breaking changes between two versions of the document.

A change breaks a client if a request that it makes is no longer accepted, or a response is no
longer what it reads. These changes count:

- A path, method, media type, status, response header or parameter is removed.
- An operation has another operationId (generated clients name functions by it), or requires a token
  that it did not require.
- A parameter or a field of requests becomes required, or is no longer known.
- Requests become narrower: fewer types or choices, tighter bounds, another pattern.
- Responses become wider, by the same rules reversed: a field that may now be absent, a new type,
  choice or length. A new field is no break, since clients ignore unknown ones. Neither is a new
  type of problem under a documented status.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]

_UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "minLength", "minItems", "minProperties")


def breaks(old: Node, new: Node) -> list[str]:
    """Return a sentence for each breaking change, as CHANGELOG.md quotes it."""
    return sorted(set(_Comparison(old, new).breaks()))


class _Comparison:
    def __init__(self, old: Node, new: Node) -> None:
        self._old = old
        self._new = new

    def breaks(self) -> Iterator[str]:
        for path, operations in self._old["paths"].items():
            for method, operation in operations.items():
                place = f"`{method.upper()} {path}`"
                changed = self._new["paths"].get(path, {}).get(method)
                if changed is None:
                    yield f"{place} is gone"
                else:
                    yield from self._operation(place, operation, changed)

    def _operation(self, place: str, old: Node, new: Node) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield f"{place} has another operationId"
        if new["security"] and not old["security"]:
            yield f"{place} asks for a token"
        yield from self._parameters(place, old, new)
        yield from self._body(place, old.get("requestBody", {}), new.get("requestBody", {}))
        for status, answer in old["responses"].items():
            if status not in new["responses"]:
                yield f"{place} no longer answers {status}"
            else:
                yield from self._response(f"{place} {status}", answer, new["responses"][status])

    def _parameters(self, place: str, old: Node, new: Node) -> Iterator[str]:
        before, after = (
            {(one["in"], one["name"]): one for one in operation["parameters"]}
            for operation in (old, new)
        )
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{place} needs the parameter `{key[1]}`"
        for key, parameter in before.items():
            if key not in after:
                yield f"{place} no longer knows the parameter `{key[1]}`"
            else:
                narrower = f"{place} parameter `{key[1]}`"
                sides = (parameter["schema"], self._old), (after[key]["schema"], self._new)
                yield from _narrowed(narrower, *sides)

    def _body(self, place: str, old: Node, new: Node) -> Iterator[str]:
        if new.get("required") and not old.get("required"):
            yield f"{place} needs a body"
        for media_type, media in old.get("content", {}).items():
            changed = new.get("content", {}).get(media_type)
            if changed is None:
                yield f"{place} no longer reads `{media_type}`"
            else:
                sides = (media["schema"], self._old), (changed["schema"], self._new)
                yield from _narrowed(f"{place} request", *sides)

    def _response(self, place: str, old: Node, new: Node) -> Iterator[str]:
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        for name in old.get("headers", {}).keys() - new.get("headers", {}).keys():
            yield f"{place} no longer has the header `{name}`"
        for media_type, media in old.get("content", {}).items():
            changed = new.get("content", {}).get(media_type)
            if changed is None:
                yield f"{place} is no longer `{media_type}`"
            else:
                # Clients read new responses by the old schema, so the sides change places.
                sides = (changed["schema"], self._new), (media["schema"], self._old)
                yield from _narrowed(f"{place} answer", *sides, is_answer=True)


Side = tuple[Node, Node]


def _narrowed(place: str, wide: Side, narrow: Side, *, is_answer: bool = False) -> Iterator[str]:
    """Yield where a value that fits the `wide` schema may not fit the `narrow` one.

    Each side is a schema and its document. For responses the wide one is the new one, and its
    fields that the old one does not know are ignored.
    """
    types, before = _main(*wide)
    allowed, after = _main(*narrow)
    lost = types - allowed if allowed else set()
    if lost or (allowed and not types):
        yield _changed(place, f"type {', '.join(sorted(lost))}".strip(), is_answer=is_answer)
    if "enum" in after:
        choices = set(before.get("enum", ())) - set(after["enum"])
        if choices or "enum" not in before:
            named = ", ".join(f"`{choice}`" for choice in sorted(choices)) or "any choice"
            yield _changed(place, named, is_answer=is_answer)
    for name, sign in [*((name, 1) for name in _UPPER), *((name, -1) for name in _LOWER)]:
        if name in after and (name not in before or (after[name] - before[name]) * sign < 0):
            yield _changed(place, f"{name} {before.get(name, 'unbounded')}", is_answer=is_answer)
    if "pattern" in after and before.get("pattern") != after["pattern"]:
        yield _changed(place, "another pattern", is_answer=is_answer)
    yield from _members(place, (before, wide[1]), (after, narrow[1]), is_answer=is_answer)


def _members(place: str, wide: Side, narrow: Side, *, is_answer: bool) -> Iterator[str]:
    before, after = wide[0], narrow[0]
    for name in set(after.get("required", ())) - set(before.get("required", ())):
        yield f"{place} `{name}` {'may be absent' if is_answer else 'is required'}"
    known, others = before.get("properties", {}), after.get("properties", {})
    is_closed = after.get("additionalProperties") is False
    for name in known.keys() & others.keys():
        sides = (known[name], wide[1]), (others[name], narrow[1])
        yield from _narrowed(f"{place} `{name}`", *sides, is_answer=is_answer)
    if is_answer:
        for name in others.keys() - known.keys():
            yield f"{place} `{name}` is gone"
    elif is_closed:
        for name in known.keys() - others.keys():
            yield f"{place} `{name}` is no longer known"
        if before.get("additionalProperties") is not False:
            yield f"{place} no longer takes other members"
    for part in ("items", "additionalProperties", "propertyNames"):
        if isinstance(before.get(part), dict) and isinstance(after.get(part), dict):
            sides = (before[part], wide[1]), (after[part], narrow[1])
            yield from _narrowed(f"{place} {part}", *sides, is_answer=is_answer)


def _main(schema: Node, document: Node) -> tuple[set[str], Node]:
    """Return the types that a schema allows, and the schema itself or its choice beside null."""
    schema = _resolved(schema, document)
    types: set[str] = set()
    main = schema
    for choice in schema.get("anyOf", ()):
        inner, resolved = _main(choice, document)
        types |= inner
        if inner != {"null"}:
            main = resolved
    return types or ({schema["type"]} if "type" in schema else set()), main


def _resolved(node: Node, document: Node) -> Node:
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        # The types of problem next to a reference may grow: see above.
        node = found
    return node


def _changed(place: str, what: str, *, is_answer: bool) -> str:
    return f"{place} {'may be' if is_answer else 'no longer takes'} {what}"
