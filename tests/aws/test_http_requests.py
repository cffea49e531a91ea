"""Requests over HTTP/1.1 as they are sent, and what must never be part of one."""

import os
import socket

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.aws.client import Client, Service
from chalicelib.aws.configuration import configuration
from chalicelib.aws.connections import Timeouts
from chalicelib.aws.http_messages import Request
from chalicelib.settings_error import SettingsError

SERVICE = Service("dynamodb", "DynamoDB_20120810", "1.0")
INJECTED = "\r\nX-Injected: 1"
BREAKS = ["\r", "\n", "\r\n", "\0"]


def test_a_message_is_a_head_and_a_body() -> None:
    """The head has the request line, the headers as given and the body's length."""
    request = Request("POST", "/a?b", {"Host": "example.test", "X-Amz-Target": "A.B"}, b"{}\r\n")
    assert request.message() == (
        b"POST /a?b HTTP/1.1\r\n"
        b"Accept-Encoding: identity\r\n"
        b"Host: example.test\r\n"
        b"X-Amz-Target: A.B\r\n"
        b"Content-Length: 4\r\n"
        b"\r\n"
        b"{}\r\n"
    )


def test_a_message_without_a_body_has_no_length() -> None:
    """A request without a body has neither Content-Length nor anything after the head."""
    assert Request("GET", "/", {"Host": "example.test"}).message() == (
        b"GET / HTTP/1.1\r\nAccept-Encoding: identity\r\nHost: example.test\r\n\r\n"
    )


@given(body=st.binary(min_size=1, max_size=300))
def test_any_body_is_sent_unchanged(body: bytes) -> None:
    """The body follows the head byte by byte, whatever it holds."""
    head, _, sent = Request("POST", "/", {}, body).message().partition(b"\r\n\r\n")
    assert sent == body
    assert head.endswith(b"Content-Length: %d" % len(body))


@pytest.mark.parametrize("control", BREAKS)
@pytest.mark.parametrize(
    "request_",
    [
        Request("GET{}", "/", {"Host": "secret"}),
        Request("GET", "/{}", {"Host": "secret"}),
        Request("GET", "/", {"Host{}": "secret"}),
        Request("GET", "/", {"Host": "secret{}"}),
        Request("GET", "/", {"Host": "{}secret"}),
        Request("GET", "/", {"Host": "secret{}X-Injected: 1"}, b"{}"),
    ],
)
def test_line_breaks_are_refused(request_: Request, control: str) -> None:
    """CR, LF and NUL, which RFC 9110 §5.5 calls dangerous, are refused without a quotation."""
    method, target, headers, body = request_
    broken = Request(
        method.format(control),
        target.format(control),
        {name.format(control): value.format(control) for name, value in headers.items()},
        body,
    )
    with pytest.raises(SettingsError) as refusal:
        broken.message()
    assert "secret" not in str(refusal.value)


@given(value=st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_a_value_is_one_line_or_refused(value: str) -> None:
    """A message has as many lines as the request has headers, whatever their values."""
    assume("\0" not in value)
    request = Request("GET", "/", {"Host": value, "Last": "1"})
    if "\r" in value or "\n" in value:
        with pytest.raises(SettingsError, match="Host"):
            request.message()
    else:
        assert request.message().split(b"\r\n")[2:] == [
            f"Host: {value}".encode(),
            b"Last: 1",
            b"",
            b"",
        ]


def set_variables(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Set the AWS variables to an endpoint, and no others."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.parametrize(
    ("variable", "header"),
    [
        ("AWS_SESSION_TOKEN", "X-Amz-Security-Token"),
        ("AWS_ACCESS_KEY_ID", "Authorization"),
    ],
)
def test_a_line_break_in_a_variable_reaches_nobody(
    variable: str, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line break in a setting is refused by the name of its header, and nobody is called."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        set_variables(monkeypatch, f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv(variable, f"value{INJECTED}")
        client = Client(SERVICE, configuration("dynamodb"), Timeouts(1, 1))
        with pytest.raises(SettingsError, match=f"{header}' .*credentials, the Region"):
            client.call("GetItem", {})
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    "place", ["{}127.0.0.1:1/", "127.0.0.1{}:1/", "127.0.0.1:1{}", "127.0.0.1:1/{}"]
)
def test_a_line_break_in_an_endpoint_is_no_line_break(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line break in the endpoint never reaches the header Host or the request line."""
    set_variables(monkeypatch, "http://" + place.format("\r\n"))
    config = configuration("dynamodb")
    assert (config.host, config.url.path or "/") == ("127.0.0.1:1", "/")
