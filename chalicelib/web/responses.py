"""Responses: from what a handler returns to status, headers and body.

| result | response |
|---|---|
| an `Entity` | 200 with its ETag, or 304 |
| a `Page` | 200 with a link to the next page (see `pagination`) |
| `Created` | 201 with Location and ETag |
| `Done` | 200 |
| None | 204 |
| `Cacheable`, `Deprecated`, `Text` | 200 that everybody may cache |
| a Chalice `Response` | itself |
| anything else | 200 |
"""

from typing import Any, Generic, TypeVar

import msgspec
from chalice.app import Request, Response
from msgspec import Struct

from chalicelib.domain.idempotency import Created, Done
from chalicelib.domain.resource import Entity
from chalicelib.web.conditional import entity_tag, if_none_match
from chalicelib.web.media import JSON, NO_STORE, PUBLIC, REVALIDATE, Headers
from chalicelib.web.paths import base_path, resource_path

Body = TypeVar("Body")
MediaType = TypeVar("MediaType", bound=str)


class Cacheable(Struct, Generic[Body], frozen=True):
    """A public response that changes only with a new version of the API."""

    body: Body


class Deprecated(Struct, Generic[Body], frozen=True):
    """The public response of a route that has a `successor`, `since` a Unix time (RFC 9745)."""

    body: Body
    since: int
    successor: str


class Text(Struct, Generic[MediaType], frozen=True):
    """A public response that is not JSON, with the headers it needs beside the usual ones."""

    body: str
    media_type: MediaType
    headers: dict[str, str] = {}


def respond(result: Any, request: Request) -> Response:  # noqa: ANN401 - whatever handlers return
    """Return the response to `request` for what its handler returned, other than a page."""
    if isinstance(result, Entity):
        return _representation(result, request)
    if isinstance(result, Created):
        return _created(result, request)
    if isinstance(result, Done):
        return _done(result)
    if result is None:
        return Response("", {"Cache-Control": NO_STORE}, 204)
    if isinstance(result, Response):
        return result
    return _public(result)


def _representation(entity: Entity, request: Request) -> Response:
    is_read = request.method in {"GET", "HEAD"}
    headers: Headers = {
        "ETag": entity_tag(entity.version),
        "Cache-Control": REVALIDATE if is_read else NO_STORE,
    }
    condition = request.headers.get("if-none-match")
    if is_read and condition is not None and if_none_match(condition, entity.version):
        return Response("", headers, 304)
    headers["Content-Type"] = JSON
    return Response(_encode(entity), headers)


def _created(created: Created[Any], request: Request) -> Response:
    entity: Entity = created.entity
    headers: Headers = {
        "Content-Type": JSON,
        "Cache-Control": NO_STORE,
        "Location": f"{base_path(request)}{resource_path(request)}/{entity.id}",
        "ETag": entity_tag(entity.version),
    }
    if created.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(_encode(entity), headers, 201)


def _done(done: Done[Any]) -> Response:
    headers: Headers = {"Content-Type": JSON, "Cache-Control": NO_STORE}
    if done.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(_encode(done.result), headers)


def _public(result: Any) -> Response:  # noqa: ANN401 - whatever handlers return
    if isinstance(result, Text):
        media_type = f"{result.media_type}; charset=utf-8"
        text: Headers = {"Content-Type": media_type, "Cache-Control": PUBLIC, **result.headers}
        return Response(result.body, text)
    headers: Headers = {"Content-Type": JSON, "Cache-Control": PUBLIC}
    if isinstance(result, Cacheable):
        return Response(_encode(result.body), headers)
    if isinstance(result, Deprecated):
        headers["Deprecation"] = f"@{result.since}"
        headers["Link"] = f'<{result.successor}>; rel="successor-version"'
        return Response(_encode(result.body), headers)
    return Response(_encode(result), {"Content-Type": JSON, "Cache-Control": NO_STORE})


def _encode(body: object) -> str:
    return msgspec.json.encode(body).decode()
