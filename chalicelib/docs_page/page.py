"""The page at /docs, on which people read and try the API.

Swagger UI draws it: it is well kept (Apache-2.0), reads OpenAPI 3.1, sends requests without a proxy
of its own, and needs neither inline scripts nor inline styles. None of its files are part of the
API: browsers load the pinned release from a public mirror of npm, and accept it only with the
digests below. The local server serves the same files from an installed package instead, so that
the page works offline.
"""

from functools import cache
from pathlib import Path
from string import Template
from typing import Annotated, Literal

from msgspec import Meta

from chalicelib.domain.errors import NotFound
from chalicelib.web.responses import Text

RENDERER_VERSION = "5.34.0"
RENDERER_URL = f"https://cdn.jsdelivr.net/npm/swagger-ui-dist@{RENDERER_VERSION}"
RENDERER_FILES = {
    "swagger-ui.css": "4c3vsE5f+trhFyHrFrLM1fFGUn531NIaC7dcqEWIJdoRQJ5CkJbSuSCwXLpaS1KF",
    "swagger-ui-bundle.js": "9Td7MKiIr2S83E1kZyyVi8KdJw/S8CpAvu0llLyMeg0xq/hDGiZJfVn0fV4llCmK",
}
"""The files of the renderer, by their SHA-384 digests (https://www.w3.org/TR/SRI/)."""

_FOLDER = Path(__file__).parent
_MEDIA_TYPES: dict[str, Literal["text/css", "text/javascript"]] = {
    "page.css": "text/css",
    "page.js": "text/javascript",
}

AssetName = Annotated[
    str,
    Meta(
        description="A file of the page: page.css or page.js.",
        examples=["page.css"],
        extra_json_schema={"enum": list(_MEDIA_TYPES)},
    ),
]

_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def page(base: str, renderer_url: str | None) -> Text[Literal["text/html"]]:
    """Return the page; `base` stands before the API's paths, the renderer is at `renderer_url`."""
    renderer = f"{base}{renderer_url}" if (renderer_url or "").startswith("/") else renderer_url
    filled = Template(_read("page.html")).substitute(
        base=base,
        renderer=renderer or RENDERER_URL,
        css_digest=RENDERER_FILES["swagger-ui.css"],
        js_digest=RENDERER_FILES["swagger-ui-bundle.js"],
    )
    headers = {"Content-Security-Policy": _policy(renderer or RENDERER_URL), **_HEADERS}
    return Text(filled, "text/html", headers)


def file(name: str) -> Text[Literal["text/css", "text/javascript"]]:
    """Return the page's own style or script. Raises NotFound."""
    media_type = _MEDIA_TYPES.get(name)
    if media_type is None:
        raise NotFound("The page has no file of this name.")
    return Text(_read(name), media_type, _HEADERS)


def _policy(renderer: str) -> str:
    """Return the page's Content-Security-Policy (https://www.w3.org/TR/CSP3/)."""
    sources = "'self'" if renderer.startswith("/") else f"'self' {renderer}/"
    return (
        f"default-src 'none'; script-src {sources}; style-src {sources}; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
