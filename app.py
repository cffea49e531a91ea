"""The application: every route and Lambda function, and what they are made of."""

from functools import cache
from typing import TYPE_CHECKING, Any

from chalice.app import AuthRequest, AuthResponse, Response

from chalicelib.answers import deprecated, lasting
from chalicelib.api import Answer, Api, Event
from chalicelib.auth import Caller
from chalicelib.authorizer import Gate
from chalicelib.idempotency import Created, IdempotencyKey
from chalicelib.model import Order, User, Versions
from chalicelib.orders import NewOrder, OrderPatch, OrderService
from chalicelib.pagination import OrderList, OrderListQuery, UserList, UserListQuery
from chalicelib.path_router import DEPRECATED_SINCE, message_for, respond
from chalicelib.problems import KINDS_BY_NAME, NotFound
from chalicelib.settings import Settings
from chalicelib.storage import open_storage
from chalicelib.storage.base import Storage
from chalicelib.users import NewUser, UserPatch, UserReplacement, UserService

settings = cache(Settings.of_process)
app = Api("user-management", settings)


@cache
def storage() -> Storage:
    """Return the storage that STORAGE_URL names."""
    return open_storage(settings().storage_url, shards=settings().user_shards)


@cache
def users() -> UserService:
    """Return the service for users."""
    return UserService(storage(), lambda: settings().cursor_secret)


@cache
def orders() -> OrderService:
    """Return the service for orders."""
    return OrderService(storage(), lambda: settings().cursor_secret)


@cache
def gate() -> Gate:
    """Return what stands before the routes that are not public."""
    return Gate(settings())


@app.authorizer(ttl_seconds=300)
def tokens(request: AuthRequest) -> AuthResponse:
    """Check a bearer token, in front of every route that is not public."""
    return gate().admit(request.token)


@app.route("/users", methods=["POST"], authorizer=tokens)
def create_user(body: NewUser, key: IdempotencyKey | None) -> Created:
    """Create a user."""
    return users().create(body, key)


@app.route("/users", authorizer=tokens)
def list_users(query: UserListQuery) -> UserList:
    """List users."""
    return users().list(query)


@app.route("/users/{user_id}", authorizer=tokens)
def get_user(user_id: str) -> User:
    """Retrieve a user."""
    return users().get(user_id)


@app.route("/users/{user_id}", methods=["PUT"], authorizer=tokens)
def update_user(caller: Caller, user_id: str, body: UserReplacement, versions: Versions) -> User:
    """Replace a user."""
    return users().replace(caller, user_id, body, versions)


@app.route("/users/{user_id}", methods=["PATCH"], authorizer=tokens)
def patch_user(caller: Caller, user_id: str, body: UserPatch, versions: Versions) -> User:
    """Change members of a user."""
    return users().patch(caller, user_id, body, versions)


@app.route("/users/{user_id}", methods=["DELETE"], authorizer=tokens)
def delete_user(user_id: str, versions: Versions) -> None:
    """Delete a user."""
    users().delete(user_id, versions)


@app.route("/users/{user_id}/orders", methods=["POST"], authorizer=tokens)
def create_order(user_id: str, body: NewOrder, key: IdempotencyKey | None) -> Created:
    """Create an order."""
    return orders().create(user_id, body, key)


@app.route("/users/{user_id}/orders", authorizer=tokens)
def get_user_orders(caller: Caller, user_id: str, query: OrderListQuery) -> OrderList:
    """List a user's orders."""
    return orders().list(caller, user_id, query)


@app.route("/users/{user_id}/orders/{order_id}", authorizer=tokens)
def get_order_details(caller: Caller, user_id: str, order_id: str) -> Order:
    """Retrieve an order."""
    return orders().get(caller, user_id, order_id)


@app.route("/users/{user_id}/orders/{order_id}", methods=["PATCH"], authorizer=tokens)
def patch_order(
    caller: Caller, user_id: str, order_id: str, body: OrderPatch, versions: Versions
) -> Order:
    """Take a step of an order's life, or change its metadata."""
    return orders().patch(caller, user_id, order_id, body, versions)


@app.route("/")
def index() -> Response:
    """Tell where things are."""
    return lasting({"name": "User Management API", "users": "/users", "health": "/health"})


@app.route("/health")
def health() -> dict[str, str]:
    """Tell whether the API and its storage can answer."""
    storage().check()
    return {"status": "ok"}


@app.route("/problems/{name}")
def explain_problem(name: str) -> Response:
    """Explain a sort of problem."""
    kind = KINDS_BY_NAME.get(name)
    if kind is None:
        raise NotFound("There is no problem of this name.")
    return lasting({"type": kind.type, **kind._asdict()})


@app.route("/user/get-details")
@app.route("/user/create")
@app.route("/user/get-user")
@app.route("/user/update")
@app.route("/user/delete")
def old_style(path: str) -> Response:
    """Answer a path of the founding document's router."""
    return deprecated(message_for(path), DEPRECATED_SINCE, "/users")


@app.route("/", methods=["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@app.route("/{proxy+}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def unrouted() -> Response:
    """Answer what no other route takes."""
    return app.unrouted()


@app.lambda_function(name="userServiceLambda")
def lambda_handler(event: Event, context: Any) -> Answer:  # noqa: ANN401, ARG001 - Lambda's context
    """Answer as the founding document's last listing does, by path alone."""
    return respond(event)


@app.lambda_function(name="createUserLambda")
def create_user_lambda(event: Event, context: Any) -> Answer:  # noqa: ANN401
    """POST /users."""
    return app.invoke(event, context, "POST", "/users")


@app.lambda_function(name="getUserLambda")
def get_user_lambda(event: Event, context: Any) -> Answer:  # noqa: ANN401
    """GET /users/{user_id}."""
    return app.invoke(event, context, "GET", "/users/{user_id}")


@app.lambda_function(name="updateUserLambda")
def update_user_lambda(event: Event, context: Any) -> Answer:  # noqa: ANN401
    """PUT /users/{user_id}."""
    return app.invoke(event, context, "PUT", "/users/{user_id}")


@app.lambda_function(name="deleteUserLambda")
def delete_user_lambda(event: Event, context: Any) -> Answer:  # noqa: ANN401
    """DELETE /users/{user_id}."""
    return app.invoke(event, context, "DELETE", "/users/{user_id}")


@app.lambda_function(name="listUsersLambda")
def list_users_lambda(event: Event, context: Any) -> Answer:  # noqa: ANN401
    """GET /users."""
    return app.invoke(event, context, "GET", "/users")


@app.lambda_function(name="getUserOrdersLambda")
def get_user_orders_lambda(event: Event, context: Any) -> Answer:  # noqa: ANN401
    """GET /users/{user_id}/orders."""
    return app.invoke(event, context, "GET", "/users/{user_id}/orders")


@app.lambda_function(name="getOrderDetailsLambda")
def get_order_details_lambda(event: Event, context: Any) -> Answer:  # noqa: ANN401
    """GET /users/{user_id}/orders/{order_id}."""
    return app.invoke(event, context, "GET", "/users/{user_id}/orders/{order_id}")


if TYPE_CHECKING:
    # Never executed: Chalice derives the IAM policy from the AWS calls that it reads in this file.
    import boto3

    dynamodb = boto3.client("dynamodb")
    dynamodb.get_item()
    dynamodb.put_item()
    dynamodb.update_item()
    dynamodb.delete_item()
    dynamodb.query()
    ssm = boto3.client("ssm")
    ssm.get_parameter()

if settings().is_lambda:
    settings().check_authentication()

if settings().is_chalice_command:
    import localdev

    localdev.prepare(app)
