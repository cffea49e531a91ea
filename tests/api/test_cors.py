"""Cross-origin requests: exact origins, preflights without tokens, headers on errors too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import Served, served

ORIGIN = "https://app.example.com"
OTHER = "http://localhost:3000"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Served]:
    """Serve an application that two origins may call."""
    url = f"sqlite:///{tmp_path / 'api.db'}"
    with served(STORAGE_URL=url, CORS_ORIGINS=f"{ORIGIN} {OTHER}") as fresh:
        yield fresh


def test_every_answer_is_marked(api: Served) -> None:
    """Answers, errors and the gateway's refusals alike let an allowed origin read them."""
    for method, path in api.routes:
        for origin in (ORIGIN, OTHER):
            reply = api.call(method, path, None, headers={"origin": origin})
            assert reply.headers[ALLOWED] == origin, (method, path)
            assert reply.headers["Vary"] == "Origin"
            exposed = reply.headers["Access-Control-Expose-Headers"].split(", ")
            assert {"ETag", "Location", "Link", "x-request-id", "Retry-After"} <= set(exposed)
            assert "Access-Control-Allow-Credentials" not in reply.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com.evil.example",
        "https://app.example.co",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com/",
        "https://app.example.com:443",
        "null",
        "*",
        "",
        f"{ORIGIN} {OTHER}",
    ],
)
def test_other_origins_get_nothing(api: Served, origin: str) -> None:
    """An origin that is not one of the configured ones, to the letter, gets no header."""
    for method in ("GET", "OPTIONS"):
        reply = api.call(method, "/users", None, headers={"Origin": origin})
        assert not [name for name in reply.headers if name.startswith("Access-Control")]
        assert reply.headers["Vary"] == "Origin"


def test_preflights_need_no_token(api: Served) -> None:
    """Each path answers a preflight with its own methods and the headers that clients send."""
    for path in {path for _, path in api.routes} - {"/{proxy+}"}:
        headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
        reply = api.call(
            "OPTIONS", path.replace("{", "%7B").replace("}", "%7D"), None, None, headers
        )
        assert (reply.status, reply.body) == (204, None), path
        taken = {method for method, declared in api.routes if declared == path}
        if path != "/":
            assert set(reply.headers["Access-Control-Allow-Methods"].split(", ")) == {
                *taken,
                "OPTIONS",
            }
        assert "If-Match" in reply.headers["Access-Control-Allow-Headers"]
        assert reply.headers[ALLOWED] == ORIGIN
    assert api.call("OPTIONS", "/nothing", None, headers={"Origin": ORIGIN}).status == 404


def test_without_origins_there_is_no_cors(tmp_path: Path) -> None:
    """By default no origin may call, and answers do not vary."""
    with served(STORAGE_URL=f"sqlite:///{tmp_path / 'api.db'}") as api:
        reply = api.call("GET", "/", None, headers={"Origin": ORIGIN})
        assert ALLOWED not in reply.headers
        assert "Vary" not in reply.headers
