"""Which route has a path: the rules of API Gateway's REST APIs."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

UNROUTED = "unrouted"
"""The name of the view that answers what no other route takes."""


class RouteTable:
    """The routes of an application, for finding one by its path once all are declared.

    `routes` maps patterns such as ``/users/{user_id}`` to what they take by method, as
    `Chalice.routes` does; greedy patterns (``{proxy+}``) are left to the caller.
    """

    def __init__(self, routes: Mapping[str, Mapping[str, Any]]) -> None:
        self._routes = routes

    def find(self, path: str) -> tuple[str, dict[str, str]] | None:
        """Return the pattern that has `path` and the values of its parameters, or None.

        A literal segment wins over a parameter; a single trailing slash does not count.
        """
        segments = (path.removesuffix("/") or "/").split("/")
        for pattern, parts in self._patterns:
            if _fits(parts, segments):
                return pattern, {
                    part[1:-1]: segment
                    for part, segment in zip(parts, segments, strict=True)
                    if part.startswith("{")
                }
        return None

    @cached_property
    def _patterns(self) -> list[tuple[str, list[str]]]:
        """The patterns and their segments, those with the fewest parameters first."""
        ordered = sorted(self._routes, key=lambda pattern: pattern.count("{"))
        return [(pattern, pattern.split("/")) for pattern in ordered]

    def methods(self, path: str) -> list[str]:
        """Return the methods that the path takes, none where no route has it."""
        found = self.find(path)
        if found is None:
            return []
        taken = [
            method
            for method, entry in self._routes[found[0]].items()
            if entry.view_name != UNROUTED
        ]
        return [*taken, "OPTIONS"]


def _fits(parts: list[str], segments: list[str]) -> bool:
    return len(parts) == len(segments) and all(
        not part.endswith("+}") and (part == segment or part.startswith("{"))
        for part, segment in zip(parts, segments, strict=True)
    )
