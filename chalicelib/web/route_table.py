"""Route lookup, by the rules of API Gateway's REST APIs."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

UNROUTED = "unrouted"
"""The name of the handler for requests that match no other route."""

_CATCH_ALL = "/{proxy+}"


class RouteTable:
    """The routes of an application, looked up by path. Declare all routes before the first lookup.

    `routes` maps patterns such as ``/users/{user_id}`` to their entries by method, like
    `Chalice.routes`. ``/{proxy+}``, which takes what no other pattern does, is ignored.
    """

    def __init__(self, routes: Mapping[str, Mapping[str, Any]]) -> None:
        self._routes = routes

    def find(self, path: str) -> tuple[str, dict[str, str]] | None:
        """Return the pattern that matches `path` and the values of its parameters, or None.

        A literal segment wins over a parameter, and that over a greedy one. A single trailing
        slash is ignored.
        """
        segments = (path.removesuffix("/") or "/").split("/")
        for pattern, parts in self._patterns:
            if _matches(parts, segments):
                if _is_greedy(parts):
                    before, rest = segments[: len(parts) - 1], segments[len(parts) - 1 :]
                    segments = [*before, "/".join(rest)]
                return pattern, {
                    part[1:-1].removesuffix("+"): segment
                    for part, segment in zip(parts, segments, strict=True)
                    if part.startswith("{")
                }
        return None

    @cached_property
    def _patterns(self) -> list[tuple[str, list[str]]]:
        """The patterns and their segments, fewest parameters first and greedy ones last."""
        split = [(one, one.split("/")) for one in self._routes if one != _CATCH_ALL]
        return sorted(split, key=lambda pair: (_is_greedy(pair[1]), pair[0].count("{")))

    def methods(self, path: str) -> list[str]:
        """Return the methods that the path allows; none if no route matches."""
        found = self.find(path)
        if found is None:
            return []
        allowed = [
            method
            for method, entry in self._routes[found[0]].items()
            if entry.view_name != UNROUTED
        ]
        return [*allowed, "OPTIONS"]


def _is_greedy(parts: list[str]) -> bool:
    return parts[-1].endswith("+}")


def _matches(parts: list[str], segments: list[str]) -> bool:
    if _is_greedy(parts):
        return len(segments) >= len(parts) and _matches(parts[:-1], segments[: len(parts) - 1])
    return len(parts) == len(segments) and all(
        part == segment or part.startswith("{")
        for part, segment in zip(parts, segments, strict=True)
    )
