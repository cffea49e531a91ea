"""Complete responses over HTTP/1.1, in every framing, and what they mean."""

from typing import NamedTuple

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: 2\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Case(NamedTuple):
    """What arrives, and what it means."""

    received: bytes
    status: int = 200
    body: bytes = b"{}"
    may_reuse: bool = True


CASES = {
    "a length": Case(LENGTH + b"\r\n{}"),
    "an empty body": Case(OK + b"Content-Length: 0\r\n\r\n", body=b""),
    "an error": Case(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}", 400),
    "no reason": Case(b"HTTP/1.1 599 \r\nContent-Length: 2\r\n\r\n{}", 599),
    "a name in lower case": Case(OK + b"content-length:2\r\n\r\n{}"),
    "a name in mixed case": Case(OK + b"CoNTeNT-LeNGTH: \t2\t \r\n\r\n{}"),
    "chunks": Case(CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
    "no chunk": Case(CHUNKED + b"0\r\n\r\n", body=b""),
    "a chunk with a line break": Case(CHUNKED + b"4\r\n\r\n\r\n\r\n0\r\n\r\n", body=b"\r\n\r\n"),
    "a chunk with an extension": Case(CHUNKED + b'2;a="b";c\r\n{}\r\n0 ; d\r\n\r\n'),
    "a size in upper case": Case(CHUNKED + b"1A\r\n%b\r\n0\r\n\r\n" % (b"a" * 26), body=b"a" * 26),
    "a size in lower case": Case(CHUNKED + b"1a\r\n%b\r\n0\r\n\r\n" % (b"a" * 26), body=b"a" * 26),
    "a size with zeros": Case(CHUNKED + b"0002\r\n{}\r\n000\r\n\r\n"),
    "trailers": Case(CHUNKED + b"2\r\n{}\r\n0\r\nA: b\r\nContent-Length: 9\r\n\r\n"),
    "a coding in upper case": Case(OK + b"TRANSFER-ENCODING: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    # RFC 9112 §6.3: Transfer-Encoding overrides Content-Length.
    "chunks and a length": Case(
        LENGTH + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    ),
    "100 first": Case(b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH + b"\r\n{}"),
    "several of 1xx first": Case(
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
        + LENGTH
        + b"\r\n{}"
    ),
    "204": Case(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304": Case(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
    "Connection: close": Case(LENGTH + b"Connection: close\r\n\r\n{}", may_reuse=False),
    "Connection: Close": Case(LENGTH + b"Connection: Close\r\n\r\n{}", may_reuse=False),
    "CONNECTION: CLOSE": Case(LENGTH + b"CONNECTION: CLOSE\r\n\r\n{}", may_reuse=False),
    "keep-alive, close": Case(LENGTH + b"Connection: keep-alive, Close\r\n\r\n{}", may_reuse=False),
    "close, keep-alive": Case(LENGTH + b"Connection: close ,keep-alive\r\n\r\n{}", may_reuse=False),
    "close in another line": Case(
        LENGTH + b"Connection: close\r\nConnection: keep-alive\r\n\r\n{}", may_reuse=False
    ),
    "Connection: closed": Case(LENGTH + b"Connection: closed, x-close\r\n\r\n{}"),
    "Connection: keep-alive": Case(LENGTH + b"Connection: keep-alive\r\n\r\n{}"),
    "HTTP/1.0": Case(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", may_reuse=False),
    "HTTP/1.0 that is kept": Case(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"
    ),
}
UNTIL_CLOSED = {
    "until closed": Case(OK + b"\r\n{}", may_reuse=False),
    "HTTP/1.0 until closed": Case(b"HTTP/1.0 200 OK\r\n\r\n{}", may_reuse=False),
}
