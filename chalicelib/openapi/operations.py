"""Operations: what a client sends, beside what `responses` says of the answers."""

from collections.abc import Iterable
from typing import Any

from chalicelib.openapi.described import Described
from chalicelib.openapi.examples import example_of
from chalicelib.openapi.headers import request_field
from chalicelib.openapi.responses import responses
from chalicelib.openapi.schemas import Schema, Schemas
from chalicelib.security.permissions import Admits
from chalicelib.web.application import JSON_TYPES, MERGE_PATCH_TYPES
from chalicelib.web.responses import Superseded

_CONDITION = "Change only this version: one of the entity tags must be the present one."
_FRESHNESS = "Answer only what is new: 304 when one of the entity tags is the present one."
_KEY = "Makes the request safe to repeat for 24 hours: only the first one creates."


def operation(
    one: Described,
    operations: Iterable[Described],
    schemas: Schemas,
    shared: dict[str, Any],
) -> dict[str, Any]:
    """Return the Operation Object of `one` of the `operations`; `shared` gets its answers."""
    summary, description = one.texts
    admits = one.operation.admits
    found: dict[str, Any] = {
        "operationId": one.id,
        "tags": [_tag(one.path)],
        "summary": summary,
        "description": f"{description}\n\nFor {admits.value}.".strip(),
        "parameters": list(_parameters(one, schemas)),
        "responses": responses(one, operations, schemas, shared),
        "security": [] if admits is Admits.EVERYBODY else [{"bearer": []}],
    }
    if "body" in one.hints:
        found["requestBody"] = _body(one, schemas)
    if one.sort is Superseded:
        found["deprecated"] = True
    return found


def _tag(path: str) -> str:
    if path.startswith("/users"):
        return "Orders" if "/orders" in path else "Users"
    return "Path router" if path.startswith("/user/") else "Service"


def _parameters(one: Described, schemas: Schemas) -> Iterable[dict[str, Any]]:
    for name, hint in one.hints.items():
        if f"{{{name}}}" in one.path:
            yield {**_parameter(name, "path", schemas.of(hint)), "required": True}
    if "query" in one.hints:
        for name, schema in schemas.parameters(one.hints["query"]).items():
            yield _parameter(name, "query", schema)
    if "versions" in one.hints:
        yield request_field("If-Match", _CONDITION, schemas)
    if one.is_conditional_read:
        yield request_field("If-None-Match", _FRESHNESS, schemas)
    if "key" in one.hints:
        yield request_field("Idempotency-Key", _KEY, schemas)


def _parameter(name: str, place: str, schema: Schema) -> dict[str, Any]:
    found = {"name": name, "in": place, "schema": schema}
    if "description" in schema:
        found["description"] = schema.pop("description")
    if place == "path" and "examples" in schema:
        found["example"] = schema.pop("examples")[0]
    return found


def _body(one: Described, schemas: Schemas) -> dict[str, Any]:
    shape = one.hints["body"]
    media = {"schema": schemas.of(shape), "example": example_of(shape)}
    accepted = MERGE_PATCH_TYPES if one.method == "PATCH" else JSON_TYPES
    return {"required": True, "content": dict.fromkeys(accepted, media)}
