"""A container's endpoint whose response is damaged."""

import pytest

from chalicelib.aws.container_credentials import container_credentials
from chalicelib.aws.errors import NoResponse
from tests.aws.test_connections import FakeServer

UNREADABLE = {
    "not UTF-8": b'{"AccessKeyId":"\xe9"}',
    "nested": b'{"AccessKeyId":"a","SecretAccessKey":"b","More":' + b"[" * 50_000,
    "no object": b"[]",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_credentials_are_no_response(body: bytes) -> None:
    """A body that cannot be read may be another one a moment later, and is not quoted."""
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with FakeServer(response).serving() as server:
        address = f"http://127.0.0.1:{server.place.port}/"
        credentials = container_credentials({"AWS_CONTAINER_CREDENTIALS_FULL_URI": address})
        assert credentials is not None
        with pytest.raises(NoResponse) as raised:
            credentials()
    assert raised.value.__suppress_context__
