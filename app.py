"""The application: every route and Lambda function, and what they are made of."""

# First, because it says how the others import msgspec.
import chalicelib.lean_msgspec  # noqa: F401

# isort: split

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from chalice.app import (
    AuthRequest,
    AuthResponse,
    CloudWatchEvent,
    DynamoDBEvent,
    Request,
    Response,
    SQSEvent,
)

from chalicelib.docs_page import page as docs_page
from chalicelib.docs_page.page import AssetName
from chalicelib.domain.caller import Caller
from chalicelib.domain.deliveries import (
    Delivery,
    DeliveryId,
    DeliveryService,
    DeliveryWithEvent,
    EventfulStorage,
    QueueingStorage,
    WebhookDisabled,
)
from chalicelib.domain.errors import Forbidden, Unavailable
from chalicelib.domain.events import Events, event_types
from chalicelib.domain.external_ids import ExternalIdTaken
from chalicelib.domain.group_roles import GroupRoles
from chalicelib.domain.groups import GroupService
from chalicelib.domain.history import HistoryEntry
from chalicelib.domain.idempotency import Created, Done, IdempotencyKey
from chalicelib.domain.orders import (
    IllegalTransition,
    NewOrder,
    Order,
    OrderId,
    OrderListQuery,
    OrderPatch,
    OrderService,
    UserHasOpenOrders,
    UserSuspended,
)
from chalicelib.domain.pagination import PageQuery
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.resource import ExpectedVersions
from chalicelib.domain.storage import Page
from chalicelib.domain.users import (
    EmailTaken,
    NewUser,
    User,
    UserCreated,
    UserId,
    UserListQuery,
    UserNameTaken,
    UserPatch,
    UserReplacement,
    UserService,
)
from chalicelib.domain.webhook_secrets import WebhookSecrets
from chalicelib.domain.webhooks import (
    NewWebhook,
    TooManySecrets,
    Webhook,
    WebhookId,
    WebhookListQuery,
    WebhookPatch,
    WebhookService,
    WebhookWithSecret,
)
from chalicelib.legacy import DEPRECATED_SINCE, Message, message_for
from chalicelib.legacy import respond as respond_to_legacy
from chalicelib.security.authorizer import TokenAuthorizer
from chalicelib.service_info import VERSION, Document, EventsDocument, Health, Index
from chalicelib.settings import Settings
from chalicelib.storage.factory import open_storage
from chalicelib.telemetry.json_logging import log_as_json
from chalicelib.telemetry.request_log import RequestLog
from chalicelib.web.application import Api, Event, ProxyResponse
from chalicelib.web.media import SCIM_JSON
from chalicelib.web.operation import BasePath, RoutePath
from chalicelib.web.problem_details import Explanation, ProblemName, explain
from chalicelib.web.responses import Cacheable, Deprecated, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.domain.webhook_endpoints import WebhookEndpoints
    from chalicelib.events.bus import EventBus
    from chalicelib.events.bus_deliveries import BusDeliveries
    from chalicelib.events.fan_out import FanOut
    from chalicelib.events.functions import Loop, QueueFunction, StreamFunction
    from chalicelib.events.queue import WebhookQueue
    from chalicelib.scim.endpoint import ScimEndpoint

USER_TAKEN = [EmailTaken, UserNameTaken, ExternalIdTaken]

settings = cache(Settings.from_environment)


@cache
def request_log() -> RequestLog | None:
    """Return where each request is logged, None where the local server prints its own lines."""
    if settings().log_format == "text":
        return None
    return RequestLog(
        settings().function_name,
        VERSION,
        metrics=settings().metrics,
        plain_subjects=settings().log_subjects == "plain",
    )


def with_roles(caller: Caller) -> Caller:
    """Return the caller with the role that its groups give it."""
    return roles().apply(caller)


app = Api("user-management", settings, request_log, with_roles)


@cache
def events() -> Events | None:
    """Return what makes the events of changes, None if nobody is told of them."""
    return Events(settings().event_source) if settings().events else None


@cache
def storage() -> EventfulStorage:
    """Return the storage that STORAGE_URL names."""
    return open_storage(
        settings().storage_url,
        RESOURCES,
        shards=settings().user_shards,
        password=settings().storage_password,
        events=events(),
    )


