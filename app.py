"""The application: every route and Lambda function, and what they are made of."""

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from chalice.app import AuthRequest, AuthResponse, Response

from chalicelib.docs_page import page as docs_page
from chalicelib.docs_page.page import AssetName
from chalicelib.domain.errors import (
    EmailTaken,
    Forbidden,
    IllegalTransition,
    NotFound,
    Unavailable,
    UserHasOpenOrders,
    UserSuspended,
)
from chalicelib.domain.idempotency import Created, IdempotencyKey
from chalicelib.domain.model import Order, OrderId, User, UserId, Versions
from chalicelib.domain.orders import NewOrder, OrderPatch, OrderService
from chalicelib.domain.pagination import OrderList, OrderListQuery, UserList, UserListQuery
from chalicelib.domain.storage import Storage
from chalicelib.domain.users import NewUser, UserCreated, UserPatch, UserReplacement, UserService
from chalicelib.legacy import DEPRECATED_SINCE, Message, message_for, respond
from chalicelib.security.authorizer import Gate
from chalicelib.security.permissions import Caller
from chalicelib.settings import Settings
from chalicelib.storage.factory import open_storage
from chalicelib.web.application import Answer, Api, Event
from chalicelib.web.problem_details import Explanation, ProblemName, explain
from chalicelib.web.responses import Lasting, Superseded, Text
from chalicelib.web.service_info import Document, Health, Index

settings = cache(Settings.of_process)
app = Api("user-management", settings)


@cache
def storage() -> Storage:
    """Return the storage that STORAGE_URL names."""
    return open_storage(
        settings().storage_url,
        shards=settings().user_shards,
        password=settings().storage_password,
    )


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


@cache
def document() -> Document:
    """Return the OpenAPI document, built when it is first asked for."""
    # Imported here, so that a cold start does not pay for it.
    from chalicelib.openapi.document import document_of  # noqa: PLC0415

    return document_of(app)


@app.authorizer(ttl_seconds=300)
def tokens(request: AuthRequest) -> AuthResponse:
    """Check a bearer token, in front of every route that is not public."""
    return gate().admit(request.token)


@app.route("/users", methods=["POST"], authorizer=tokens, raises=[EmailTaken])
def create_user(body: NewUser, key: IdempotencyKey | None) -> Created[UserCreated]:
    """Create a user.

    No two users have one e-mail address, whatever its case. Send an `Idempotency-Key`, and the
    request can be repeated without creating a second user.
    """
    return users().create(body, key)


@app.route("/users", authorizer=tokens)
def list_users(query: UserListQuery) -> UserList:
    """List users.

    The newest come first. While `next_cursor` is not null, send it as `cursor`, with the same
    filters and order, to get the next page; `Link` holds the same address. Nobody is skipped or
    listed twice while others are added.
    """
    return users().list(query)


@app.route("/users/{user_id}", authorizer=tokens)
def get_user(user_id: UserId) -> User:
    """Retrieve a user.

    `ETag` names the version that was read: send it in `If-None-Match` to read only what is new,
    and in `If-Match` to change only what has been read.
    """
    return users().get(user_id)


@app.route("/users/{user_id}", methods=["PUT"], authorizer=tokens, raises=[Forbidden, EmailTaken])
def update_user(caller: Caller, user_id: UserId, body: UserReplacement, versions: Versions) -> User:
    """Replace a user.

    Metadata that is left out is emptied; a status that is left out is kept, and only
    administrators may set it. A user that does not exist is not created.
    """
    return users().replace(caller, user_id, body, versions)


@app.route("/users/{user_id}", methods=["PATCH"], authorizer=tokens, raises=[Forbidden, EmailTaken])
def patch_user(caller: Caller, user_id: UserId, body: UserPatch, versions: Versions) -> User:
    """Change members of a user.

    A merge patch (RFC 7396): only what is named changes, and a pair of metadata that is set to
    null is removed. Only administrators may set the status.
    """
    return users().patch(caller, user_id, body, versions)


