"""The OpenAPI document (https://spec.openapis.org/oas/v3.1.1), made from what runs.

Routes, permissions and problems come from the application's own tables, parameters and bodies from
the annotations of its handlers, their rules from the types, texts from the docstrings, and examples
from the types. This package only translates them into OpenAPI.
"""

from typing import Any

import msgspec
from chalice.app import Response

from chalicelib.domain.resource import Resources
from chalicelib.openapi.examples import Examples
from chalicelib.openapi.headers import HEADERS
from chalicelib.openapi.operation_spec import OperationSpec
from chalicelib.openapi.operations import LEGACY_TAG, SERVICE_TAG, Operations
from chalicelib.openapi.responses import Responses
from chalicelib.openapi.schemas import Schemas
from chalicelib.service_info import VERSION, Document, Index
from chalicelib.web.application import Api

_DESCRIPTION = """\
**Errors** are problem details (RFC 9457): `type` identifies the problem, `detail` says what to
change, and `errors` lists every invalid member. A service in front of the API may also respond with
429 to too many requests, and with 504 when a response takes too long.

**Changes** can be made safe: send the `ETag` of what you read as `If-Match`, and a change that
somebody else made in between is not lost. Send an `Idempotency-Key` where one is taken, and retry
the request until there is a response: it has its effect once.

**Lists** are paged: follow `next_cursor`, or the `Link` header.

**Times** are RFC 3339 in UTC, and **money** is a whole number of the currency's minor unit.

**Identity providers** manage users and groups over SCIM 2.0 (RFC 7643, RFC 7644) below `/scim/v2`,
which is not part of this document: `/scim/v2/Schemas` and `/scim/v2/ServiceProviderConfig` describe
it.
"""

_OTHER_TAGS = {
    SERVICE_TAG: "What the API says about itself.",
    LEGACY_TAG: "Deprecated paths that return one message each.",
}

_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of the identity provider that the API trusts (RFC 6750, RFC 7519).",
}


def document_of(app: Api, resources: Resources) -> Document:
    """Return the document that describes `app`, and `resources` in words."""
    return msgspec.Raw(msgspec.json.encode(_document(app, resources)))


def _document(app: Api, resources: Resources) -> dict[str, Any]:
    schemas, examples, specs = Schemas(resources), Examples(resources), _specs(app)
    responses = Responses(specs, schemas, examples)
    operations = Operations(specs, schemas, examples, responses)
    paths: dict[str, dict[str, Any]] = {}
    for spec in specs:
        paths.setdefault(spec.path, {})[spec.method.lower()] = operations.of(spec)
    used = {
        tag for path in paths.values() for operation in path.values() for tag in operation["tags"]
    }
    tags = {
        name: resource.description
        for resource in resources
        if (name := resource.name.capitalize()) in used
    }
    return {
        "openapi": "3.1.1",
        "info": {
            "title": Index().name,
            "summary": "Users and their orders.",
            "description": _DESCRIPTION,
            "version": VERSION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        # Relative to the document itself, whatever stage or domain it was read from.
        "servers": [{"url": ".", "description": "Where this document was read."}],
        "tags": [
            {"name": name, "description": text} for name, text in (tags | _OTHER_TAGS).items()
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "responses": dict(sorted(responses.components.items())),
            "headers": HEADERS,
            "securitySchemes": {"bearer": _BEARER},
        },
    }


def _specs(app: Api) -> list[OperationSpec]:
    # What makes its whole response itself has no types to describe: the response where no route
    # matches, and SCIM, which has a description of its own.
    routed = {
        key: operation
        for key, operation in app.operations.items()
        if operation.result is not Response
    }
    handlers = [operation.handler for operation in routed.values()]
    return [
        OperationSpec(method, path, operation, shared=handlers.count(operation.handler) > 1)
        for (method, path), operation in routed.items()
    ]
