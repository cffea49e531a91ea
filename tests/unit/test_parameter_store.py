"""Secrets in Parameter Store: what is asked for, what is retried, and what an error tells."""

import json
import socket
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from chalicelib.aws.errors import AWSError, NoResponse, ServiceError
from chalicelib.parameter_store import read_parameter
from chalicelib.settings_error import SettingsError
from tests.aws.environments import KEYS, REGION, isolated, set_all
from tests.aws.http_server import HTTPServer, Last, response, serving

SECRET = "a secret"
FOUND = response(200, {"Parameter": {"Name": "/users/secret", "Value": SECRET, "Version": 1}})


def failure(status: int, code: str) -> bytes:
    """Return a response with an error of Parameter Store's."""
    return response(status, {"__type": code, "message": "no"}, x_amzn_RequestId="ABC123")


class ParameterStore:
    """Answers requests with `responses` in turn, and then with the last of them."""

    def __init__(self, *responses: bytes) -> None:
        self._responses: Iterator[bytes] = chain(responses, repeat(responses[-1]))

    def __call__(self, _: object) -> bytes:
        """Return the next response."""
        return next(self._responses)


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment that knows credentials and a Region."""
    isolated(tmp_path, monkeypatch)
    set_all(monkeypatch, KEYS, REGION)


def read(patch: pytest.MonkeyPatch, *responses: bytes) -> tuple[str | AWSError, HTTPServer]:
    """Return the value of a parameter, or the error; and the server that gave these responses."""
    with serving(ParameterStore(*responses)) as server:
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        try:
            return read_parameter("/users/secret"), server
        except AWSError as error:
            return error, server


def test_a_parameter_is_read_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value is asked for by one GetParameter that decrypts it."""
    value, server = read(monkeypatch, FOUND)
    assert value == SECRET
    [request] = server.received
    assert request.headers["x-amz-target"] == "AmazonSSM.GetParameter"
    assert request.headers["content-type"] == "application/x-amz-json-1.1"
    assert "/eu-central-1/ssm/aws4_request" in request.headers["authorization"]
    assert json.loads(request.body) == {"Name": "/users/secret", "WithDecryption": True}


def test_the_endpoint_may_be_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_ENDPOINT_URL_SSM names the endpoint of Parameter Store alone."""
    with serving(ParameterStore(FOUND)) as server:
        variables = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SSM": server.url}
        set_all(monkeypatch, variables)
        assert read_parameter("/users/secret") == SECRET


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(failure(400, "ThrottlingException"), id="throttled"),
        pytest.param(failure(400, "TooManyRequestsException"), id="too many requests"),
        pytest.param(failure(500, "InternalServerError"), id="internal error"),
        pytest.param(response(503, b"<html>"), id="page of a load balancer"),
        pytest.param(Last(b""), id="lost"),
        pytest.param(Last(FOUND[:-10]), id="cut"),
        pytest.param(response(200, b"<html>"), id="garbled"),
    ],
)
def test_a_temporary_fault_is_retried(monkeypatch: pytest.MonkeyPatch, fault: bytes) -> None:
    """Throttling, server errors and lost responses are retried until the value is there."""
    value, server = read(monkeypatch, fault, fault, FOUND)
    assert value == SECRET
    assert len(server.received) == 3


@pytest.mark.parametrize(
    "code",
    [
        "ParameterNotFound",
        "AccessDeniedException",
        "InvalidKeyId",
        "UnrecognizedClientException",
        "ExpiredTokenException",
    ],
)
def test_a_permanent_error_is_raised_at_once(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """An error that a retry cannot help is raised after one request, and names its code."""
    error, server = read(monkeypatch, failure(400, code))
    assert isinstance(error, ServiceError)
    assert error.code == code
    assert str(error) == f"GetParameter: {code}: no (status 400, request ABC123)"
    assert len(server.received) == 1


def test_missing_credentials_are_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing in the configuration is an error at once, and no request is sent."""
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with serving(ParameterStore(FOUND)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        with pytest.raises(SettingsError, match="AWS_SECRET_ACCESS_KEY"):
            read_parameter("/users/secret")
    assert server.received == []


def test_no_connection_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """After reading, and after an error, the connection is closed."""
    with serving(ParameterStore(FOUND, failure(400, "ParameterNotFound"))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        read_parameter("/users/secret")
        with pytest.raises(ServiceError):
            read_parameter("/users/secret")
        assert server.open_connections(0) == 0


@pytest.mark.slow
@pytest.mark.parametrize("listens", [True, False])
def test_a_store_that_never_responds_is_an_error(
    monkeypatch: pytest.MonkeyPatch, *, listens: bool
) -> None:
    """Silence and refused connections end with NoResponse after eight seconds at most."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        if not listens:
            silent.close()
        start = time.monotonic()
        with pytest.raises(NoResponse):
            read_parameter("/users/secret")
        assert time.monotonic() - start < 10
