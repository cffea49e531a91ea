"""Examples: what the services make of exemplary requests, in a storage of their own."""

from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Struct

from chalicelib.domain import ids
from chalicelib.domain.errors import (
    EmailTaken,
    FieldError,
    IllegalTransition,
    Invalid,
    InvalidParameter,
    UnsupportedMediaType,
)
from chalicelib.domain.model import Item, Order, OrderId, User, UserId
from chalicelib.domain.orders import NewOrder, OrderPatch, OrderService
from chalicelib.domain.pagination import OrderList, OrderListQuery, UserList, UserListQuery
from chalicelib.domain.users import NewUser, UserCreated, UserPatch, UserReplacement, UserService
from chalicelib.legacy import MESSAGES, Message
from chalicelib.security.permissions import IAM_CALLER
from chalicelib.storage.memory import MemoryStorage
from chalicelib.web.problem_details import Explanation, describe, explain, kind_of
from chalicelib.web.service_info import Health, Index

REQUEST_ID = "7a1ad4c5-7a4e-4f5e-a4b1-6a8f7f1f2a52"

_NOW = 1_795_253_400_000
_IDS = {ids.USER_PREFIX: UserId, ids.ORDER_PREFIX: OrderId}
_NEW_USER = NewUser(name="Ann Example", email="ann@example.com", metadata={"team": "blue"})
_NEW_ORDER = NewOrder(
    currency="EUR",
    items=[Item(sku="TEA-250", quantity=2, unit_price=1250, name="Green tea, 250 g")],
)
_REQUESTS: tuple[Struct, ...] = (
    _NEW_USER,
    UserReplacement(name="Ann Example", email="ann@example.org"),
    UserPatch(email="ann@example.net", metadata={"team": "red", "floor": None}),
    _NEW_ORDER,
    OrderPatch(status="paid"),
)
# Problems that say something of the request, as such a request would raise them.
_PROBLEMS: tuple[Exception, ...] = (
    InvalidParameter("limit", "a whole number from 1 to 100"),
    IllegalTransition("shipped", ("delivered",)),
    UnsupportedMediaType(("application/json",)),
    Invalid([FieldError("/items/0/quantity", "Must be a whole number from 1 to 10,000.")]),
)


def example_of(shape: object) -> Any:  # noqa: ANN401 - JSON
    """Return an example of a type as JSON, None where there is none."""
    return _bodies().get(shape)


def sample_of(problem: type[BaseException]) -> Exception:
    """Return a problem of that class, as a request could raise it."""
    given = {type(sample): sample for sample in _PROBLEMS}
    if problem in given:
        return given[problem]
    made = problem()
    return made if isinstance(made, Exception) else Exception()


def problem_example(problem: type[BaseException]) -> dict[str, Any]:
    """Return the body that answers such a problem."""
    body: dict[str, Any] = msgspec.to_builtins(describe(sample_of(problem), REQUEST_ID))
    return body


@cache
def _bodies() -> dict[object, Any]:
    storage = MemoryStorage()
    examples = {prefix: get_args(hint)[1].examples[0] for prefix, hint in _IDS.items()}
    users = UserService(storage, bytes, lambda: _NOW, lambda prefix, _: examples[prefix])
    orders = OrderService(storage, bytes, lambda: _NOW, lambda prefix, _: examples[prefix])
    created = msgspec.json.decode(users.create(_NEW_USER, None).body)
    user_id = created["user_id"]
    order = msgspec.json.decode(orders.create(user_id, _NEW_ORDER, None).body)
    answers: dict[object, Any] = {
        UserCreated: created,
        User: users.get(user_id),
        Order: order,
        UserList: users.list(UserListQuery()),
        OrderList: orders.list(IAM_CALLER, user_id, OrderListQuery()),
        Index: Index(),
        Health: Health(),
        Message: Message(**MESSAGES["/user/get-user"]),
        Explanation: explain(kind_of(EmailTaken()).name),
    }
    requests = {type(request): _sent(request) for request in _REQUESTS}
    return requests | {shape: msgspec.to_builtins(body) for shape, body in answers.items()}


def _sent(request: Struct) -> dict[str, Any]:
    """Return a request without what a client would leave out."""
    members: dict[str, Any] = msgspec.to_builtins(request)
    defaults = {field.name: field.default for field in msgspec.structs.fields(type(request))}
    return {name: value for name, value in members.items() if value and value != defaults.get(name)}
