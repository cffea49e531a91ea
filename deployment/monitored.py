"""What the monitoring of a stage is about: its API, routes, functions and table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployment import event_functions
from deployment.route_functions import FUNCTIONS
from deployment.stages import Stage

# Others answer for a path as a whole: HEAD as GET does, OPTIONS for browsers.
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Monitored:
    """The resources of a deployed stage, by name.

    - `routes`: the function that handles each route that needs a token, by ``GET /users``.
    - `functions`: all functions; `called` are those that API Gateway calls for routes.
    - `authorizer`: the function that checks tokens.
    - `event_functions`: those that pass on events and send webhooks, the one that reads the table's
      stream, or the outbox, first.
    - `queues`: the queue of deliveries, and those of what was given up; none on other storage than
      DynamoDB.
    - `table`: the DynamoDB table, None on other storage.
    """

    name: str
    api_stage: str
    routes: Mapping[str, str]
    functions: tuple[str, ...]
    called: tuple[str, ...]
    authorizer: str
    event_functions: tuple[str, ...]
    queues: tuple[str, ...]
    table: str | None


def log_group(function: str) -> str:
    """Return the log group of a function."""
    return f"/aws/lambda/{function}"


def monitored(
    stage: Stage, swagger: Mapping[str, Any], functions: Iterable[str], *, per_route: bool
) -> Monitored:
    """Describe the stage whose API the Swagger document declares; `functions` are its names."""
    [authorizer] = swagger["securityDefinitions"]
    own = FUNCTIONS if per_route else {}
    routes = {}
    for path, operations in sorted(swagger["paths"].items()):
        for method in _METHODS:
            if "security" in operations.get(method, {}):
                name = own.get((path, method))
                function = f"{stage.full_name}-{name}" if name else stage.full_name
                routes[f"{method.upper()} {path}"] = function
    return Monitored(
        name=stage.full_name,
        api_stage=stage.api_stage,
        routes=routes,
        functions=tuple(sorted(functions)),
        # The one function also handles the routes that need no token.
        called=tuple(sorted({stage.full_name, *routes.values()})),
        authorizer=f"{stage.full_name}-{authorizer}",
        event_functions=tuple(f"{stage.full_name}-{name}" for name in event_functions.names(stage)),
        queues=(stage.queue, stage.queue_failures, stage.stream_failures)
        if stage.uses_dynamodb
        else (),
        table=stage.table if stage.uses_dynamodb else None,
    )
