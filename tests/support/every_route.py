"""One request of each route, for tests of what requests load."""

from collections import defaultdict
from collections.abc import Iterable

from tests.support.served import Served, bearer

_BODIES: dict[str, object] = {"PATCH": {"metadata": {"team": "blue"}}, "PUT": {}, "POST": {}}


def request_each(api: Served, routes: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Send an administrator's request to each route, with what its path names; return statuses."""
    boss = bearer("boss", roles=["admin"])
    statuses = {}
    for method, path in routes:
        ids = defaultdict(lambda: "anything", api.ids_in(path))
        url = path.replace("+}", "}").format_map(ids)
        statuses[f"{method} {path}"] = api.call(method, url, boss, _BODIES.get(method)).status
    return statuses
