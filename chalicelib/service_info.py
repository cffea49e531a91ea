"""What the API says about itself: its addresses, its health, and its document."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Raw, Struct

VERSION = "0.1.0"
"""The version of the API."""

Document: TypeAlias = Annotated[
    Raw,
    Meta(
        description="An OpenAPI document (https://spec.openapis.org/oas/v3.1.1).",
        extra_json_schema={"type": "object", "required": ["openapi", "info", "paths"]},
    ),
]

EventsDocument: TypeAlias = Annotated[
    Raw,
    Meta(
        description=(
            "An AsyncAPI document (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."
        ),
        extra_json_schema={"type": "object", "required": ["asyncapi", "info", "channels"]},
    ),
]


class Index(Struct, frozen=True):
    """The addresses of the API, relative to its own."""

    name: Literal["User Management API"] = "User Management API"
    docs: Annotated[str, Meta(description="A page to read and try the API on.")] = "/docs"
    openapi: Annotated[str, Meta(description="The API's OpenAPI document.")] = "/openapi.json"
    asyncapi: Annotated[str, Meta(description="The AsyncAPI document of the events.")] = (
        "/asyncapi.json"
    )
    users: Annotated[str, Meta(description="The users.")] = "/users"
    health: Annotated[str, Meta(description="Whether the API and its storage respond.")] = "/health"


class Health(Struct, frozen=True):
    """The API and its storage respond."""

    status: Literal["ok"] = "ok"
