"""JSON Schemas (2020-12) from the types that read and write JSON."""

from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.domain.model import CurrencyCode, OrderStatus, UserStatus
from chalicelib.web.validation import SERVERS_OWN

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
# Choices that come up in several places; generated clients make one type of each.
_CHOICES = {"UserStatus": UserStatus, "OrderStatus": OrderStatus, "Currency": CurrencyCode}


class Schemas:
    """The schemas of the types that a document has asked for so far."""

    def __init__(self) -> None:
        self._components: dict[str, Schema] = {}
        self._choices = {name: msgspec.json.schema(hint) for name, hint in _CHOICES.items()}

    def of(self, hint: Any) -> Schema:  # noqa: ANN401 - an annotation
        """Return the schema of a type: a reference to a component where it is a struct."""
        (schema,), components = msgspec.json.schema_components([hint], ref_template=_REFERENCE)
        self._components |= components
        typed: Schema = self._typed(schema)
        return typed

    def parameters(self, shape: type[Struct]) -> dict[str, Schema]:
        """Return the schemas of the query parameters that `shape` reads, by their names."""
        (_, components) = msgspec.json.schema_components([shape], ref_template=_REFERENCE)
        properties = components[shape.__name__]["properties"]
        return {name: self._typed(_present(schema)) for name, schema in properties.items()}

    def components(self) -> dict[str, Schema]:
        """Return the schemas that are referred to, by their names."""
        structs = {name: self._typed(schema) for name, schema in self._components.items()}
        found = {name: _completed(schema) for name, schema in structs.items()}
        choices = {name: {"type": "string", **schema} for name, schema in self._choices.items()}
        return dict(sorted((found | choices).items()))

    def _typed(self, schema: Any) -> Any:  # noqa: ANN401 - a part of a schema
        """Say of choices that they are texts, and refer to those that have a name.

        Generators of clients rely on both.
        """
        if isinstance(schema, list):
            return [self._typed(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        typed = {key: self._typed(part) for key, part in schema.items()}
        if not isinstance(typed.get("enum"), list):
            return typed
        for name, choice in self._choices.items():
            if choice["enum"] == typed["enum"]:
                rest = {key: part for key, part in typed.items() if choice.get(key) != part}
                return {"$ref": _REFERENCE.format(name=name), **rest}
        return {"type": "string", **typed}


def _completed(component: Schema) -> Schema:
    """Tell what clients only read, and what they can count on.

    A type that refuses unknown members is one that clients send. Of the others every member is
    always there, whether or not the code gives it a default, but for those without either.
    """
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
