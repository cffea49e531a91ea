"""Signed cursors: where the next page of a list starts, so that nobody can alter it.

A cursor is the id after which the page starts, with an HMAC over that id and everything that the
page depends on: the list's path, the filters and the sort order. A page is found by its key, so the
last one costs what the first one does.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable

import msgspec

from chalicelib.domain.errors import InvalidCursor
from chalicelib.domain.pagination import CURSOR_LENGTH, PageQuery

# 16 bytes of id and 17 of signature are 44 characters of base64 without an unused bit: no two texts
# are the same cursor.
_ID_BYTES = 16
_SIGNATURE_BYTES = 17


class CursorSigner:
    """Signs and verifies cursors; `secret` is called when it is first needed."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def sign(self, path: str, query: PageQuery, position: str) -> str:
        """Return the cursor to what follows the id `position` in the list at `path`."""
        id_bytes = bytes.fromhex(position.rpartition("_")[2])
        return urlsafe_b64encode(id_bytes + self._signature(path, query, id_bytes)).decode()

    def verify(self, path: str, query: PageQuery, cursor: str, prefix: str) -> str:
        """Return the id in a cursor; ids of the list start with `prefix`. Raises InvalidCursor."""
        if len(cursor) != CURSOR_LENGTH or not cursor.isascii():
            raise InvalidCursor
        try:
            decoded = urlsafe_b64decode(cursor)
        except Base64Error:
            raise InvalidCursor from None
        id_bytes, signature = decoded[:_ID_BYTES], decoded[_ID_BYTES:]
        if urlsafe_b64encode(decoded).decode() != cursor or not hmac.compare_digest(
            signature, self._signature(path, query, id_bytes)
        ):
            raise InvalidCursor
        return prefix + id_bytes.hex()

    def _signature(self, path: str, query: PageQuery, id_bytes: bytes) -> bytes:
        bound = msgspec.structs.replace(query, cursor=None, limit=1)
        message = msgspec.json.encode([path, bound]) + id_bytes
        return hmac.digest(self._secret(), message, "sha256")[:_SIGNATURE_BYTES]