@cache
def users() -> UserService:
    """Return the service for users."""
    return UserService(storage(), history=settings().history)


@cache
def groups() -> GroupService:
    """Return the service for groups."""
    return GroupService(storage(), history=settings().history)


@cache
def roles() -> GroupRoles:
    """Return what gives callers the roles of their groups."""
    return GroupRoles(users(), groups(), settings().admin_groups)


@cache
def orders() -> OrderService:
    """Return the service for orders."""
    return OrderService(storage(), history=settings().history)


@cache
def webhook_secrets() -> WebhookSecrets:
    """Return what derives the secrets of webhooks."""
    return WebhookSecrets(lambda: settings().webhook_key)


@cache
def webhooks() -> WebhookService:
    """Return the service for webhooks."""
    return WebhookService(
        storage(),
        history=settings().history,
        secrets=webhook_secrets(),
        event_types=event_types(RESOURCES),
        allows_loopback=settings().allows_loopback_webhooks,
    )


@cache
def deliveries() -> DeliveryService:
    """Return the service for what is sent to webhooks."""
    return DeliveryService(lambda: storage().deliveries, webhooks(), settings().event_source)


@cache
def scim_endpoint() -> "ScimEndpoint":
    """Return what responds to SCIM requests, made on first use."""
    # Imported here, so that no other request's cold start pays for it.
    from chalicelib.scim.endpoint import ScimEndpoint  # noqa: PLC0415

    return ScimEndpoint(users(), groups())


@cache
def token_authorizer() -> TokenAuthorizer:
    """Return the authorizer of the routes that are not public."""
    return TokenAuthorizer(settings(), request_log())


@cache
def document() -> Document:
    """Return the OpenAPI document, built on first use."""
    # Imported here, so that a cold start does not pay for it.
    from chalicelib.openapi.document import document_of  # noqa: PLC0415

    return document_of(app, RESOURCES)


@cache
def events_document() -> EventsDocument:
    """Return the AsyncAPI document, built on first use."""
    from chalicelib.asyncapi.document import document_of  # noqa: PLC0415

    return document_of(RESOURCES)


@app.authorizer(ttl_seconds=300)
def tokens(request: AuthRequest) -> AuthResponse:
    """Check a bearer token, in front of every route that is not public."""
    return token_authorizer().authorize(request.token)


@app.route("/users", methods=["POST"], authorizer=tokens, raises=USER_TAKEN)
def create_user(caller: Caller, body: NewUser, key: IdempotencyKey | None) -> Created[UserCreated]:
    """Create a user.

    E-mail addresses and user names are unique, ignoring case; external ids are unique as they are.
    Send an `Idempotency-Key`, and the request can be repeated without creating a second user.
    """
    return users().create(caller, body, key)


