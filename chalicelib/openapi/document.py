"""The OpenAPI document (https://spec.openapis.org/oas/v3.1.1), made from what runs.

Routes, permissions and problems come from the application's own tables, parameters and bodies from
the annotations of its views, their rules from the types, texts from the docstrings, and examples
from the services. What is written here is OpenAPI's own: how those things are put in its words.
"""

from typing import Any

import msgspec

from chalicelib.openapi.described import Described
from chalicelib.openapi.headers import HEADERS
from chalicelib.openapi.operations import operation
from chalicelib.openapi.schemas import Schemas
from chalicelib.web.application import Api
from chalicelib.web.route_table import UNROUTED
from chalicelib.web.service_info import Document, Index

VERSION = "0.1.0"

_DESCRIPTION = """\
**Errors** are problem details (RFC 9457): `type` tells their sort, `detail` what to change, and
`errors` names every offending member. A service in front of the API may also answer 429 when there
are too many requests, and 504 when an answer takes too long.

**Changes** can be made safe: send the `ETag` of what you read as `If-Match`, and a change that
somebody else made in between is not lost. Send an `Idempotency-Key` with what creates, and repeat
the request until it is answered: one thing is created.

**Lists** are paged: follow `next_cursor`, or the `Link` header.

**Times** are RFC 3339 in UTC, and **money** is a whole number of the currency's minor unit.
"""

_TAGS = {
    "Users": "Create, read, change, list and delete them.",
    "Orders": "Each belongs to one user, and is paid, shipped and delivered, or cancelled.",
    "Service": "What the API tells of itself.",
    "Path router": "The old style: paths that answer one message each.",
}

_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of the identity provider that the API trusts (RFC 6750, RFC 7519).",
}


def document_of(app: Api) -> Document:
    """Return the document that describes `app`."""
    return msgspec.Raw(msgspec.json.encode(_document(app)))


def _document(app: Api) -> dict[str, Any]:
    schemas = Schemas()
    responses: dict[str, Any] = {}
    described = _described(app)
    paths: dict[str, dict[str, Any]] = {}
    for one in described:
        found = operation(one, described, schemas, responses)
        paths.setdefault(one.path, {})[one.method.lower()] = found
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
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "responses": dict(sorted(responses.items())),
            "headers": HEADERS,
            "securitySchemes": {"bearer": _BEARER},
        },
    }


def _described(app: Api) -> list[Described]:
    # Methods that no route takes are answered, but they are no operations of the API.
    routed = {
        key: operation
        for key, operation in app.operations.items()
        if operation.view.__name__ != UNROUTED
    }
    views = [operation.view for operation in routed.values()]
    return [
        Described(method, path, operation, shared=views.count(operation.view) > 1)
        for (method, path), operation in routed.items()
    ]
