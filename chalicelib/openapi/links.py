"""Links: the operations that a response leads to (https://spec.openapis.org/oas/v3.1.1#link-object).

A response that shows an entity leads to every operation whose path takes exactly its ids.
"""

import re
from collections.abc import Iterable
from typing import Any, get_type_hints

from chalicelib.domain.annotations import extra
from chalicelib.domain.resource import Entity
from chalicelib.domain.storage import Page
from chalicelib.openapi.operation_spec import OperationSpec
from chalicelib.web.pagination import collection


def links_from(spec: OperationSpec, specs: Iterable[OperationSpec]) -> dict[str, Any]:
    """Return the links of the successful response of `spec` to operations in `specs`."""
    entity = spec.operation.content
    if not (isinstance(entity, type) and issubclass(entity, Entity)):
        return {}
    place = f"/{collection(spec.path)}/0" if spec.operation.result is Page else ""
    hints = get_type_hints(entity, include_extras=True)
    ids = sorted(name for name, hint in hints.items() if extra(hint, "prefix"))
    return {
        other.id: {
            "operationId": other.id,
            "parameters": {name: f"$response.body#{place}/{name}" for name in ids},
        }
        for other in specs
        if sorted(re.findall(r"{(\w+)}", other.path)) == ids
    }
