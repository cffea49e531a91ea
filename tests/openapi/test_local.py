"""What the local server adds: Swagger UI's files, and a document that shows if it is open."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.docs_page.page import SWAGGER_UI_FILES
from chalicelib.settings import Settings
from chalicelib.settings_error import SettingsError
from localdev.gateway import LocalGateway
from localdev.swagger_ui import SWAGGER_UI_PATH, SwaggerUI
from tests.support.served import served


def securities(*, closed: bool) -> set[str]:
    """Return the security requirements of the operations in a local server's document."""
    with served() as api:
        gateway = LocalGateway(api.module.app, closed=closed)
        document: dict[str, Any] = json.loads(
            gateway.respond("GET", "/openapi.json", [], b"")["body"]
        )
    methods = document["paths"].values()
    return {json.dumps(one["security"]) for operations in methods for one in operations.values()}


def test_an_open_server_documents_tokens_as_optional() -> None:
    """A server that requires no token does not document one as required."""
    assert securities(closed=False) == {"[]", '[{"bearer": []}, {}]'}


def test_a_closed_server_documents_tokens_as_required() -> None:
    """A server that checks tokens serves the document of a deployment."""
    assert securities(closed=True) == {"[]", '[{"bearer": []}]'}


@pytest.mark.parametrize("name", SWAGGER_UI_FILES)
def test_the_renderer_files_are_served(tmp_path: Path, name: str) -> None:
    """Each file is served with its media type; HEAD has no body."""
    (tmp_path / name).write_text("text")
    renderer = SwaggerUI(tmp_path)

    got = renderer.respond("GET", f"{SWAGGER_UI_PATH}/{name}")
    head = renderer.respond("HEAD", f"{SWAGGER_UI_PATH}/{name}")

    assert got is not None
    assert got["body"] == "text"
    assert got["headers"]["Content-Type"].startswith(("text/css", "text/javascript"))
    assert head == {**got, "body": ""}


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/docs"),
        ("GET", f"{SWAGGER_UI_PATH}/../secrets.json"),
        ("GET", f"{SWAGGER_UI_PATH}/index.html"),
        ("POST", f"{SWAGGER_UI_PATH}/swagger-ui.css"),
    ],
)
def test_nothing_else_is_served_from_there(tmp_path: Path, method: str, target: str) -> None:
    """Only the known files are served, whatever else is in the folder."""
    (tmp_path / "index.html").write_text("text")

    assert SwaggerUI(tmp_path).respond(method, target) is None


@pytest.mark.parametrize(
    "url", ["http://example.com", "https://a/b'; script-src *", "docs", "/a b"]
)
def test_a_renderer_address_cannot_widen_the_policy(url: str) -> None:
    """An address that is invalid, or could end the policy or an attribute, is refused."""
    with pytest.raises(SettingsError, match="DOCS_RENDERER_URL"):
        _ = Settings({"DOCS_RENDERER_URL": url}).docs_renderer_url
