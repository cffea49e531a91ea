"""Answers: from what a view returns to status, headers and body."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from chalice.app import Request, Response

from chalicelib.conditional import entity_tag, if_none_match
from chalicelib.idempotency import Created
from chalicelib.model import Order, User
from chalicelib.pagination import OrderList, UserList

Headers = dict[str, str | list[str]]

_JSON = "application/json"
# What belongs to a caller is kept by nobody else, and used again only after asking.
_REVALIDATED = "private, no-cache"
_UNKEPT = "no-store"


def answer(result: Any, request: Request) -> Response:  # noqa: ANN401 - whatever a view returns
    """Return the answer to `request` that `result` stands for.

    A user or order is 200 with its ETag, or 304; a page of a list is 200 with a link to the next;
    what was created is 201; None is 204; a response is itself.
    """
    if isinstance(result, User | Order):
        return _representation(result, request)
    if isinstance(result, UserList | OrderList):
        return _page(result, request)
    if isinstance(result, Created):
        return _created(result, request)
    if result is None:
        return Response("", {"Cache-Control": _UNKEPT}, 204)
    if isinstance(result, Response):
        return result
    return Response(_encode(result), {"Content-Type": _JSON, "Cache-Control": _UNKEPT})


def lasting(body: object) -> Response:
    """Return a public answer that changes only with a new version of the API."""
    return Response(_encode(body), {"Content-Type": _JSON, "Cache-Control": "public, max-age=3600"})


def deprecated(body: object, since: int, successor: str) -> Response:
    """Return the answer of a route that has a `successor`, `since` a Unix time (RFC 9745)."""
    response = lasting(body)
    response.headers["Deprecation"] = f"@{since}"
    response.headers["Link"] = f'<{successor}>; rel="successor-version"'
    return response


def _representation(thing: User | Order, request: Request) -> Response:
    headers: Headers = {"ETag": entity_tag(thing.version), "Cache-Control": _REVALIDATED}
    condition = request.headers.get("if-none-match")
    reads = request.method in {"GET", "HEAD"}
    if reads and condition is not None and if_none_match(condition, thing.version):
        return Response("", headers, 304)
    headers["Content-Type"] = _JSON
    return Response(_encode(thing), headers)


def _page(page: UserList | OrderList, request: Request) -> Response:
    headers: Headers = {"Content-Type": _JSON, "Cache-Control": _UNKEPT}
    if page.next_cursor is not None:
        sent = request.to_original_event()["multiValueQueryStringParameters"] or {}
        given = {name: values[-1] for name, values in sent.items()}
        # Relative to the request's own address, whatever stage or domain stands before the path.
        target = urlencode(given | {"cursor": page.next_cursor})
        headers["Link"] = f'<?{target}>; rel="next"'
    return Response(_encode(page), headers)


def _created(created: Created, request: Request) -> Response:
    headers: Headers = {
        "Content-Type": _JSON,
        "Cache-Control": _UNKEPT,
        "Location": _stage_path(request, created.location) + created.location,
        "ETag": entity_tag(1),
    }
    if created.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(created.body, headers, 201)


def _stage_path(request: Request, location: str) -> str:
    """Return what stands before the API's paths: ``/<stage>``, or a domain's base path."""
    collection = location.rpartition("/")[0]
    whole: str = (request.context.get("path") or "").removesuffix("/")
    return whole.removesuffix(collection) if whole.endswith(collection) else ""


def _encode(body: object) -> str:
    return msgspec.json.encode(body).decode()
