"""Operations: what a client sends, and with `responses` what it gets."""

from collections.abc import Iterable
from typing import Any

from chalicelib.openapi.examples import Examples
from chalicelib.openapi.headers import request_field
from chalicelib.openapi.operation_spec import OperationSpec
from chalicelib.openapi.responses import Responses
from chalicelib.openapi.schemas import Schema, Schemas
from chalicelib.security.permissions import Access
from chalicelib.web.operation import JSON_TYPES, MERGE_PATCH_TYPES, Source
from chalicelib.web.pagination import collection
from chalicelib.web.responses import Deprecated

SERVICE_TAG = "Service"
LEGACY_TAG = "Legacy"

_CONDITION = "Change only this version: one of the entity tags must be the current one."
_FRESHNESS = "Return only what is new: 304 if one of the entity tags is the current one."
_KEY = "Makes the request safe to retry for 24 hours: only the first one has an effect."


class Operations:
    """The Operation Objects of all `specs`."""

    def __init__(
        self,
        specs: list[OperationSpec],
        schemas: Schemas,
        examples: Examples,
        responses: Responses,
    ) -> None:
        self._schemas = schemas
        self._examples = examples
        self._responses = responses
        self._collections = [spec.path for spec in specs if spec.is_collection]

    def of(self, spec: OperationSpec) -> dict[str, Any]:
        """Return the Operation Object of one operation."""
        summary, description = spec.texts
        access = spec.operation.access
        found: dict[str, Any] = {
            "operationId": spec.id,
            "tags": [self.tag(spec)],
            "summary": summary,
            "description": f"{description}\n\nFor {access.value}.".strip(),
            "parameters": list(self._parameters(spec)),
            "responses": self._responses.of(spec),
            "security": [] if access is Access.PUBLIC else [{"bearer": []}],
        }
        body = spec.operation.hint(Source.BODY)
        if body is not None:
            media = {"schema": self._schemas.of(body), "example": self._examples.of(body)}
            accepted = MERGE_PATCH_TYPES if spec.method == "PATCH" else JSON_TYPES
            found["requestBody"] = {"required": True, "content": dict.fromkeys(accepted, media)}
        if spec.operation.result is Deprecated:
            found["deprecated"] = True
        return found

    def tag(self, spec: OperationSpec) -> str:
        """Return the tag of an operation: the collection that its path is in, if any."""
        if spec.operation.result is Deprecated:
            return LEGACY_TAG
        inside = [path for path in self._collections if f"{spec.path}/".startswith(f"{path}/")]
        return collection(max(inside, key=len)).capitalize() if inside else SERVICE_TAG

    def _parameters(self, spec: OperationSpec) -> Iterable[dict[str, Any]]:
        for name, parameter in spec.operation.path_parameters.items():
            schema = self._schemas.of(parameter.hint)
            yield {**_parameter(name, "path", schema), "required": True}
        query = spec.operation.hint(Source.QUERY)
        if query is not None:
            for name, schema in self._schemas.parameters(query).items():
                yield _parameter(name, "query", schema)
        sources = {source for source, _ in spec.operation.arguments.values()}
        if Source.VERSIONS in sources:
            yield request_field("If-Match", _CONDITION, self._schemas)
        if spec.is_conditional_read:
            yield request_field("If-None-Match", _FRESHNESS, self._schemas)
        if Source.KEY in sources:
            yield request_field("Idempotency-Key", _KEY, self._schemas)


def _parameter(name: str, place: str, schema: Schema) -> dict[str, Any]:
    found = {"name": name, "in": place, "schema": schema}
    if "description" in schema:
        found["description"] = schema.pop("description")
    if place == "path" and "examples" in schema:
        found["example"] = schema.pop("examples")[0]
    return found
