"""One line of JSON for each request: what it says, and what never gets into it."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.telemetry.activity import Activity
from chalicelib.telemetry.request_log import Exchange, RequestLog
from tests.support.served import ORDER, ROOT, Served, bearer, served
from tests.telemetry.lines import Line, Log, metrics_of

BOSS = bearer("boss", roles=["admin"])
USER = {"name": "Ann Example", "email": "ann@example.com"}
ALWAYS = {
    "timestamp",
    "level",
    "message",
    "http.route",
    "http.response.status_code",
    "duration_ms",
    "faas.name",
    "faas.coldstart",
    "service.version",
    "caller.kind",
}


@pytest.fixture
def api() -> Iterator[Served]:
    """Serve an application whose function has a name, as in Lambda."""
    with served(AWS_LAMBDA_FUNCTION_NAME="user-management-prod") as fresh:
        yield fresh


def line_of(log: Log, route: str) -> Line:
    """Return the only new line about a route."""
    (line,) = [line for line in log.lines() if line["http.route"] == route]
    return line


def test_a_read_has_one_line(api: Served, log: Log) -> None:
    """The line of a request names its route's template, its result, and who called."""
    user_id = api.user()
    log.text()
    reply = api.call("GET", f"/users/{user_id}", BOSS, headers={"X-Amzn-Trace-Id": "Root=1"})
    line = line_of(log, "/users/{user_id}")
    assert line.keys() >= ALWAYS
    assert line["message"] == "GET /users/{user_id} 200"
    assert (line["level"], line["http.response.status_code"]) == ("INFO", 200)
    assert line["http.request.method"] == "GET"
    assert line["request_id"] == reply.headers["x-request-id"]
    assert line["faas.name"] == "user-management-prod"
    assert line["caller.kind"] == "administrator"
    assert line["http.response.body.size"] == len(json.dumps(reply.body, separators=(",", ":")))
    assert "error.type" not in line


def test_the_authorizer_writes_the_same_line(api: Served, log: Log) -> None:
    """The authorizer tells who was let in, and why a token was refused, never the token."""
    api.call("GET", "/users", BOSS)
    let_in = line_of(log, "authorizer")
    assert let_in.keys() >= ALWAYS
    assert (let_in["http.response.status_code"], let_in["caller.kind"]) == (200, "administrator")
    expired = bearer("boss", exp=1)
    api.call("GET", "/users", expired)
    refused = line_of(log, "authorizer")
    assert refused["message"] == "authorizer 401: ExpiredSignatureError"
    assert (refused["error.type"], refused["caller.kind"]) == ("unauthenticated", "anonymous")
    assert expired.partition(" ")[2] not in json.dumps(refused)


def test_a_caller_is_a_hash_of_its_subject(log: Log) -> None:
    """All requests of one caller have the same hash; the subject is shown only where set so."""
    hashes = []
    for subject in ("boss", "boss", "chief"):
        with served() as api:
            api.call("GET", "/users", bearer(subject, roles=["admin"]))
        line = line_of(log, "/users")
        assert subject not in json.dumps(line)
        hashes.append(line["user.hash"])
    assert hashes[0] == hashes[1] != hashes[2]
    with served(LOG_SUBJECTS="plain") as api:
        api.call("GET", "/users", BOSS)
    assert line_of(log, "/users")["user.id"] == "boss"


def test_a_refusal_names_its_problem(api: Served, log: Log) -> None:
    """A response with a problem has the problem's name, and no traceback unless it is a fault."""
    api.call("GET", f"/users/usr_{'0' * 32}", BOSS)
    line = line_of(log, "/users/{user_id}")
    assert (line["error.type"], line["level"]) == ("user-not-found", "INFO")
    assert not [name for name in line if name.startswith("exception.")]


def test_creations_say_whether_they_are_replays(api: Served, log: Log) -> None:
    """A creation is new, and its repetition with the same key is a replay."""
    kinds = []
    for _ in range(2):
        reply = api.call("POST", "/users", BOSS, USER, {"Idempotency-Key": "once"})
        assert reply.status == 201
        kinds.append(line_of(log, "/users")["idempotency"])
    assert kinds == ["new", "replayed"]


def test_named_functions_write_the_same_line(api: Served, log: Log) -> None:
    """A function that is invoked directly has a line with its route, for a caller by IAM."""
    event = {"pathParameters": {"user_id": api.user()}}
    log.text()
    api.module.get_user_lambda(event, SimpleNamespace(aws_request_id="r-1"))
    line = log.last()
    assert (line["http.route"], line["caller.kind"]) == ("/users/{user_id}", "iam")
    assert (line["request_id"], line["http.response.status_code"]) == ("r-1", 200)


