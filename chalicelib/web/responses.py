"""Answers: from what a view returns to status, headers and body."""

from collections.abc import Collection
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from chalice.app import Request, Response
from msgspec import Struct

from chalicelib.domain.idempotency import Created
from chalicelib.domain.model import Order, User
from chalicelib.domain.pagination import OrderList, UserList
from chalicelib.web.conditional import entity_tag, if_none_match

Headers = dict[str, str | list[str]]

JSON = "application/json"
# What belongs to a caller is kept by nobody else, and used again only after asking.
REVALIDATED = "private, no-cache"
UNKEPT = "no-store"
PUBLIC = "public, max-age=3600"

Body = TypeVar("Body")
MediaType = TypeVar("MediaType", bound=str)


class Lasting(Struct, Generic[Body], frozen=True):
    """A public answer that changes only with a new version of the API."""

    body: Body


class Superseded(Struct, Generic[Body], frozen=True):
    """The public answer of a route that has a `successor`, `since` a Unix time (RFC 9745)."""

    body: Body
    since: int
    successor: str


class Text(Struct, Generic[MediaType], frozen=True):
    """A public answer that is no JSON, with the headers that it needs beside the usual ones."""

    body: str
    media_type: MediaType
    headers: dict[str, str] = {}


def answer(
    result: Any,  # noqa: ANN401 - whatever a view returns
    request: Request,
    known: Collection[str] = (),
) -> Response:
    """Return the answer to `request` that `result` stands for.

    `known` are the query parameters of the route, which lead on to the next page of a list.
    A user or order is 200 with its ETag, or 304; a page of a list is 200 with a link to the next;
    what was created is 201; None is 204; a response is itself; anything else is 200.
    """
    if isinstance(result, User | Order):
        return _representation(result, request)
    if isinstance(result, UserList | OrderList):
        return _page(result, request, known)
    if isinstance(result, Created):
        return _created(result, request)
    if result is None:
        return Response("", {"Cache-Control": UNKEPT}, 204)
    if isinstance(result, Response):
        return result
    return _public(result)


def _public(result: Any) -> Response:  # noqa: ANN401 - whatever a view returns
    if isinstance(result, Text):
        media_type = f"{result.media_type}; charset=utf-8"
        kept: Headers = {"Content-Type": media_type, "Cache-Control": PUBLIC, **result.headers}
        return Response(result.body, kept)
    headers: Headers = {"Content-Type": JSON, "Cache-Control": PUBLIC}
    if isinstance(result, Lasting):
        return Response(_encode(result.body), headers)
    if isinstance(result, Superseded):
        headers["Deprecation"] = f"@{result.since}"
        headers["Link"] = f'<{result.successor}>; rel="successor-version"'
        return Response(_encode(result.body), headers)
    return Response(_encode(result), {"Content-Type": JSON, "Cache-Control": UNKEPT})


def stage_path(request: Request, path: str) -> str:
    """Return what stands before the API's own `path`: ``/<stage>``, or a domain's base path."""
    whole: str = (request.context.get("path") or "").removesuffix("/")
    return whole.removesuffix(path) if whole.endswith(path) else ""


def _representation(thing: User | Order, request: Request) -> Response:
    headers: Headers = {"ETag": entity_tag(thing.version), "Cache-Control": REVALIDATED}
    condition = request.headers.get("if-none-match")
    reads = request.method in {"GET", "HEAD"}
    if reads and condition is not None and if_none_match(condition, thing.version):
        return Response("", headers, 304)
    headers["Content-Type"] = JSON
    return Response(_encode(thing), headers)


def _page(page: UserList | OrderList, request: Request, known: Collection[str]) -> Response:
    headers: Headers = {"Content-Type": JSON, "Cache-Control": UNKEPT}
    if page.next_cursor is not None:
        sent = request.to_original_event()["multiValueQueryStringParameters"] or {}
        given = {name: values[-1] for name, values in sent.items() if name in known}
        # A query alone keeps the request's path, whatever stage or domain stands before it
        # (RFC 3986 §5.2.2).
        target = urlencode(given | {"cursor": page.next_cursor})
        headers["Link"] = f'<?{target}>; rel="next"'
    return Response(_encode(page), headers)


def _created(created: Created[Any], request: Request) -> Response:
    collection = created.location.rpartition("/")[0]
    headers: Headers = {
        "Content-Type": JSON,
        "Cache-Control": UNKEPT,
        "Location": stage_path(request, collection) + created.location,
        "ETag": entity_tag(1),
    }
    if created.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(created.body, headers, 201)


def _encode(body: object) -> str:
    return msgspec.json.encode(body).decode()
