"""JSON Schemas (2020-12) from the types that read and write JSON."""

from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from chalicelib.domain.annotations import bare_type, extra
from chalicelib.domain.resource import Resources, read_only_fields

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"


class Schemas:
    """The schemas of the types that a document of `resources` has asked for so far.

    Choices that have a title get a component of that name; generated clients make one type of it.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._components: dict[str, Schema] = {}
        self._choices: dict[str, Schema] = {}
        self._read_only = set(read_only_fields())

    def of(self, hint: Any) -> Schema:  # noqa: ANN401 - an annotation
        """Return the schema of a type: a reference to a component if it is a struct."""
        (schema,), components = msgspec.json.schema_components([hint], ref_template=_REFERENCE)
        self._components |= components
        self._add_choices(schema, hint)
        for struct in _structs(hint):
            properties = components[struct.__name__].get("properties", {})
            for name, member in _members(struct).items():
                self._add_choices(properties[name], member)
        typed: Schema = self._typed(schema)
        return typed

    def parameters(self, shape: type[Struct]) -> dict[str, Schema]:
        """Return the schemas of the query parameters that `shape` reads, by their names."""
        (_, components) = msgspec.json.schema_components([shape], ref_template=_REFERENCE)
        properties = components[shape.__name__]["properties"]
        return {name: _present(self._typed(schema)) for name, schema in properties.items()}

    def components(self) -> dict[str, Schema]:
        """Return the schemas that are referred to, by their names."""
        structs = {name: self._typed(schema) for name, schema in self._components.items()}
        found = {name: self._completed(schema) for name, schema in structs.items()}
        return dict(sorted((found | self._choices).items()))

    def _add_choices(self, schema: Schema, hint: Any) -> None:  # noqa: ANN401 - an annotation
        """Add the choices that follow from the resources, also those of a list's items."""
        choices = extra(hint, "choices")
        if choices is not None:
            schema["enum"] = choices(self._resources)
        bare = bare_type(hint)
        if get_origin(bare) is list:
            self._add_choices(schema["items"], get_args(bare)[0])

    def _typed(self, schema: Any) -> Any:  # noqa: ANN401 - a part of a schema
        """Add the type to choices, and refer to those that have a title.

        Generators of clients rely on both.
        """
        if isinstance(schema, list):
            return [self._typed(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        typed = {key: self._typed(part) for key, part in schema.items()}
        if not isinstance(typed.get("enum"), list):
            return typed
        name = typed.pop("title", None)
        if name is None:
            return {"type": "string", **typed}
        default = {"default": typed.pop("default")} if "default" in typed else {}
        known = self._choices.setdefault(name, {"type": "string", **typed})
        rest = {key: part for key, part in typed.items() if known.get(key) != part}
        return {"$ref": _REFERENCE.format(name=name), **rest, **default}

    def _completed(self, component: Schema) -> Schema:
        """Mark what clients only read, and what is always there.

        A type that refuses unknown members is one that clients send. Of the others every member is
        always there, even if the code gives it a default.
        """
        if component.get("additionalProperties") is False:
            return component
        properties = component["properties"]
        constant = [name for name, schema in properties.items() if "default" in schema]
        for name, schema in properties.items():
            schema.pop("default", None)
            if name in self._read_only:
                schema["readOnly"] = True
        return {**component, "required": sorted([*component["required"], *constant])}


def _structs(hint: Any) -> set[type[Struct]]:  # noqa: ANN401 - an annotation
    """Return the structs that an annotation leads to."""
    found: set[type[Struct]] = set()
    pending = [hint]
    while pending:
        part = pending.pop()
        if isinstance(part, type) and issubclass(part, Struct):
            if part not in found:
                found.add(part)
                pending += _members(part).values()
        else:
            pending += [arg for arg in get_args(part) if not isinstance(arg, str | Meta)]
    return found


def _members(struct: type[Struct]) -> dict[str, Any]:
    """Return the annotations of a struct's members, by their names in JSON."""
    hints = get_type_hints(struct, include_extras=True)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}


def _present(schema: Schema) -> Schema:
    """Return the schema of a query parameter that is there: an absent one is not null."""
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    if schema.get("default", ...) is None:
        del schema["default"]
    for choice in choices:
        schema = {**choice, **schema}
    return schema
