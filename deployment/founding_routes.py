"""The founding document's table: which Lambda function of its own each route has.

By default one function answers every route, and the seven stand beside it, to be invoked by name.
With ``ROUTING=per-route`` API Gateway calls the seven for their routes, and the one for the rest.
"""

from collections.abc import Callable, Mapping
from typing import Any

FUNCTIONS: Mapping[tuple[str, str], str] = {
    ("/users", "post"): "createUserLambda",
    ("/users/{user_id}", "get"): "getUserLambda",
    ("/users/{user_id}", "put"): "updateUserLambda",
    ("/users/{user_id}", "delete"): "deleteUserLambda",
    ("/users", "get"): "listUsersLambda",
    ("/users/{user_id}/orders", "get"): "getUserOrdersLambda",
    ("/users/{user_id}/orders/{order_id}", "get"): "getOrderDetailsLambda",
}

INTEGRATION = "x-amazon-apigateway-integration"


def route_to_own_functions(swagger: dict[str, Any], uri: Callable[[str], object]) -> None:
    """Point each founding route of a Swagger document at its own function.

    `uri` returns the integration's URI for a function's name. HEAD stays with the one function.
    """
    for (path, method), name in FUNCTIONS.items():
        swagger["paths"][path][method][INTEGRATION]["uri"] = uri(name)