@app.route("/users/{user_id}", methods=["DELETE"], authorizer=tokens, raises=[UserHasOpenOrders])
def delete_user(user_id: UserId, versions: Versions) -> None:
    """Delete a user.

    Its personal data is erased and its e-mail address is free again; its closed orders stay, for
    administrators. A user with an order that is pending, paid or shipped cannot be deleted.
    """
    users().delete(user_id, versions)


@app.route("/users/{user_id}/orders", methods=["POST"], authorizer=tokens, raises=[UserSuspended])
def create_order(user_id: UserId, body: NewOrder, key: IdempotencyKey | None) -> Created[Order]:
    """Create an order.

    It begins as `pending`, and its `total` is computed: at most 9007199254740991, which every
    JSON client reads exactly. Send an `Idempotency-Key`, and the request can be repeated without
    ordering twice.
    """
    return orders().create(user_id, body, key)


@app.route("/users/{user_id}/orders", authorizer=tokens)
def get_user_orders(caller: Caller, user_id: UserId, query: OrderListQuery) -> OrderList:
    """List a user's orders.

    The newest come first. While `next_cursor` is not null, send it as `cursor`, with the same
    filters and order, to get the next page; `Link` holds the same address.
    """
    return orders().list(caller, user_id, query)


@app.route("/users/{user_id}/orders/{order_id}", authorizer=tokens)
def get_order_details(caller: Caller, user_id: UserId, order_id: OrderId) -> Order:
    """Retrieve an order.

    An order is found only under the user whose it is.
    """
    return orders().get(caller, user_id, order_id)


@app.route(
    "/users/{user_id}/orders/{order_id}",
    methods=["PATCH"],
    authorizer=tokens,
    raises=[Forbidden, IllegalTransition],
)
def patch_order(
    caller: Caller, user_id: UserId, order_id: OrderId, body: OrderPatch, versions: Versions
) -> Order:
    """Take a step of an order's life, or change its metadata.

    An order goes from `pending` to `paid`, `shipped` and `delivered`, and can become `cancelled`
    while it is pending or paid. The user may cancel while it is pending; all other steps are
    administrators'. Items, currency and total never change.
    """
    return orders().patch(caller, user_id, order_id, body, versions)


@app.route("/")
def index() -> Lasting[Index]:
    """Tell where things are."""
    return Lasting(Index())


@app.route("/health", raises=[Unavailable])
def health() -> Health:
    """Tell whether the API and its storage can answer."""
    storage().check()
    return Health()


@app.route("/problems/{name}", raises=[NotFound])
def explain_problem(name: ProblemName) -> Lasting[Explanation]:
    """Explain a sort of problem.

    Every error answer names its sort in `type`, an address that leads here.
    """
    return Lasting(explain(name))


@app.route("/openapi.json")
def openapi() -> Lasting[Document]:
    """Describe the API, as this document does (OpenAPI 3.1)."""
    return Lasting(document())


@app.route("/docs")
def docs(base: str) -> Text[Literal["text/html"]]:
    """Show a page on which the API can be read and tried."""
    return docs_page.page(base, settings().docs_renderer_url)


@app.route("/docs/{asset}", raises=[NotFound])
def docs_asset(asset: AssetName) -> Text[Literal["text/css", "text/javascript"]]:
    """Return the style or the script of the page."""
    return docs_page.file(asset)


@app.route("/user/get-details")
@app.route("/user/create")
@app.route("/user/get-user")
@app.route("/user/update")
@app.route("/user/delete")
def old_style(path: str) -> Superseded[Message]:
    """Answer a path of the founding document's router.

    These paths answer one message each and touch no user; use `/users` instead.
    """
    return Superseded(Message(**message_for(path)), DEPRECATED_SINCE, "/users")


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
    settings().check()
    if settings().needs_storage:
        # Lambda gives a function more of the processor while it starts than when it answers.
        storage().prepare()

if settings().is_chalice_command:
    import localdev

    localdev.prepare(app)
