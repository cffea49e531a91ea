"""Personal data, tokens and keys stay out of the log, the metrics and the traces."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.resource_case import resource_cases
from tests.support.served import Served, bearer, served
from tests.telemetry.daemon import Daemon, running_daemon
from tests.telemetry.lines import Log

CANARY = "canary7f3a"
# A caller's subject is in histories, for administrators, and nowhere else.
SUBJECT = "subject9b1c"
KEY = f"{CANARY}-key"
# Fields that hold what the API defines, not what people write.
FIXED = {"status", "currency", "quantity", "unit_price"}


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """Run an X-Ray daemon."""
    with running_daemon() as running:
        yield running


def marked(value: Any, number: int, name: str = "") -> Any:
    """Return a body with a canary in every text that a client can choose."""
    if isinstance(value, Mapping):
        return {key: marked(member, number, key) for key, member in value.items()} | (
            {f"{CANARY}-pair": f"{CANARY} value"} if name == "metadata" else {}
        )
    if isinstance(value, list):
        return [marked(member, number, name) for member in value]
    if name in FIXED or not isinstance(value, str):
        return value
    return f"{CANARY}{number}@{CANARY}.example" if "@" in value else f"{CANARY} {value}"


def tour(api: Served) -> tuple[str, str]:
    """Send requests with canaries to every route, good and bad ones, and erase the user.

    Return the tokens, and the histories after that.
    """
    boss = bearer(SUBJECT, roles=["admin"], name=CANARY)
    user = bearer(f"{CANARY}-user")
    bad = f"Bearer {CANARY}.{CANARY}.{CANARY}"
    headers = {"Idempotency-Key": KEY, "User-Agent": CANARY, "Cookie": CANARY}
    ids: dict[str, str] = {}
    for number, case in enumerate(resource_cases()):
        body = marked(case.creation(number), number)
        path = case.collection.format(**ids)
        headers["Idempotency-Key"] = f"{KEY}-{number}"
        reply = api.call("POST", path, boss, body, headers)
        known = reply.body.get(case.resource.id_field)
        ids[case.resource.id_field] = known or f"{case.resource.prefix}{'0' * 32}"
        api.call("POST", path, boss, body, headers)
        api.call("POST", path, boss, marked(case.creation(99), 99), headers)
        api.call("POST", path, boss, body)
        api.call("POST", path, boss, {**body, CANARY: CANARY}, headers)
        api.call("POST", path, boss, f'{{"name": "{CANARY}'.encode(), headers)
    for method, template in api.routes:
        path = template.replace("+}", "}").format_map(defaultdict(lambda: CANARY, ids))
        for caller in (boss, user, bad, None):
            for body in (None, {"metadata": {CANARY: CANARY}}, {"name": f"{CANARY}\x00"}):
                api.call(method, f"{path}?email={CANARY}@{CANARY}.example", caller, body, headers)
                api.call(method, f"{path}?cursor={CANARY}&{CANARY}={CANARY}", caller, body)
    own = "/users/{user_id}".format(**ids)
    listed = api.call("GET", f"{own}/orders?limit=100", boss).body
    for order in listed.get("orders", ()):
        api.call("PATCH", f"{own}/orders/{order['order_id']}", boss, {"status": "cancelled"})
    api.call("DELETE", own, boss)
    histories = [
        api.call("GET", template.format(**ids), boss)
        for method, template in api.routes
        if method == "GET" and template.endswith("/history")
    ]
    return f"{boss} {user}", json.dumps([reply.body for reply in histories])


def check(api: Served, log: Log, daemon: Daemon) -> str:
    """Check that nothing of a tour is in the log, a trace or a history; return the histories."""
    tokens, histories = tour(api)
    output = log.text()
    traces = json.dumps(daemon.received())
    assert output.count("\n") > 100
    assert "authorizer" in traces
    assert CANARY not in histories.lower()
    for written in (output, traces):
        assert CANARY not in written.lower()
        assert SUBJECT not in written
        for part in tokens.replace("Bearer ", "").replace(".", " ").split():
            assert part not in written
    return histories


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_nothing_leaks(engine: str, tmp_path: Path, log: Log, daemon: Daemon) -> None:
    """No name, address, metadata, token, subject or key is in any line, metric or trace."""
    url = "memory:" if engine == "memory" else f"sqlite:///{tmp_path}/users.db"
    with served(STORAGE_URL=url, **daemon.variables) as api:
        histories = check(api, log, daemon)
    assert '"action": "deleted"' in histories


def test_nothing_leaks_from_dynamodb(emulator: str, log: Log, daemon: Daemon) -> None:
    """The same holds where storage sends the data to DynamoDB."""
    with served(STORAGE_URL=f"dynamodb://{emulator}", **daemon.variables) as api:
        histories = check(api, log, daemon)
    assert '"action": "deleted"' in histories


def test_nothing_leaks_from_faults(emulator: str, tmp_path: Path, log: Log, daemon: Daemon) -> None:
    """Tracebacks of missing tables and columns, and of a broken database, quote no data."""
    broken, foreign = tmp_path / "broken.db", tmp_path / "foreign.db"
    broken.write_bytes(b"no database" * 1000)
    with closing(sqlite3.connect(foreign)) as database:
        database.execute("CREATE TABLE users (user_id TEXT PRIMARY KEY)")
    databases = (f"sqlite:///{broken}", f"sqlite:///{foreign}")
    for url in (f"dynamodb://{emulator}-missing", *databases):
        with served(STORAGE_URL=url, **daemon.variables) as api:
            check(api, log, daemon)
