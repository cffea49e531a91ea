"""The files of Swagger UI, from an installed package.

`requirements-docs.txt` names the package, a Flask extension. Only its static files are used, so it
is installed without Flask. Without it, the page at /docs loads the same files from a public mirror
of npm, as it does when deployed.
"""

from importlib.util import find_spec
from pathlib import Path

from chalicelib.docs_page.page import SWAGGER_UI_FILES
from chalicelib.web.application import ProxyResponse
from chalicelib.web.media import PUBLIC

SWAGGER_UI_PATH = "/docs/renderer"

_PACKAGE = "flask_swagger_ui"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}


class SwaggerUI:
    """Serves the files of Swagger UI in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = {f"{SWAGGER_UI_PATH}/{name}": folder / name for name in SWAGGER_UI_FILES}

    def respond(self, method: str, target: str) -> ProxyResponse | None:
        """Return the response to a request for one of the files, or None for other requests."""
        file = self._files.get(target)
        if file is None or method not in {"GET", "HEAD"}:
            return None
        headers = {
            "Content-Type": f"{_MEDIA_TYPES[file.suffix]}; charset=utf-8",
            "Cache-Control": PUBLIC,
        }
        body = file.read_text(encoding="utf-8") if method == "GET" else ""
        return {"statusCode": 200, "headers": headers, "body": body}


def find_swagger_ui() -> SwaggerUI | None:
    """Return the installed Swagger UI, or None if its package is not installed."""
    # Not imported: importing it needs Flask.
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    return SwaggerUI(Path(package.origin).parent / "dist")