def test_the_legacy_function_writes_a_line(api: Served, log: Log) -> None:
    """The function that is no route has a line of its own, under its name."""
    api.module.lambda_handler({"path": "/user/create"}, SimpleNamespace(aws_request_id="r-2"))
    line = log.last()
    assert (line["http.route"], line["request_id"]) == ("userServiceLambda", "r-2")
    assert line["message"] == "userServiceLambda 200"


@pytest.mark.parametrize(
    "event",
    [
        {"body": {"name": "Ann", "email": "ann@example.com"}},
        {"body": 5},
        {"headers": ["traceparent"]},
        {"headers": "text", "body": []},
    ],
    ids=str,
)
def test_an_event_of_another_shape_is_refused(event: dict[str, Any], api: Served, log: Log) -> None:
    """Headers that are no object, or a body that is no string, are a 400 that has its line."""
    response = api.module.create_user_lambda(event, None)
    assert response["statusCode"] == 400
    assert "'body' a string" in json.loads(response["body"])["detail"]
    assert log.last()["error.type"] == "bad-request"


def test_a_header_of_another_type_fails_no_request(api: Served, log: Log) -> None:
    """A header that is no text has no effect, and what the request did is logged."""
    body = json.dumps(USER)
    event = {"headers": {"traceparent": 5, "origin": 5}, "body": body}
    assert api.module.create_user_lambda(event, None)["statusCode"] == 201
    assert "traceparent" not in log.last()


def test_tokens_that_cannot_be_checked_are_a_fault(log: Log) -> None:
    """A 401 because the provider's keys cannot be read is an error, and counted as a fault."""
    keys = "http://127.0.0.1:9/keys"
    with served(AUTH_SECRET="", AUTH_JWKS_URL=keys, AUTH_ISSUER="") as api:
        assert api.call("GET", "/users", BOSS).status == 401
    line = line_of(log, "authorizer")
    assert (line["level"], line["http.response.status_code"]) == ("ERROR", 401)
    assert "AUTH_ISSUER" in line["exception.message"]
    assert metrics_of(line)[0][1]["Faults"] == 1


def test_the_first_request_is_a_cold_start(api: Served, log: Log) -> None:
    """Only the first line of a process has a cold start."""
    for _ in range(3):
        api.call("GET", "/health")
    assert [line["faas.coldstart"] for line in log.lines()] == [True, False, False]


def test_storage_tells_what_it_did(log: Log, tmp_path: Any) -> None:
    """The line counts the requests to the database and the time they took."""
    with served(STORAGE_URL=f"sqlite:///{tmp_path}/users.db") as api:
        user_id = api.user()
        log.text()
        api.call("GET", f"/users/{user_id}", BOSS)
        line = line_of(log, "/users/{user_id}")
        api.call("GET", "/openapi.json")
        assert "storage.calls" not in line_of(log, "/openapi.json")
    assert line["storage.calls"] == 1
    assert 0 < line["storage.duration_ms"] <= line["duration_ms"]


def test_dynamodb_tells_its_units(emulator: str, log: Log) -> None:
    """On DynamoDB the line has the units that were consumed, reads and writes apart."""
    with served(STORAGE_URL=f"dynamodb://{emulator}") as api:
        user_id = api.user()
        line = line_of(log, "/users")
        assert line["storage.write_units"] > 0
        assert "storage.read_units" not in line
        api.call("GET", f"/users/{user_id}", BOSS)
        line = line_of(log, "/users/{user_id}")
        assert (line["storage.calls"], line["storage.read_units"]) == (1, 1)
        assert "storage.write_units" not in line


def test_a_conflict_and_its_retry_are_counted(emulator: str, log: Log) -> None:
    """A refusal of the database that is tried again counts as a retry."""
    with served(STORAGE_URL=f"dynamodb://{emulator}-missing") as api:
        assert api.call("GET", "/users", BOSS).status == 500
    line = line_of(log, "/users")
    assert line["level"] == "ERROR"
    assert line["error.type"] == "internal-error"
    assert line["exception.type"] == "ServiceError"
    assert "ResourceNotFoundException" in line["exception.message"]
    assert "Traceback (most recent call last)" in line["exception.stacktrace"]


def test_every_field_is_documented(emulator: str, log: Log) -> None:
    """docs/operating.md explains each field that a line can have, and each metric."""
    document = (ROOT / "docs" / "operating.md").read_text()
    for url in (f"dynamodb://{emulator}", f"dynamodb://{emulator}-missing"):
        with served(STORAGE_URL=url, LOG_SUBJECTS="plain") as api:
            traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
            keys = {"Idempotency-Key": "once", "traceparent": traceparent}
            for _ in range(2):
                api.call("POST", "/users", BOSS, USER, keys)
            api.call("GET", "/users", BOSS)
    with served() as api:
        api.call("GET", "/users", BOSS)
    fields = {field for line in log.lines() for field in line}
    assert {"user.id", "user.hash", "exception.stacktrace", "idempotency"} <= fields
    assert {field for field in fields if f"`{field}`" not in document} == {"_aws"}


