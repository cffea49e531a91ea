"""Cross-origin requests (https://fetch.spec.whatwg.org/#http-cors-protocol).

Origins must match a configured one exactly; if none is configured, no header is sent. Preflight
requests need no token, since browsers send them without credentials.
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
    """Adds CORS headers for the origins in the settings."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def add_headers(self, request: Mapping[str, str], response: dict[str, str]) -> None:
        """Add the headers that let an allowed origin read the response."""
        origins = self._settings().cors_origins
        if not origins:
            return
        response["Vary"] = "Origin"
        origin = _origin(request)
        if origin in origins:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = EXPOSED_HEADERS

    def preflight(self, request: Mapping[str, str], methods: Iterable[str]) -> dict[str, str]:
        """Return the headers of a response to OPTIONS, for a path that allows `methods`."""
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
