"""What the local server adds: the renderer's files, and a document that says if it is open."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.docs_page.page import RENDERER_FILES
from chalicelib.settings import Settings, SettingsError
from localdev.gateway import LocalGateway
from localdev.renderer import RENDERER_PATH, Renderer
from tests.served import served


def securities(*, closed: bool) -> set[str]:
    """Return what a local server's document says of the tokens that operations need."""
    with served() as api:
        gateway = LocalGateway(api.module.app, closed=closed)
        document: dict[str, Any] = json.loads(
            gateway.answer("GET", "/openapi.json", [], b"")["body"]
        )
    methods = document["paths"].values()
    return {json.dumps(one["security"]) for operations in methods for one in operations.values()}


def test_an_open_server_says_that_tokens_are_optional() -> None:
    """Where nobody is asked for a token the document does not ask either."""
    assert securities(closed=False) == {"[]", '[{"bearer": []}, {}]'}


def test_a_closed_server_says_that_tokens_are_needed() -> None:
    """Where tokens are checked the document is the deployed one's."""
    assert securities(closed=True) == {"[]", '[{"bearer": []}]'}


@pytest.mark.parametrize("name", RENDERER_FILES)
def test_the_renderer_s_files_are_served(tmp_path: Path, name: str) -> None:
    """Each file is answered with its media type, and HEAD without its text."""
    (tmp_path / name).write_text("text")
    renderer = Renderer(tmp_path)

    got = renderer.answer("GET", f"{RENDERER_PATH}/{name}")
    head = renderer.answer("HEAD", f"{RENDERER_PATH}/{name}")

    assert got is not None
    assert got["body"] == "text"
    assert got["headers"]["Content-Type"].startswith(("text/css", "text/javascript"))
    assert head == {**got, "body": ""}


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/docs"),
        ("GET", f"{RENDERER_PATH}/../secrets.json"),
        ("GET", f"{RENDERER_PATH}/index.html"),
        ("POST", f"{RENDERER_PATH}/swagger-ui.css"),
    ],
)
def test_nothing_else_is_served_from_there(tmp_path: Path, method: str, target: str) -> None:
    """Only the named files are answered, whatever lies beside them."""
    (tmp_path / "index.html").write_text("text")

    assert Renderer(tmp_path).answer(method, target) is None


@pytest.mark.parametrize(
    "url", ["http://example.com", "https://a/b'; script-src *", "docs", "/a b"]
)
def test_a_renderer_s_address_cannot_widen_the_policy(url: str) -> None:
    """An address that is none, or would end the policy's or the page's text, is refused."""
    with pytest.raises(SettingsError, match="DOCS_RENDERER_URL"):
        _ = Settings({"DOCS_RENDERER_URL": url}).docs_renderer_url
