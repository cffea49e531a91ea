"""The files of the page's renderer, from the installed package that carries them.

`requirements-docs.txt` names the package; of the extension for Flask around the files nothing is
used, so that it is installed without Flask. Where it is absent the page loads the same files from
their public address, as it does when deployed.
"""

from importlib.util import find_spec
from pathlib import Path

from chalicelib.docs_page.page import RENDERER_FILES
from chalicelib.web.application import Answer
from chalicelib.web.responses import PUBLIC

RENDERER_PATH = "/docs/renderer"

_PACKAGE = "flask_swagger_ui"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}


class Renderer:
    """Answers requests for the renderer's files, which are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = {f"{RENDERER_PATH}/{name}": folder / name for name in RENDERER_FILES}

    def answer(self, method: str, target: str) -> Answer | None:
        """Return the answer to a request for one of the files, None for any other request."""
        file = self._files.get(target)
        if file is None or method not in {"GET", "HEAD"}:
            return None
        headers = {
            "Content-Type": f"{_MEDIA_TYPES[file.suffix]}; charset=utf-8",
            "Cache-Control": PUBLIC,
        }
        body = file.read_text(encoding="utf-8") if method == "GET" else ""
        return {"statusCode": 200, "headers": headers, "body": body}


def find_renderer() -> Renderer | None:
    """Return the installed renderer, None where its package is absent."""
    # The package is found, but never imported.
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    return Renderer(Path(package.origin).parent / "dist")
