"""JSON Schemas (2020-12) from the types that read and write JSON."""

from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.bodies import SERVERS_OWN

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"


class Schemas:
    """The schemas of the types that a document has asked for so far."""

    def __init__(self) -> None:
        self._components: dict[str, Schema] = {}

    def of(self, hint: Any) -> Schema:  # noqa: ANN401 - an annotation
        """Return the schema of a type: a reference to a component where it is a struct."""
        (schema,), components = msgspec.json.schema_components([hint], ref_template=_REFERENCE)
        self._components |= components
        typed: Schema = _typed(schema)
        return typed

    def parameters(self, shape: type[Struct]) -> dict[str, Schema]:
        """Return the schemas of the query parameters that `shape` reads, by their names."""
        (_, components) = msgspec.json.schema_components([shape], ref_template=_REFERENCE)
        properties = components[shape.__name__]["properties"]
        return {name: _typed(_present(schema)) for name, schema in properties.items()}

    def components(self) -> dict[str, Schema]:
        """Return the schemas that are referred to, by their names."""
        return {name: _completed(schema) for name, schema in sorted(self._components.items())}


def _completed(component: Schema) -> Schema:
    """Tell what clients only read, and what they can count on.

    A type that refuses unknown members is one that clients send. Of the others every member is
    always there, whether or not the code gives it a default, but for those without either.
    """
    component = _typed(component)
    if component.get("additionalProperties") is False:
        return component
    properties = component["properties"]
    constant = [name for name, schema in properties.items() if "default" in schema]
    for name, schema in properties.items():
        schema.pop("default", None)
        if name in SERVERS_OWN:
            schema["readOnly"] = True
    return {**component, "required": sorted([*component["required"], *constant])}


def _present(schema: Schema) -> Schema:
    """Return the schema of a query parameter that is there: an absent one is no null."""
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    if schema.get("default", ...) is None:
        del schema["default"]
    for choice in choices:
        schema = {**choice, **schema}
    return schema


def _typed(schema: Any) -> Any:  # noqa: ANN401 - a part of a schema
    """Say of enumerated texts that they are texts, which generators of clients rely on."""
    if isinstance(schema, list):
        return [_typed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    typed = {key: _typed(part) for key, part in schema.items()}
    if isinstance(typed.get("enum"), list) and "type" not in typed:
        typed = {"type": "string", **typed}
    return typed
