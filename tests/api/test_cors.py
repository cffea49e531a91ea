"""Cross-origin requests: exact origins, preflights without tokens, headers on errors too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.served import Served, served

ORIGIN = "https://app.example.com"
OTHER = "http://localhost:3000"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Served]:
    """Serve an application with two allowed origins."""
    url = f"sqlite:///{tmp_path / 'api.db'}"
    with served(STORAGE_URL=url, CORS_ORIGINS=f"{ORIGIN} {OTHER}") as fresh:
        yield fresh


def test_every_response_allows_the_origin(api: Served) -> None:
    """An allowed origin may read responses, errors and the gateway's own 401 alike."""
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
def test_other_origins_get_no_headers(api: Served, origin: str) -> None:
    """An origin that does not match a configured one exactly gets no header."""
    for method in ("GET", "OPTIONS"):
        reply = api.call(method, "/users", None, headers={"Origin": origin})
        assert not [name for name in reply.headers if name.startswith("Access-Control")]
        assert reply.headers["Vary"] == "Origin"


def test_preflights_need_no_token(api: Served) -> None:
    """Each path responds to a preflight with its methods and the allowed request headers."""
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
    """By default no origin is allowed, and responses do not vary by it."""
    with served(STORAGE_URL=f"sqlite:///{tmp_path / 'api.db'}") as api:
        reply = api.call("GET", "/", None, headers={"Origin": ORIGIN})
        assert ALLOWED not in reply.headers
        assert "Vary" not in reply.headers
