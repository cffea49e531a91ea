"""The page at /docs in a browser: reading, trying it out, dark mode, phones, deployment."""

import hashlib
import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from chalicelib.docs_page.page import SWAGGER_UI_FILES, SWAGGER_UI_URL, SWAGGER_UI_VERSION
from localdev.swagger_ui import find_swagger_ui
from tests.e2e.server import ROOT, Server, running
from tests.openapi.external_tools import HERE, TOOLS, external_tools, run
from tests.support.needs import missing
from tests.support.served import served

SHOTS = ROOT / "build" / "docs-page"
DESKTOP = {"viewport": {"width": 1280, "height": 1000}}
LOOKS: dict[str, dict[str, Any]] = {
    "light": DESKTOP,
    "dark": {**DESKTOP, "colorScheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "deviceScaleFactor": 2, "isMobile": True},
}


def renderer_folder() -> Path:
    """Return the folder of the installed renderer."""
    renderer = find_swagger_ui()
    if renderer is None:
        missing("flask-swagger-ui is not installed: run 'make .venv/.installed'")
    return renderer.folder


def seen(server: Server, folder: Path, **how: object) -> dict[str, Any]:
    """Return what a browser sees of the page: see page.mjs."""
    node, browser, _ = external_tools("node", "chromium", "node_modules/playwright-core")
    (folder / "node_modules").symlink_to(TOOLS / "node_modules")
    script = folder / "page.mjs"
    script.write_text((HERE / "page.mjs").read_text())
    SHOTS.mkdir(parents=True, exist_ok=True)
    task = {"address": server.url, "browser": browser, **how}
    found: dict[str, Any] = json.loads(run(node, script, json.dumps(task), cwd=folder))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
def test_the_page_shows_and_calls_the_api(open_server: Server, tmp_path: Path, look: str) -> None:
    """The page loads from this machine alone, without errors, and creates a user."""
    renderer_folder()
    page = seen(open_server, tmp_path, context=LOOKS[look], shot=str(SHOTS / look))

    assert page["errors"] == []
    assert page["foreign"] == []
    assert page["response"]["status"].startswith("201")
    assert json.loads(page["response"]["body"])["message"] == "User created"
    width, window = page["widths"]
    assert width <= window
    red, green, blue = map(int, re.findall(r"\d+", page["background"])[:3])
    assert (red + green + blue > 3 * 128) == (look != "dark")


@pytest.mark.slow
@pytest.mark.parametrize("altered", [False, True])
def test_the_deployed_page_loads_only_the_pinned_renderer(tmp_path: Path, *, altered: bool) -> None:
    """The mirror's files work; an altered one does not run, and the page says so.

    The browser gets the installed files in place of the mirror's.
    """
    mirror = {"address": SWAGGER_UI_URL, "folder": str(renderer_folder())}
    with running(tmp_path, DOCS_RENDERER_URL=SWAGGER_UI_URL) as server:
        shot = str(SHOTS / "deployed")
        page = seen(server, tmp_path, context=DESKTOP, shot=shot, mirror=mirror, altered=altered)

    assert {address.rpartition("/")[0] for address in page["foreign"]} == {SWAGGER_UI_URL}
    if altered:
        assert "could not be loaded" in page["notice"]
        assert all("integrity" in error or "digest" in error for error in page["errors"])
    else:
        assert page["errors"] == []
        assert page["response"]["status"].startswith("201")


@pytest.mark.parametrize("name", SWAGGER_UI_FILES)
def test_the_installed_renderer_is_the_pinned_one(name: str) -> None:
    """The local server's files match the integrity hashes of the deployed page."""
    digest = hashlib.sha384((renderer_folder() / name).read_bytes()).digest()

    assert b64encode(digest).decode() == SWAGGER_UI_FILES[name]
    assert f"=={SWAGGER_UI_VERSION}" in (ROOT / "requirements-docs.txt").read_text()


@pytest.mark.parametrize("setting", ["", "https://static.example.com/ui", "/docs/renderer"])
def test_the_page_may_load_only_what_it_names(setting: str) -> None:
    """No inline script or style is allowed, and no origin but the API's and the renderer's."""
    with served(DOCS_RENDERER_URL=setting) as api:
        page = api.call("GET", "/docs")

    policy = page.headers["Content-Security-Policy"]
    renderer = setting or SWAGGER_UI_URL
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    named = set(re.findall(r"https://[^ ;]+", policy))
    assert named == ({f"{renderer}/"} if renderer.startswith("https") else set())
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page.body))
    assert not re.search(r"<style|style=|onload=|onclick=", page.body)
    assert page.body.count('integrity="sha384-') == 2


def test_the_package_has_no_renderer() -> None:
    """The packaged page is a few kilobytes; the renderer's megabytes are not packaged."""
    folder = ROOT / "chalicelib" / "docs_page"
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}

    assert {"page.html", "page.css", "page.js"} < sizes.keys()
    assert sum(sizes.values()) < 16 * 1024
