"""Who may use which route.

`PERMISSIONS` has one row for each route. Rules that depend on more than the route, such as an
order's transitions or a user's status, are in the services, which check `Caller.is_admin`.
"""

from collections.abc import Callable, Mapping
from enum import Enum

from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import Forbidden, Unauthenticated


class Access(Enum):
    """Who may use a route. The OpenAPI document shows the values."""

    PUBLIC = "everybody, without a token"
    OWNER = "administrators and the user in the path; for others the user does not exist"
    ADMINISTRATORS = "administrators"


PERMISSIONS: Mapping[tuple[str, str], Access] = {
    ("POST", "/users"): Access.ADMINISTRATORS,
    ("GET", "/users"): Access.ADMINISTRATORS,
    ("GET", "/users/{user_id}"): Access.OWNER,
    ("PUT", "/users/{user_id}"): Access.OWNER,
    ("PATCH", "/users/{user_id}"): Access.OWNER,
    ("DELETE", "/users/{user_id}"): Access.ADMINISTRATORS,
    ("GET", "/users/{user_id}/history"): Access.ADMINISTRATORS,
    ("POST", "/users/{user_id}/orders"): Access.OWNER,
    ("GET", "/users/{user_id}/orders"): Access.OWNER,
    ("GET", "/users/{user_id}/orders/{order_id}"): Access.OWNER,
    ("PATCH", "/users/{user_id}/orders/{order_id}"): Access.OWNER,
    ("GET", "/users/{user_id}/orders/{order_id}/history"): Access.ADMINISTRATORS,
    ("POST", "/webhooks"): Access.ADMINISTRATORS,
    ("GET", "/webhooks"): Access.ADMINISTRATORS,
    ("GET", "/webhooks/{webhook_id}"): Access.ADMINISTRATORS,
    ("PATCH", "/webhooks/{webhook_id}"): Access.ADMINISTRATORS,
    ("DELETE", "/webhooks/{webhook_id}"): Access.ADMINISTRATORS,
    ("GET", "/webhooks/{webhook_id}/history"): Access.ADMINISTRATORS,
    ("POST", "/webhooks/{webhook_id}/rotate-secret"): Access.ADMINISTRATORS,
    ("POST", "/webhooks/{webhook_id}/test"): Access.ADMINISTRATORS,
    ("GET", "/webhooks/{webhook_id}/deliveries"): Access.ADMINISTRATORS,
    ("GET", "/webhooks/{webhook_id}/deliveries/{delivery_id}"): Access.ADMINISTRATORS,
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/send-again"): Access.ADMINISTRATORS,
    ("*", "/scim/v2/{proxy+}"): Access.ADMINISTRATORS,
    ("GET", "/"): Access.PUBLIC,
    ("GET", "/health"): Access.PUBLIC,
    ("GET", "/problems/{name}"): Access.PUBLIC,
    ("GET", "/openapi.json"): Access.PUBLIC,
    ("GET", "/asyncapi.json"): Access.PUBLIC,
    ("GET", "/docs"): Access.PUBLIC,
    ("GET", "/docs/{asset}"): Access.PUBLIC,
    ("GET", "/user/get-details"): Access.PUBLIC,
    ("GET", "/user/create"): Access.PUBLIC,
    ("GET", "/user/get-user"): Access.PUBLIC,
    ("GET", "/user/update"): Access.PUBLIC,
    ("GET", "/user/delete"): Access.PUBLIC,
    ("*", "/"): Access.PUBLIC,
    ("*", "/{proxy+}"): Access.PUBLIC,
}


def authorize(
    access: Access, caller: Caller | None, owner: str | None, not_found: Callable[[], Exception]
) -> None:
    """Raise an exception unless the caller has access.

    `owner` is the id of the user in the path, None without one. Raises Unauthenticated without a
    caller, Forbidden if only administrators have access, and the exception that `not_found`
    returns if the caller is not the owner.
    """
    if access is Access.PUBLIC:
        return
    if caller is None:
        raise Unauthenticated
    if caller.is_admin:
        return
    if access is Access.ADMINISTRATORS:
        raise Forbidden
    if owner is None or not caller.is_user(owner):
        raise not_found()
