"""What is no complete HTTP/1.1 response (RFC 9112): an error that says so, soon."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.http_messages import ProtocolError, Receive, read_response, read_status
from tests.aws.responses import CASES, CHUNKED, OK, UNTIL_CLOSED, Case
from tests.aws.streams import receiving, splits

MAX_LINE = 64 * 1024
MAX_BODY = 32 * 1024 * 1024


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_response_cut_anywhere_is_an_error(case: Case) -> None:
    """A response that ends after any of its bytes but the last is an error."""
    for end in range(len(case.received)):
        with pytest.raises(ProtocolError, match="ended"):
            read_response(receiving(case.received[:end]))


@pytest.mark.parametrize("case", UNTIL_CLOSED.values(), ids=UNTIL_CLOSED.keys())
def test_a_head_cut_anywhere_is_an_error(case: Case) -> None:
    """Where the end of the connection ends the body, it may not come within the head."""
    for end in range(len(case.received) - len(case.body)):
        with pytest.raises(ProtocolError, match="ended"):
            read_response(receiving(case.received[:end]))


def test_a_tunnel_cut_anywhere_is_an_error() -> None:
    """A response to CONNECT that ends after any of its bytes but the last is an error."""
    whole = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"
    for end in range(len(whole)):
        with pytest.raises(ProtocolError, match="ended"):
            read_status(receiving(whole[:end]))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"HTTP/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.1 OK",
        b"HTTP/1.1 abc OK",
        b"HTTP/1.1 99 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 600 OK",
        b"HTTP/1.1 1000 OK",
        b"HTTP/1.1 +200 OK",
        b"HTTP/1.1 -200 OK",
        b"HTTP/1.1 2_00 OK",
        b"HTTP/1.1 20\xb2 OK",
        b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/2 200 OK",
        b"HTTP/0.9 200 OK",
        b"http/1.1 200 OK",
        b" HTTP/1.1 200 OK",
        b"SSH-2.0-OpenSSH_9.9",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
@pytest.mark.parametrize("read", [read_response, read_status])
def test_what_is_no_status_line_is_refused(line: bytes, read: Callable[[Receive], object]) -> None:
    """A response starts with HTTP/1.1 or HTTP/1.0 and a status from 100 to 599."""
    with pytest.raises(ProtocolError, match="is no"):
        read(receiving(line + b"\r\nContent-Length: 2\r\n\r\n{}"))


@pytest.mark.parametrize(
    "number",
    [
        b"",
        b"+2",
        b"-2",
        b"1_0",
        b"1 0",
        b"2.0",
        b"2;",
        b"0x2",
        b"0b1",
        b"abc",
        b"\xb2",
        b"\xd9\xa2",
        b"2, 2",
        b"%d" % (MAX_BODY + 1),
        b"9" * 30,
        b"9" * 10_000,
    ],
)
def test_what_is_no_length_is_refused(number: bytes) -> None:
    """A length is a decimal number up to 32 MiB, without signs, spaces and underscores."""
    with pytest.raises(ProtocolError, match="is no valid number"):
        read_response(receiving(OK + b"Content-Length: " + number + b"\r\n\r\n{}12345678"))


@pytest.mark.parametrize(
    "number",
    [
        b"",
        b"+2",
        b"-2",
        b"1_0",
        b"2 2",
        b"2.0",
        b"0x2",
        b"0X2",
        b"g",
        b"\xb2",
        b"2000001",
        b"f" * 30,
        b"f" * 10_000,
    ],
)
def test_what_is_no_size_of_a_chunk_is_refused(number: bytes) -> None:
    """The size of a chunk is a hexadecimal number up to 32 MiB."""
    with pytest.raises(ProtocolError, match="is no valid number"):
        read_response(receiving(CHUNKED + number + b"\r\n{}\r\n0\r\n\r\n"))


@pytest.mark.parametrize("other", [b"1", b"2", b"3", b"x"])
def test_repeated_lengths_are_refused(other: bytes) -> None:
    """Two lengths are refused even if they agree, since RFC 9112 §6.3 lets a client do so."""
    lengths = b"Content-Length: 2\r\ncontent-length: %b\r\n\r\n{}" % other
    with pytest.raises(ProtocolError, match="is no valid number"):
        read_response(receiving(OK + lengths))


@pytest.mark.parametrize("coding", [b"", b"gzip", b"gzip, chunked", b"chunked, gzip", b"identity"])
def test_unknown_transfer_codings_are_refused(coding: bytes) -> None:
    """A body in a coding that was not asked for is refused, whatever its length is said to be."""
    head = OK + b"Content-Length: 2\r\nTransfer-Encoding: " + coding
    with pytest.raises(ProtocolError, match="is no transfer coding"):
        read_response(receiving(head + b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n"))


def test_the_longest_body_is_awaited() -> None:
    """A length of 32 MiB is accepted: what is missing is the body."""
    for head in (OK + b"Content-Length: %d\r\n\r\n" % MAX_BODY, CHUNKED + b"2000000\r\n"):
        with pytest.raises(ProtocolError, match="ended"):
            read_response(receiving(head + b"a"))


@pytest.mark.parametrize(
    "coded",
    [
        b"2\r\n{}0\r\n\r\n",
        b"2\r\n{}}\r\n0\r\n\r\n",
        b"2\r\n{\r\n0\r\n\r\n",
        b"2\r\n{}\n0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"2\r\n{}\r\n\r\n0\r\n\r\n",
        b"{}",
    ],
)
def test_malformed_chunks_are_refused(coded: bytes) -> None:
    """A chunk has as many bytes as its size says, between line breaks of CR and LF."""
    with pytest.raises(ProtocolError):
        read_response(receiving(CHUNKED + coded))


@pytest.mark.parametrize("line", [b"Content-Length", b"{}", b" folded", b"\xff"])
@pytest.mark.parametrize("read", [read_response, read_status])
def test_a_header_without_a_colon_is_refused(
    line: bytes, read: Callable[[Receive], object]
) -> None:
    """Each line of a head but the first has a colon."""
    with pytest.raises(ProtocolError, match="is no header"):
        read(receiving(OK + b"Content-Length: 2\r\n" + line + b"\r\n\r\n{}"))


@pytest.mark.parametrize(
    ("start", "repeated", "limit"),
    [
        pytest.param(b"", b"H", MAX_LINE, id="line"),
        pytest.param(OK, b"A: b\r\n", MAX_LINE, id="headers"),
        pytest.param(OK + b"A: ", b"b", MAX_LINE, id="header"),
        pytest.param(CHUNKED, b"1", MAX_LINE, id="size"),
        pytest.param(CHUNKED + b"1;", b"a", MAX_LINE, id="extension"),
        pytest.param(CHUNKED + b"0\r\n", b"a", MAX_LINE, id="trailer"),
        pytest.param(OK + b"\r\n", b"{}", MAX_BODY, id="body"),
        pytest.param(CHUNKED, b"1000\r\n" + b"a" * 0x1000 + b"\r\n", MAX_BODY, id="chunks"),
    ],
)
def test_what_never_ends_is_refused(start: bytes, repeated: bytes, limit: int) -> None:
    """A head or a line that goes on is refused after 64 KiB, a body after 32 MiB."""
    received, waiting = 0, start

    def receive(count: int) -> bytes:
        nonlocal received, waiting
        while len(waiting) < count:
            waiting += repeated * 1000
        part, waiting = waiting[:count], waiting[count:]
        received += len(part)
        # For the framing, and what is received at once.
        assert received <= 2 * limit
        return part

    with pytest.raises(ProtocolError):
        read_response(receive)
    assert received >= limit


FRAGMENTS = [
    *(b"HTTP/1.1 ", b"HTTP/1.0 ", b"100 ", b"200 OK", b"204 ", b"\r\n", b"\r\n\r\n", b"\r", b"\n"),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Connection: ", b"close", b", "),
    *(b"0", b"1", b"2", b"a", b"F", b";", b":", b" ", b"-", b"_", b"\x00", b"\xff", b"{}"),
]
GARBAGE = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(b"".join),
    st.binary(max_size=100).map(lambda rest: OK + rest),
    st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(lambda rest: CHUNKED + b"".join(rest)),
)


@pytest.mark.parametrize("read", [read_response, read_status])
@given(data=st.data(), whole=GARBAGE)
def test_any_bytes_are_a_response_or_an_error(
    read: Callable[[Receive], object], data: st.DataObject, whole: bytes
) -> None:
    """Whatever arrives is a response or a ProtocolError, at the latest when the stream ends."""
    parts = data.draw(splits(whole))
    with suppress(ProtocolError):
        read(receiving(*parts))


@given(data=st.data(), name=st.sampled_from(sorted(CASES)))
def test_a_damaged_response_is_a_response_or_an_error(data: st.DataObject, name: str) -> None:
    """A response in which some bytes were replaced is read, or is a ProtocolError."""
    damaged = bytearray(CASES[name].received)
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    with suppress(ProtocolError):
        read_response(receiving(bytes(damaged)))