@app.route("/users", authorizer=tokens)
def list_users(query: UserListQuery) -> Page[User]:
    """List users.

    The newest come first. While `next_cursor` is not null, send it as `cursor`, with the same
    filters and sort order, to get the next page; `Link` has its URL. Nobody is skipped or
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


@app.route("/users/{user_id}", methods=["PUT"], authorizer=tokens, raises=[Forbidden, *USER_TAKEN])
def update_user(
    caller: Caller, user_id: UserId, body: UserReplacement, versions: ExpectedVersions
) -> User:
    """Replace a user.

    Metadata that is left out is emptied; other members that are left out are kept, and null
    removes those that are optional. Only administrators may set `status`, `user_name` and
    `external_id`. A user that does not exist is not created.
    """
    return users().replace(caller, user_id, body, versions)


@app.route(
    "/users/{user_id}", methods=["PATCH"], authorizer=tokens, raises=[Forbidden, *USER_TAKEN]
)
def patch_user(
    caller: Caller, user_id: UserId, body: UserPatch, versions: ExpectedVersions
) -> User:
    """Change members of a user.

    A merge patch (RFC 7396): only what is named changes, and what is set to null is removed, a
    pair of metadata or an optional member. Only administrators may set `status`, `user_name` and
    `external_id`.
    """
    return users().patch(caller, user_id, body, versions)


@app.route("/users/{user_id}", methods=["DELETE"], authorizer=tokens, raises=[UserHasOpenOrders])
def delete_user(caller: Caller, user_id: UserId, versions: ExpectedVersions) -> None:
    """Delete a user.

    Its personal data is erased and its e-mail address is free again; its closed orders stay, for
    administrators. A user with an order that is pending, paid or shipped cannot be deleted.
    """
    users().delete(caller, user_id, versions)


@app.route("/users/{user_id}/history", authorizer=tokens)
def list_user_history(user_id: UserId, query: PageQuery) -> Page[HistoryEntry]:
    """List what was done to a user.

    The latest comes first: who did what, when, to which version, and in which request. Entries name
    the members that were set and never hold their values, so they stay when the user is deleted.
    """
    return users().history(user_id, query)


@app.route("/users/{user_id}/orders", methods=["POST"], authorizer=tokens, raises=[UserSuspended])
def create_order(
    caller: Caller, user_id: UserId, body: NewOrder, key: IdempotencyKey | None
) -> Created[Order]:
    """Create an order.

    It begins as `pending`, and its `total` is computed: at most 9007199254740991, which every
    JSON client reads exactly. Send an `Idempotency-Key`, and the request can be repeated without
    ordering twice.
    """
    return orders().create(caller, user_id, body, key)


@app.route("/users/{user_id}/orders", authorizer=tokens)
def get_user_orders(caller: Caller, user_id: UserId, query: OrderListQuery) -> Page[Order]:
    """List a user's orders.

    The newest come first. While `next_cursor` is not null, send it as `cursor`, with the same
    filters and sort order, to get the next page; `Link` has its URL.
    """
    return orders().list(caller, user_id, query)


@app.route("/users/{user_id}/orders/{order_id}", authorizer=tokens)
def get_order_details(caller: Caller, user_id: UserId, order_id: OrderId) -> Order:
    """Retrieve an order.

    404 unless it belongs to this user.
    """
    return orders().get(caller, user_id, order_id)


@app.route(
    "/users/{user_id}/orders/{order_id}",
    methods=["PATCH"],
    authorizer=tokens,
    raises=[Forbidden, IllegalTransition],
)
def patch_order(
    caller: Caller, user_id: UserId, order_id: OrderId, body: OrderPatch, versions: ExpectedVersions
) -> Order:
    """Change an order's status or metadata.

    An order goes from `pending` to `paid`, `shipped` and `delivered`, and can become `cancelled`
    while it is pending or paid. The user may cancel it while it is pending; all other changes of
    the status are for administrators. Items, currency and total never change.
    """
    return orders().patch(caller, user_id, order_id, body, versions)


@app.route("/users/{user_id}/orders/{order_id}/history", authorizer=tokens)
def list_order_history(user_id: UserId, order_id: OrderId, query: PageQuery) -> Page[HistoryEntry]:
    """List what was done to an order.

    The latest comes first: who did what, when, to which version, and in which request. Entries name
    the members that were set and never hold their values, and stay when the user is deleted.
    """
    return orders().history(user_id, order_id, query)


@app.route("/webhooks", methods=["POST"], authorizer=tokens)
def create_webhook(
    caller: Caller, body: NewWebhook, key: IdempotencyKey | None
) -> Created[WebhookWithSecret]:
    """Create a webhook.

    Events are sent to it from now on, signed by the Standard Webhooks specification with the
    `secret`, which is only shown here and when it is rotated.
    """
    return webhooks().create(caller, body, key)


@app.route("/webhooks", authorizer=tokens)
def list_webhooks(query: WebhookListQuery) -> Page[Webhook]:
    """List webhooks.

    The newest come first. While `next_cursor` is not null, send it as `cursor`, with the same
    filters and sort order, to get the next page; `Link` has its URL.
    """
    return webhooks().list(query)


@app.route("/webhooks/{webhook_id}", authorizer=tokens)
def get_webhook(webhook_id: WebhookId) -> Webhook:
    """Retrieve a webhook.

    It says why the sender disabled it, if it did.
    """
    return webhooks().get(webhook_id)


@app.route("/webhooks/{webhook_id}", methods=["PATCH"], authorizer=tokens)
def patch_webhook(
    caller: Caller, webhook_id: WebhookId, body: WebhookPatch, versions: ExpectedVersions
) -> Webhook:
    """Change members of a webhook.

    A merge patch (RFC 7396): only what is named changes. Enable it again once its endpoint works;
    what it missed meanwhile is not sent later.
    """
    return webhooks().patch(caller, webhook_id, body, versions)


@app.route("/webhooks/{webhook_id}", methods=["DELETE"], authorizer=tokens)
def delete_webhook(caller: Caller, webhook_id: WebhookId, versions: ExpectedVersions) -> None:
    """Delete a webhook.

    Nothing more is sent to it, including what is still pending.
    """
    webhooks().delete(caller, webhook_id, versions)


@app.route("/webhooks/{webhook_id}/history", authorizer=tokens)
def list_webhook_history(webhook_id: WebhookId, query: PageQuery) -> Page[HistoryEntry]:
    """List what was done to a webhook.

    The latest comes first: who did what, when, to which version, and in which request. What the
    sender did by itself, such as disabling the webhook, has the role `system`.
    """
    return webhooks().history(webhook_id, query)


@app.route(
    "/webhooks/{webhook_id}/rotate-secret",
    methods=["POST"],
    authorizer=tokens,
    raises=[TooManySecrets],
)
def rotate_webhook_secret(
    caller: Caller, webhook_id: WebhookId, versions: ExpectedVersions
) -> WebhookWithSecret:
    """Give a webhook a new secret.

    For a day, secrets before it sign as well, so that the receiver can change over: at most four of
    them. The new one is only shown here.
    """
    return webhooks().rotate_secret(caller, webhook_id, versions)


@app.route(
    "/webhooks/{webhook_id}/test", methods=["POST"], authorizer=tokens, raises=[WebhookDisabled]
)
def send_test_event(webhook_id: WebhookId, key: IdempotencyKey | None) -> Done[DeliveryWithEvent]:
    """Send a test event to a webhook.

    Its type is `webhook.test`, whichever types the webhook names. Retrieve the delivery to see what
    became of it. Send an `Idempotency-Key`, and the request can be repeated without a second event.
    """
    return deliveries().send_test(webhook_id, key)


@app.route("/webhooks/{webhook_id}/deliveries", authorizer=tokens)
def list_deliveries(webhook_id: WebhookId, query: PageQuery) -> Page[Delivery]:
    """List what was sent to a webhook.

    The newest events come first. Deliveries are kept for seven days.
    """
    return deliveries().list(webhook_id, query)


@app.route("/webhooks/{webhook_id}/deliveries/{delivery_id}", authorizer=tokens)
def get_delivery(webhook_id: WebhookId, delivery_id: DeliveryId) -> DeliveryWithEvent:
    """Retrieve a delivery with its event."""
    return deliveries().get(webhook_id, delivery_id)


@app.route(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/send-again",
    methods=["POST"],
    authorizer=tokens,
    raises=[WebhookDisabled],
)
def send_delivery_again(
    webhook_id: WebhookId, delivery_id: DeliveryId, key: IdempotencyKey | None
) -> Done[DeliveryWithEvent]:
    """Send a delivery again.

    It has the same `webhook-id`, and all its attempts, whatever became of it before. Send an
    `Idempotency-Key`, and the request can be repeated without starting over once more.
    """
    return deliveries().send_again(webhook_id, delivery_id, key)


@app.route(
    "/scim/v2/{proxy+}",
    methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    authorizer=tokens,
    error_type=SCIM_JSON,
)
def scim(caller: Caller, request: Request) -> Response:
    """Let an identity provider manage users and groups (SCIM 2.0, RFC 7643 and 7644)."""
    return scim_endpoint().respond(request, caller)


@app.route("/")
def index() -> Cacheable[Index]:
    """List the API's URLs."""
    return Cacheable(Index())


