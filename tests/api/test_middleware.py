"""Chalice's own middleware works in front of every route."""

from collections.abc import Callable
from typing import Any

from chalice.app import Request, Response

from tests.support.served import bearer, served


def test_middleware_sees_requests_and_responses() -> None:
    """A middleware that an application adds gets each request, and may change its response."""
    seen: list[str] = []

    def mark(event: Request, get_response: Callable[[Any], Response]) -> Response:
        seen.append(f"{event.method} {event.path}")
        response = get_response(event)
        response.headers["X-Marked"] = "yes"
        return response

    with served() as api:
        api.module.app.register_middleware(mark, "http")
        reply = api.call("GET", "/users", bearer("boss", roles=["admin"]))
    assert (reply.status, reply.headers["X-Marked"]) == (200, "yes")
    assert seen == ["GET /users"]
