"""Cross-origin requests (https://fetch.spec.whatwg.org/#http-cors-protocol).

Origins are compared exactly with the configured ones; without any, no header is sent. Preflights
need no token, since browsers send none with them.
"""

from collections.abc import Callable, Iterable, Mapping

from chalicelib.settings import Settings

_REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match"
EXPOSED_HEADERS = (
    "Allow, Deprecation, ETag, Idempotent-Replayed, Link, Location, Retry-After,"
    " WWW-Authenticate, x-request-id"
)
_MAX_AGE_SECONDS = "7200"


class Cors:
    """Marks answers for the web origins that the settings allow."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def mark(self, request: Mapping[str, str], answer: dict[str, str]) -> None:
        """Add the headers that let an allowed origin read the answer."""
        origins = self._settings().cors_origins
        if not origins:
            return
        answer["Vary"] = "Origin"
        origin = _origin(request)
        if origin in origins:
            answer["Access-Control-Allow-Origin"] = origin
            answer["Access-Control-Expose-Headers"] = EXPOSED_HEADERS

    def preflight(self, request: Mapping[str, str], methods: Iterable[str]) -> dict[str, str]:
        """Return the headers that answer OPTIONS for a path that takes `methods`."""
        headers = {"Allow": ", ".join(sorted(methods)), "Cache-Control": "no-store"}
        if _origin(request) in self._settings().cors_origins:
            headers |= {
                "Access-Control-Allow-Methods": headers["Allow"],
                "Access-Control-Allow-Headers": _REQUEST_HEADERS,
                "Access-Control-Max-Age": _MAX_AGE_SECONDS,
            }
        return headers


def _origin(headers: Mapping[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() == "origin"), "")
