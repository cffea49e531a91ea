"""Responses over HTTP/1.1 (RFC 9112), in every framing and however they arrive."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.aws.http_messages import Response, read_response, read_status
from tests.aws.responses import CASES, CHUNKED, LENGTH, OK, UNTIL_CLOSED, Case
from tests.aws.streams import receiving, splits

ALL = CASES | UNTIL_CLOSED
cases = pytest.mark.parametrize("case", ALL.values(), ids=ALL.keys())


def check(case: Case, response: Response) -> None:
    """Check that `response` is what the case means."""
    assert response.status == case.status
    assert response.body == case.body
    assert response.may_reuse_connection == case.may_reuse


@cases
@given(data=st.data())
def test_a_response_reads_the_same_in_any_parts(case: Case, data: st.DataObject) -> None:
    """A response is the same however the network divides it."""
    parts = data.draw(splits(case.received))
    check(case, read_response(receiving(*parts)))


@cases
def test_a_response_reads_the_same_byte_by_byte(case: Case) -> None:
    """A response is the same when each byte arrives on its own."""
    check(case, read_response(receiving(*(bytes([byte]) for byte in case.received))))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_bytes_after_the_body_forbid_reuse(case: Case) -> None:
    """What follows a body belongs to no request, so the connection is not used again."""
    response = read_response(receiving(case.received + b"H"))
    check(case._replace(may_reuse=False), response)


@given(data=st.data(), chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=5))
@example(data=None, chunks=[b"a" * 300_000])
def test_any_chunks_make_up_the_body(data: st.DataObject | None, chunks: list[bytes]) -> None:
    """The body is what all chunks hold, whatever their number and sizes."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    whole = CHUNKED + coded + b"0\r\n\r\n"
    parts = [whole] if data is None else data.draw(splits(whole))
    check(Case(whole, body=b"".join(chunks)), read_response(receiving(*parts)))


@given(data=st.data(), body=st.binary(max_size=300))
@example(data=None, body=b"a" * 300_000)
def test_any_body_of_a_given_length_is_read(data: st.DataObject | None, body: bytes) -> None:
    """The body has as many bytes as Content-Length says, whatever they are."""
    whole = OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    parts = [whole] if data is None else data.draw(splits(whole))
    check(Case(whole, body=body), read_response(receiving(*parts)))


def test_headers_are_found_by_lower_case_names() -> None:
    """Values are without the spaces around them, under names in lower case."""
    received = LENGTH + b"X-Amz-CRC32:  1 \r\nX-Amzn-RequestId:a:b\r\nEmpty:\r\n\r\n{}"
    assert read_response(receiving(received)).headers == {
        "content-length": "2",
        "x-amz-crc32": "1",
        "x-amzn-requestid": "a:b",
        "empty": "",
    }


def test_repeated_headers_are_joined() -> None:
    """Values of a repeated header form one list in their order (RFC 9110 §5.3)."""
    received = LENGTH + b"A: b\r\nC: d\r\na:\r\nA: b, e\r\n\r\n{}"
    assert read_response(receiving(received)).headers["a"] == "b, , b, e"


def test_a_timeout_is_passed_on() -> None:
    """The error of a socket is raised as it is, while a response goes on and on."""
    endless = iter([CHUNKED, *[b"1\r\na\r\n"] * 9])

    def receive(_count: int) -> bytes:
        part = next(endless, None)
        if part is None:
            raise TimeoutError
        return part

    with pytest.raises(TimeoutError):
        read_response(receive)


@pytest.mark.parametrize("status", [200, 407, 502])
@given(data=st.data())
def test_the_status_of_a_tunnel_is_read(status: int, data: st.DataObject) -> None:
    """A response to CONNECT has its status, however it arrives and whatever 1xx precedes it."""
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 %d Any\r\nProxy-Agent: a\r\n\r\n" % status
    parts = data.draw(splits(head))
    assert read_status(receiving(*parts)) == status
