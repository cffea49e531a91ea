"""Header fields: parameters of requests, and headers of responses."""

from typing import Any

from chalicelib.domain.idempotency import KeyText
from chalicelib.openapi.schemas import Schema, Schemas
from chalicelib.web.conditional import EntityTags

HEADERS: dict[str, Any] = {
    "RequestId": {
        "description": "The request's id: quote it when you ask for help.",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "example": "7a1ad4c5-7a4e-4f5e-a4b1-6a8f7f1f2a52",
    },
    "ETag": {
        "description": "The version of what the response shows, for If-Match and If-None-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[1-9][0-9]*"$'},
        "example": '"1"',
    },
    "Location": {
        "description": "The address of what was created.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/users/usr_019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d",
    },
    "IdempotentReplayed": {
        "description": "This is the response to an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    },
    "NextPage": {
        "description": "The address of the next page, if there is one (RFC 8288).",
        "schema": {"type": "string", "pattern": '^<\\?[^>]+>; rel="next"$'},
        "example": '<?limit=20&cursor=AZqdPFt-fzqMHS4_SltsfQ3q2x8m0Jb1kY5nT7wZrA4i>; rel="next"',
    },
    "Successor": {
        "description": "What to use instead (RFC 8288).",
        "required": True,
        "schema": {"type": "string", "pattern": '^</[^>]*>; rel="successor-version"$'},
        "example": '</users>; rel="successor-version"',
    },
    "Deprecation": {
        "description": "When the path was deprecated (RFC 9745).",
        "required": True,
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
        "example": "@1795219200",
    },
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 6750).",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer( |$)"},
        "example": 'Bearer error="invalid_token"',
    },
    "Retry-After": {
        "description": "After how many seconds to retry.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "1",
    },
    "Content-Security-Policy": {
        "description": "Where the page may load from (https://www.w3.org/TR/CSP3/).",
        "required": True,
        "schema": {"type": "string"},
    },
}


def field(name: str, component: str | None = None) -> dict[str, Any]:
    """Return the header field `name` of a response, described by the component of that name."""
    return {name: {"$ref": f"#/components/headers/{component or name}"}}


def cache_control(directives: str) -> dict[str, Any]:
    """Return the Cache-Control field of a response, which is always the same."""
    schema: Schema = {"type": "string", "enum": [directives]}
    text = "Who may cache the response, and for how long (RFC 9111)."
    return {"Cache-Control": {"description": text, "required": True, "schema": schema}}


def request_field(name: str, description: str, schemas: Schemas) -> dict[str, Any]:
    """Return the parameter for a header field of requests: a conditional, or a key."""
    schema = schemas.of(KeyText if name == "Idempotency-Key" else EntityTags)
    schema.pop("description")
    # Examples stay in the schema: beside it, pages would send them with every request.
    return {"name": name, "in": "header", "description": description, "schema": schema}
