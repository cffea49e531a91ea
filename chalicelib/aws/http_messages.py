"""HTTP/1.1 messages (RFC 9112), as far as JSON APIs need them.

http.client does more: its headers are e-mail messages, which cost more CPU time than the rest of a
request together, and a sixth of a cold start to import.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from chalicelib.settings_error import SettingsError

_MAX_HEAD_BYTES = 64 * 1024
_MAX_BODY_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 16 * 1024
_MAX_RECEIVED_BYTES = 256 * 1024
_BREAKS = frozenset("\r\n\0")
_END = b"\r\n\r\n"
_STATUSES = range(100, 600)
_DIGITS = "0123456789abcdefABCDEF"
_INFORMATIONAL = range(100, 200)
_WITHOUT_BODY = frozenset({204, 304})

Receive = Callable[[int], bytes]


class ProtocolError(Exception):
    """What was received is not a complete HTTP/1.1 response."""


class Request(NamedTuple):
    """A request; `target` is the path, and the query if there is one."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    def message(self) -> bytes:
        """Return the request as it is sent.

        Raises SettingsError if it would have other lines than these, or a NUL (RFC 9110 §5.5).
        """
        # Without Accept-Encoding the server may choose any (RFC 9110 §12.5.3).
        head = [f"{self.method} {self.target} HTTP/1.1", "Accept-Encoding: identity"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            head.append(f"Content-Length: {len(self.body)}")
        text = "\r\n".join([*head, "", ""])
        lines = len(head) + 1
        if text.count("\r") != lines or text.count("\n") != lines or "\0" in text:
            raise _broken_line(self.headers)
        return text.encode() + self.body


class Response(NamedTuple):
    """A response. The names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    may_reuse_connection: bool = True


def read_response(receive: Receive) -> Response:
    """Read one response. `receive` returns up to so many bytes, none at the end of the stream.

    Raises ProtocolError.
    """
    stream = _Stream(receive)
    status, headers = _final_head(stream)
    options = headers.get("connection", "").lower().split(",")
    lasts = "close" not in {option.strip() for option in options}
    if status in _WITHOUT_BODY:
        body = b""
    elif (coding := headers.get("transfer-encoding")) is not None:
        if coding.lower() != "chunked":
            raise ProtocolError(f"{coding[:80]!r} is no transfer coding that was asked for")
        body = _chunks(stream)
    elif "content-length" in headers:
        body = stream.exactly(_number(headers["content-length"], 10))
    else:
        body, lasts = stream.rest(), False
    return Response(status, headers, body, lasts and stream.is_empty)


def read_status(receive: Receive) -> int:
    """Read the head of a response to CONNECT and return its status. Raises ProtocolError."""
    status, _ = _final_head(_Stream(receive))
    return status


def _broken_line(headers: Mapping[str, str]) -> SettingsError:
    # Without the value, which may be a secret.
    names = [name for name, value in headers.items() if not _BREAKS.isdisjoint(name + value)]
    place = f"header {names[0]!r}" if names else "request line"
    return SettingsError(
        f"The {place} would have a line break: check the AWS credentials, the Region and the"
        " endpoint."
    )


def _final_head(stream: "_Stream") -> tuple[int, dict[str, str]]:
    status = _INFORMATIONAL.start
    while status in _INFORMATIONAL:
        status, headers = _head(stream.until(_END, _MAX_HEAD_BYTES))
    return status, headers


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    line, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = line.partition(" ")
    if version not in {"HTTP/1.1", "HTTP/1.0"}:
        raise ProtocolError(f"{line[:80]!r} is no status line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ProtocolError(f"{line[:80]!r} is no header")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    status = _number(rest.partition(" ")[0], 10)
    if status not in _STATUSES:
        raise ProtocolError(f"{status} is no status")
    return status, headers


def _chunks(stream: "_Stream") -> bytes:
    body = bytearray()
    while size := _number(_line(stream).partition(";")[0].strip(), 16):
        body += stream.exactly(size)
        if stream.exactly(2) != b"\r\n" or len(body) > _MAX_BODY_BYTES:
            raise ProtocolError("a chunk has another size than it says")
    while _line(stream):
        pass
    return bytes(body)


def _line(stream: "_Stream") -> str:
    return stream.until(b"\r\n", _MAX_HEAD_BYTES).decode("latin-1")


def _number(text: str, base: int) -> int:
    try:
        # int() also takes signs, spaces, underscores and the prefix 0x.
        number = -1 if text.strip(_DIGITS) else int(text, base)
    except ValueError:
        number = -1
    if not 0 <= number <= _MAX_BODY_BYTES:
        # Not quoted: where a chunk has another size than it says, this is a part of the body.
        raise ProtocolError("a length or a status is no valid number")
    return number


class _Stream:
    """The bytes that were received and not yet read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._buffer = b""

    @property
    def is_empty(self) -> bool:
        """Whether everything that was received has been read."""
        return not self._buffer

    def until(self, end: bytes, limit: int) -> bytes:
        """Return what comes before `end`, which is skipped."""
        while (place := self._buffer.find(end)) < 0:
            if len(self._buffer) > limit:
                raise ProtocolError("a line or a head is too long")
            self._more()
        found, self._buffer = self._buffer[:place], self._buffer[place + len(end) :]
        return found

    def exactly(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        parts, missing = [self._buffer], count - len(self._buffer)
        while missing > 0:
            parts.append(self._received(min(missing, _MAX_RECEIVED_BYTES)))
            missing -= len(parts[-1])
        whole = b"".join(parts)
        self._buffer = whole[count:]
        return whole[:count]

    def rest(self) -> bytes:
        """Return everything up to the end of the stream."""
        body = bytearray(self._buffer)
        self._buffer = b""
        while part := self._receive(_CHUNK_BYTES):
            body += part
            if len(body) > _MAX_BODY_BYTES:
                raise ProtocolError("the body is too long")
        return bytes(body)

    def _more(self) -> None:
        self._buffer += self._received(_CHUNK_BYTES)

    def _received(self, count: int) -> bytes:
        part = self._receive(count)
        if not part:
            raise ProtocolError("the connection ended before the response did")
        return part
