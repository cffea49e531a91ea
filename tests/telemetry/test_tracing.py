"""Traces: subsegments for X-Ray where a request is sampled, and the client's trace context."""

import re
from collections.abc import Iterator

import pytest

from tests.support.served import bearer, served
from tests.telemetry.daemon import PARENT_ID, TRACE_ID, Daemon, running_daemon
from tests.telemetry.lines import Log

BOSS = bearer("boss", roles=["admin"])
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """Run an X-Ray daemon."""
    with running_daemon() as running:
        yield running


def test_storage_calls_and_the_authorizer_are_subsegments(emulator: str, daemon: Daemon) -> None:
    """A sampled request sends one subsegment for the authorizer and one for each storage call."""
    with served(STORAGE_URL=f"dynamodb://{emulator}", **daemon.variables) as api:
        user_id = api.user()
        daemon.received()
        api.call("GET", f"/users/{user_id}", BOSS)
    authorizer, storage = daemon.received()
    assert authorizer["name"] == "authorizer"
    assert (storage["name"], storage["namespace"]) == ("DynamoDB", "aws")
    assert storage["aws"] == {"operation": "GetItem"}
    for part in (authorizer, storage):
        assert (part["trace_id"], part["parent_id"]) == (TRACE_ID, PARENT_ID)
        assert part["type"] == "subsegment"
        assert re.fullmatch("[0-9a-f]{16}", part["id"])
        assert 0 <= part["end_time"] - part["start_time"] < 60
        assert not part.keys() & {"error", "fault"}


def test_failures_are_marked(emulator: str, daemon: Daemon) -> None:
    """A refused token and a refused call are errors, with the service's request id and status."""
    variables = daemon.variables
    with served(STORAGE_URL=f"dynamodb://{emulator}-missing", **variables) as api:
        api.call("GET", "/users", "Bearer x.y.z")
        (refused,) = daemon.received()
        assert refused["error"] is True
        api.call("GET", "/users", BOSS)
    _, storage = daemon.received()
    assert storage["error"] is True
    assert storage["http"]["response"]["status"] == 400
    assert storage["aws"]["request_id"]
    (exception,) = storage["cause"]["exceptions"]
    assert exception["type"] == "ServiceError"


@pytest.mark.parametrize(
    "variables",
    [
        {"_X_AMZN_TRACE_ID": f"Root={TRACE_ID};Parent={PARENT_ID};Sampled=0"},
        {"_X_AMZN_TRACE_ID": f"Root={TRACE_ID}"},
        {"_X_AMZN_TRACE_ID": "Sampled=1"},
        {"_X_AMZN_TRACE_ID": ""},
        {"AWS_XRAY_DAEMON_ADDRESS": ""},
        {"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:port"},
    ],
)
def test_nothing_is_sent_unless_sampled(daemon: Daemon, variables: dict[str, str]) -> None:
    """Without a sampled trace, or without a daemon, a request sends nothing and succeeds."""
    with served(**{**daemon.variables, **variables}) as api:
        assert api.call("GET", "/users", BOSS).status == 200
    assert daemon.received() == []


def test_a_lost_daemon_fails_no_request(daemon: Daemon) -> None:
    """A daemon that cannot be reached does not matter to the request."""
    variables = {**daemon.variables, "AWS_XRAY_DAEMON_ADDRESS": "256.0.0.1:2000"}
    with served(**variables) as api:
        assert api.call("GET", "/users", BOSS).status == 200


def test_lines_name_the_trace(daemon: Daemon, log: Log) -> None:
    """Each line has the id of its X-Ray trace, sampled or not."""
    unsampled = f"Root={TRACE_ID};Parent={PARENT_ID};Sampled=0"
    with served(**{**daemon.variables, "_X_AMZN_TRACE_ID": unsampled}) as api:
        api.call("GET", "/users", BOSS)
    assert {line["trace_id"] for line in log.lines()} == {TRACE_ID}


def test_a_clients_trace_context_is_handed_on(log: Log) -> None:
    """A valid traceparent (W3C Trace Context) is in the line as it came."""
    with served() as api:
        for name in ("traceparent", "Traceparent", "TRACEPARENT"):
            api.call("GET", "/health", headers={name: TRACEPARENT})
            assert log.last()["traceparent"] == TRACEPARENT


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        TRACEPARENT.upper(),
        f"{TRACEPARENT}-00",
        f" {TRACEPARENT}",
        f"{TRACEPARENT}\n",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_an_invalid_trace_context_is_ignored(value: str, log: Log) -> None:
    """A traceparent that the standard calls invalid is not in the line."""
    with served() as api:
        assert api.call("GET", "/health", headers={"traceparent": value}).status == 200
    assert "traceparent" not in log.last()