@app.route("/health", raises=[Unavailable])
def health() -> Health:
    """Check the API and its storage."""
    storage().check()
    return Health()


@app.route("/problems/{name}")
def explain_problem(name: ProblemName) -> Cacheable[Explanation]:
    """Explain a type of problem.

    The `type` of every error response is a URL that leads here.
    """
    return Cacheable(explain(name))


@app.route("/openapi.json")
def openapi() -> Cacheable[Document]:
    """Describe the API, as this document does (OpenAPI 3.1)."""
    return Cacheable(document())


@app.route("/asyncapi.json")
def asyncapi() -> Cacheable[EventsDocument]:
    """Describe the events that webhooks and the bus get (AsyncAPI 3.0)."""
    return Cacheable(events_document())


@app.route("/docs")
def docs(base: BasePath) -> Text[Literal["text/html"]]:
    """Show a page to read and try the API on."""
    return docs_page.page(base, settings().docs_renderer_url)


@app.route("/docs/{asset}")
def docs_asset(asset: AssetName) -> Text[Literal["text/css", "text/javascript"]]:
    """Return the style or the script of the page."""
    return docs_page.file(asset)


@app.route("/user/get-details")
@app.route("/user/create")
@app.route("/user/get-user")
@app.route("/user/update")
@app.route("/user/delete")
def old_style(path: RoutePath) -> Deprecated[Message]:
    """Return the message of a deprecated path.

    These paths return one message each and change no user; use `/users` instead.
    """
    return Deprecated(Message(**message_for(path)), DEPRECATED_SINCE, "/users")


