"""The page at /docs, for reading and trying the API.

It uses Swagger UI, which is maintained, licensed under Apache-2.0, supports OpenAPI 3.1, sends
requests without a proxy, and needs neither inline scripts nor inline styles. The API does not ship
its files. Browsers load the pinned release from a public CDN, and run it only if the digests below
match. The local server serves the same files from an installed package, so the page works offline.
"""

from functools import cache
from pathlib import Path
from string import Template
from typing import Annotated, Literal

from msgspec import Meta

from chalicelib.domain.errors import NotFound
from chalicelib.web.responses import Text

SWAGGER_UI_VERSION = "5.34.0"
SWAGGER_UI_URL = f"https://cdn.jsdelivr.net/npm/swagger-ui-dist@{SWAGGER_UI_VERSION}"
SWAGGER_UI_FILES = {
    "swagger-ui.css": "4c3vsE5f+trhFyHrFrLM1fFGUn531NIaC7dcqEWIJdoRQJ5CkJbSuSCwXLpaS1KF",
    "swagger-ui-bundle.js": "9Td7MKiIr2S83E1kZyyVi8KdJw/S8CpAvu0llLyMeg0xq/hDGiZJfVn0fV4llCmK",
}
"""The files of Swagger UI and their SHA-384 digests (https://www.w3.org/TR/SRI/)."""

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
        extra={"not_found": NotFound},
    ),
]

_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def page(base: str, swagger_ui_url: str | None) -> Text[Literal["text/html"]]:
    """Return the page.

    `base` is the prefix of the API's paths, such as the stage. `swagger_ui_url` is the folder with
    Swagger UI, None for the public CDN; a path is relative to `base`.
    """
    folder = swagger_ui_url or SWAGGER_UI_URL
    if folder.startswith("/"):
        folder = f"{base}{folder}"
    filled = Template(_read("page.html")).substitute(
        base=base,
        swagger_ui=folder,
        css_digest=SWAGGER_UI_FILES["swagger-ui.css"],
        js_digest=SWAGGER_UI_FILES["swagger-ui-bundle.js"],
    )
    headers = {"Content-Security-Policy": _policy(folder), **_HEADERS}
    return Text(filled, "text/html", headers)


def file(name: str) -> Text[Literal["text/css", "text/javascript"]]:
    """Return the page's stylesheet or script. Raises NotFound for any other name."""
    media_type = _MEDIA_TYPES.get(name)
    if media_type is None:
        raise NotFound("The page has no file of this name.")
    return Text(_read(name), media_type, _HEADERS)


def _policy(swagger_ui: str) -> str:
    """Return the page's Content-Security-Policy (https://www.w3.org/TR/CSP3/)."""
    sources = "'self'" if swagger_ui.startswith("/") else f"'self' {swagger_ui}/"
    return (
        f"default-src 'none'; script-src {sources}; style-src {sources}; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
