"""Lists over HTTP: query parameters with cursors in, pages with links to the next one out."""

from typing import Annotated, Any, TypeVar, get_type_hints
from urllib.parse import urlencode

import msgspec
from chalice.app import Request, Response
from msgspec import Meta, Struct

from chalicelib.domain.annotations import extra
from chalicelib.domain.pagination import PageQuery
from chalicelib.domain.storage import Page
from chalicelib.web.cursors import CursorSigner
from chalicelib.web.media import JSON, NO_STORE, Headers
from chalicelib.web.paths import resource_path
from chalicelib.web.validation import convert_parameters

QueryT = TypeVar("QueryT", bound=PageQuery)

# A function's response may have 6 MB, with the body as an escaped string inside
# (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). No entity is so large
# that this many of them would not fit.
_MAX_PAGE_BYTES = 4 * 1024 * 1024
_ALWAYS_FIT = 20

NextCursor = Annotated[
    str | None,
    Meta(description="The cursor of the next page; null at the end of the list."),
]


class Pagination:
    """Reads the queries of lists and makes the responses for their pages."""

    def __init__(self, signer: CursorSigner) -> None:
        self._signer = signer

    def read(self, request: Request, shape: type[QueryT], item: type[Struct]) -> QueryT:
        """Return the query parameters of a list of `item`, the cursor's signature checked.

        Raises InvalidParameter, InvalidCursor.
        """
        query = convert_parameters(_parameters(request), shape)
        if query.cursor is None:
            return query
        own_id = get_type_hints(item, include_extras=True)[item.__struct_fields__[0]]
        prefix = extra(own_id, "prefix") or ""
        position = self._signer.verify(resource_path(request), query, query.cursor, prefix)
        return msgspec.structs.replace(query, cursor=position)

    def respond(self, page: Page[Any], request: Request, query: PageQuery) -> Response:
        """Return the response for a page, with as many items as fit into it."""
        items, position = page.items, page.position
        encoded = msgspec.json.encode(items)
        while len(items) > _ALWAYS_FIT and len(encoded) > _MAX_PAGE_BYTES:
            items = items[: len(items) // 2]
            position = items[-1].id
            encoded = msgspec.json.encode(items)
        headers: Headers = {"Content-Type": JSON, "Cache-Control": NO_STORE}
        cursor = None
        if position is not None:
            cursor = self._signer.sign(resource_path(request), query, position)
            sent = {name: values[-1] for name, values in _parameters(request).items()}
            given = {name: sent[name] for name in sent if name in query.__struct_fields__}
            # A query alone keeps the request's path, whatever stage or domain stands before it
            # (RFC 3986 §5.2.2).
            headers["Link"] = f'<?{urlencode(given | {"cursor": cursor})}>; rel="next"'
        name = collection(request.path).encode()
        body = b'{"%b":%b,"next_cursor":%b}' % (name, encoded, msgspec.json.encode(cursor))
        return Response(body.decode(), headers)


def collection(path: str) -> str:
    """Return the name of the list at a path, which is also the member with its items."""
    return path.rpartition("/")[2]


def _parameters(request: Request) -> dict[str, list[str]]:
    return request.to_original_event()["multiValueQueryStringParameters"] or {}