@app.route("/", methods=["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@app.route("/{proxy+}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def unrouted() -> Response:
    """Respond to what no other route takes."""
    return app.unrouted()


@app.lambda_function(name="userServiceLambda")
def lambda_handler(event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401 - Lambda's context
    """Respond to legacy clients, by path alone."""
    return app.record(context, "userServiceLambda", lambda: respond_to_legacy(event))


@app.lambda_function(name="createUserLambda")
def create_user_lambda(event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401
    """POST /users."""
    return app.invoke(event, context, "POST", "/users")


@app.lambda_function(name="getUserLambda")
def get_user_lambda(event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401
    """GET /users/{user_id}."""
    return app.invoke(event, context, "GET", "/users/{user_id}")


@app.lambda_function(name="updateUserLambda")
def update_user_lambda(event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401
    """PUT /users/{user_id}."""
    return app.invoke(event, context, "PUT", "/users/{user_id}")


@app.lambda_function(name="deleteUserLambda")
def delete_user_lambda(event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401
    """DELETE /users/{user_id}."""
    return app.invoke(event, context, "DELETE", "/users/{user_id}")


@app.lambda_function(name="listUsersLambda")
def list_users_lambda(event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401
    """GET /users."""
    return app.invoke(event, context, "GET", "/users")


@app.lambda_function(name="getUserOrdersLambda")
def get_user_orders_lambda(event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401
    """GET /users/{user_id}/orders."""
    return app.invoke(event, context, "GET", "/users/{user_id}/orders")


@app.lambda_function(name="getOrderDetailsLambda")
def get_order_details_lambda(event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401
    """GET /users/{user_id}/orders/{order_id}."""
    return app.invoke(event, context, "GET", "/users/{user_id}/orders/{order_id}")


# The functions of events have roles of their own (.chalice/policies). What they are made of is in
# chalicelib/events, which no other function imports.
@cache
def webhook_endpoints() -> "WebhookEndpoints":
    """Return the webhooks as their sender sees them."""
    from chalicelib.domain.webhook_endpoints import WebhookEndpoints  # noqa: PLC0415

    return WebhookEndpoints(storage(), history=settings().history, secrets=webhook_secrets())


@cache
def event_bus() -> "EventBus | None":
    """Return the bus that gets all events, if there is one."""
    from chalicelib.events.batches import BatchClient  # noqa: PLC0415
    from chalicelib.events.bus import SERVICE, EventBus  # noqa: PLC0415

    name = settings().event_bus
    # What it does not take soon is tried again later.
    return EventBus(name, BatchClient(SERVICE, budget=4)) if name else None


@cache
def sender() -> "BusDeliveries":
    """Return what sends deliveries to webhooks, and to the bus."""
    from chalicelib.events.bus_deliveries import BusDeliveries  # noqa: PLC0415
    from chalicelib.events.http_post import HTTPPost  # noqa: PLC0415
    from chalicelib.events.sender import Sender  # noqa: PLC0415

    deliveries, bus = storage().deliveries, event_bus()
    post = HTTPPost(allows_loopback=settings().allows_loopback_webhooks)
    webhooks = Sender(deliveries, webhook_endpoints(), post)
    return BusDeliveries(bus.publish if bus else None, deliveries, webhooks.attempt)


@cache
def fan_out() -> "FanOut":
    """Return what makes deliveries of events, and publishes these if there is a bus."""
    from chalicelib.events.fan_out import FanOut  # noqa: PLC0415

    bus = event_bus()
    return FanOut(webhook_endpoints(), bus.publish if bus else None)


@cache
def webhook_queue() -> "WebhookQueue":
    """Return the SQS queue of the deliveries that are to be sent."""
    from chalicelib.events.batches import BatchClient  # noqa: PLC0415
    from chalicelib.events.queue import SERVICE, WebhookQueue  # noqa: PLC0415

    return WebhookQueue(settings().webhook_queue_url, BatchClient(SERVICE))


@cache
def stream_function() -> "StreamFunction":
    """Return what passes on the records of the table's stream."""
    from chalicelib.events.functions import StreamFunction  # noqa: PLC0415
    from chalicelib.storage.dynamodb.stream import TableStream, due_delivery  # noqa: PLC0415

    event_of = TableStream(RESOURCES, events()).event
    return StreamFunction(event_of, due_delivery, fan_out(), storage().deliveries, webhook_queue())


@cache
def queue_function() -> "QueueFunction":
    """Return what sends the deliveries in the queue."""
    from chalicelib.events.functions import QueueFunction  # noqa: PLC0415

    return QueueFunction(storage().deliveries, sender().attempt, webhook_queue())


def outbox_loops() -> "Sequence[Loop]":
    """Return what relays the outbox, and what sends the deliveries in the database, until stopped.

    Nothing where a table's stream is the outbox.
    """
    from chalicelib.events.relay import Relay  # noqa: PLC0415
    from chalicelib.events.worker import DeliveryWorker  # noqa: PLC0415

    queueing = storage()
    if not isinstance(queueing, QueueingStorage):
        return ()
    relay = Relay(queueing.outbox, fan_out())
    worker = DeliveryWorker(queueing.deliveries, sender())
    return relay.run, worker.run


def pass_on_and_send(seconds: float) -> None:
    """Relay the outbox, and send the deliveries in the database, for so many seconds."""
    from chalicelib.events.functions import run_for  # noqa: PLC0415

    run_for(seconds, outbox_loops())


# A stage has the functions that its storage needs.
if settings().storage_scheme == "dynamodb":

    @app.on_dynamodb_record(
        stream_arn=settings().table_stream_arn,
        batch_size=100,
        # So that nothing is missed between the stream and this function.
        starting_position="TRIM_HORIZON",
        name="relayEvents",
    )
    def relay_events(event: DynamoDBEvent) -> Any:  # noqa: ANN401 - Lambda's response
        """Pass on what the table's stream tells of."""
        return app.work(event.context, "relayEvents", lambda: stream_function()(event.to_dict()))

    @app.on_sqs_message(
        queue=settings().webhook_queue, batch_size=10, maximum_concurrency=10, name="sendWebhooks"
    )
    def send_webhooks(event: SQSEvent) -> Any:  # noqa: ANN401 - Lambda's response
        """Send the deliveries that are due."""
        return app.work(event.context, "sendWebhooks", lambda: queue_function()(event.to_dict()))


if settings().storage_scheme == "postgresql+psycopg":

    @app.schedule("rate(1 minute)", name="relayOutbox")
    def relay_outbox(event: CloudWatchEvent) -> None:
        """Pass on the events in the outbox, and send the deliveries that are due."""
        app.work(event.context, "relayOutbox", lambda: pass_on_and_send(50))


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
    log_as_json()
    settings().check()
    # The authorizer needs no storage.
    if settings().lambda_handler != f"app.{tokens.name}":
        # Lambda gives a function more CPU while it starts than when it serves requests.
        storage().prepare()

if settings().is_chalice_command:
    import localdev

    localdev.prepare(app, outbox_loops)