def test_every_line_is_a_metric(api: Served, log: Log) -> None:
    """CloudWatch's own schema accepts each line, in at most two sets of dimensions."""
    user_id = api.user()
    api.order(user_id, "paid")
    api.call("GET", "/nothing", BOSS)
    api.call("DELETE", f"/users/{user_id}", BOSS)
    api.call("GET", "/users", "Bearer x.y.z")
    lines = log.lines()
    assert len(lines) > 8
    sets = set()
    for line in lines:
        (whole, metrics), (by_route, route_metrics) = metrics_of(line)
        sets |= {tuple(whole), tuple(by_route)}
        assert whole == {"FunctionName": "user-management-prod"}
        assert (metrics["Requests"], metrics["Latency"]) == (1, line["duration_ms"])
        assert route_metrics["Latency"] == line["duration_ms"]
    assert sets == {("FunctionName",), ("FunctionName", "Route")}


def test_metrics_count_what_matters(api: Served, log: Log) -> None:
    """Cold starts and replays are metrics of the lines that tell of them."""
    for _ in range(2):
        api.call("POST", "/users", BOSS, USER, {"Idempotency-Key": "once"})
    first, second = (line for line in log.lines() if line["http.route"] == "/users")
    assert "Replays" not in metrics_of(first)[0][1]
    assert metrics_of(second)[0][1]["Replays"] == 1
    assert metrics_of(second)[1][0]["Route"] == "POST /users"


def test_metrics_can_be_switched_off(log: Log) -> None:
    """With METRICS=off a line has its facts, and no metrics."""
    with served(METRICS="off") as api:
        api.call("GET", "/health")
    line = log.last()
    assert line.keys() >= ALWAYS
    assert not line.keys() & {"_aws", "FunctionName", "Requests", "Latency"}


def test_text_is_left_to_the_local_server(log: Log) -> None:
    """With LOG_FORMAT=text the application writes no lines of its own."""
    with served(LOG_FORMAT="text") as api:
        api.call("GET", "/users", BOSS)
    assert log.text() == ""


@pytest.mark.parametrize(
    "value",
    ["line\nfeed", "\r\nlevel: ERROR", "\x1b[31mred", "\u2028", "é" * 500, "x" * 100_000, "\ud800"],
    ids=ascii,
)
def test_nothing_can_be_injected(value: str, log: Log) -> None:
    """Whatever a client controls stays inside one line of JSON, and within a bounded length."""
    with served(LOG_SUBJECTS="plain") as api:
        event = {
            "headers": {"traceparent": value, "User-Agent": value},
            "path": f"/{value}",
            "pathParameters": {"user_id": value},
            "body": value,
            "requestContext": {
                "requestId": value,
                "authorizer": {"principalId": value, "admin": "true"},
            },
        }
        api.module.get_user_lambda(event, None)
        output = log.text()
    assert output.count("\n") == 1
    assert output.isprintable() or output.replace("\n", "").isprintable() or "\u2028" in value
    assert "\x1b" not in output
    assert len(output) < 5_000
    assert json.loads(output)["http.route"] == "/users/{user_id}"


@pytest.mark.parametrize("method", ["BREW", "GET\n", "x" * 1000, "get"])
def test_an_unknown_method_is_other(method: str) -> None:
    """A method that is none of HTTP's usual ones is logged as OpenTelemetry says, _OTHER."""
    written: list[str] = []
    log = RequestLog("function", "1", write=written.append)
    log.write(Exchange(method, "/{proxy+}", 405, 0), Activity())
    line = json.loads(written[0])
    assert line["http.request.method"] == "_OTHER"
    assert line["Route"] == "_OTHER /{proxy+}"


def test_a_huge_error_is_cut() -> None:
    """Texts of an exception have a maximum, so that no line exceeds what CloudWatch takes."""
    written: list[str] = []
    activity = Activity()
    activity.error = ValueError("x" * 1_000_000)
    RequestLog("function", "1", write=written.append).write(
        Exchange("GET", "/users", 500, 0), activity
    )
    line = json.loads(written[0])
    assert len(line["exception.message"]) == 1_000
    assert len(written[0]) < 25_000


def test_orders_of_a_user_are_one_template(api: Served, log: Log) -> None:
    """Ids never become part of a route's name, which would make a metric for each."""
    user_id = api.user()
    order_id = str(api.as_administrator("POST", f"/users/{user_id}/orders", ORDER).body["order_id"])
    api.call("GET", f"/users/{user_id}/orders/{order_id}", BOSS)
    for line in log.lines():
        assert user_id not in line["message"]
        assert order_id not in line["message"]
        assert "usr_" not in line["Route"]
