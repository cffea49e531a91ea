"""The routes that have a Lambda function of their own.

By default one function serves all routes, and these seven can only be invoked by name. With
``ROUTING=per-route`` API Gateway calls them for their routes, and the one function for the rest.
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


def integrate(swagger: dict[str, Any], uri: Callable[[str], object]) -> None:
    """Point the routes in a Swagger document at their own functions.

    `uri` returns the integration's URI for a function's name. HEAD still calls the one function.
    """
    for (path, method), name in FUNCTIONS.items():
        swagger["paths"][path][method][INTEGRATION]["uri"] = uri(name)
