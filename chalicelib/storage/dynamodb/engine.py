"""Amazon DynamoDB: one table, one request for each act wherever that is possible.

Two requests are needed where an item says what else has to be written, or what to return: a changed
e-mail (the old claim), a deleted user (its claim and record), and a step that closes an order (a
transaction returns no item). The second one is conditioned on what the first one saw, and the act
is decided anew when it lost a race; the refused write hands back the item to decide by.
"""

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from chalicelib.domain.errors import (
    EmailTaken,
    NotFound,
    OrderNotFound,
    UserHasOpenOrders,
    UserNotFound,
    UserSuspended,
    VersionMismatch,
)
from chalicelib.domain.model import OPEN_STATUSES, Order, OrderChange, User, UserChange, Versions
from chalicelib.domain.storage import IdempotencyRecord, Page, Query, UserQuery
from chalicelib.storage.dynamodb.client import make_client
from chalicelib.storage.dynamodb import items
from chalicelib.storage.dynamodb.items import Item, Key
from chalicelib.storage.dynamodb.lists import admits, orders_page, users_page
from chalicelib.storage.dynamodb.requests import Act, Clock, Refused
from chalicelib.storage.dynamodb.updates import Update, blind_update, exact_update

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Thing = TypeVar("Thing", User, Order)
Writes = list[dict[str, Any]]


class DynamoDBStorage:
    """The table `table`, which `python -m chalicelib.storage create-table` makes.

    `shards` is over how many partitions the list of users is spread (about 1,000 sign-ups a second
    each); it may grow, but never shrink. `budget` is the seconds that an act may take, retries
    included. `clock` and `client` are there for tests.
    """

    def __init__(
        self,
        table: str,
        *,
        shards: int = 1,
        budget: float = 8,
        clock: Clock = Clock(),  # noqa: B008 - it never changes
        client: "Callable[[float], DynamoDBClient]" = make_client,
    ) -> None:
        self._table = table
        self._shards = shards
        self._budget = budget
        self._clock = clock
        self._make_client = client
        self._client: DynamoDBClient | None = None
        self._lock = threading.Lock()

    def create_user(
        self, user: User, record: IdempotencyRecord | None, now: int
    ) -> IdempotencyRecord | None:
        """See Storage."""
        writes = [
            self._put_new(items.new_user_item(user, self._shards, record)),
            self._put_new(items.claim_item(user.email, user.user_id)),
        ]
        earlier, refused = self._create(writes, user.user_id, record, now)
        if 0 in refused:
            raise _taken_id(user.user_id)
        if 1 in refused:
            raise EmailTaken
        return earlier

    def get_user(self, user_id: str) -> User | None:
        """See Storage."""
        item = self._get(self._act(), items.user_key(user_id))
        return items.user_of(item) if item else None

    def change_user(self, user_id: str, change: UserChange) -> User:
        """See Storage."""
        key = items.user_key(user_id)

        def claims(item: Item, changed: User) -> Writes:
            old, new = item["email_key"]["S"], changed.email.casefold()
            if old == new:
                return []
            return [
                self._put_new(items.claim_item(new, user_id)),
                {"Delete": {"TableName": self._table, "Key": items.claim_key(old)}},
            ]

        try:
            return self._change(_USER, key, change, claims)
        except Refused:
            raise EmailTaken from None

    def delete_user(self, user_id: str, versions: Versions, now: int) -> None:
        """See Storage."""
        act = self._act()
        key = items.user_key(user_id)
        item = self._get(act, key)
        lost = False
        while True:
            if item is None:
                raise UserNotFound
            if versions is not None and int(item["version"]["N"]) not in versions:
                raise VersionMismatch
            if item["open_orders"] != {"N": "0"}:
                raise UserHasOpenOrders
            if lost:
                act.wait()
            try:
                return act.transact(self._deletes(item, now))
            except Refused as refused:
                if 0 in refused.items:
                    item = refused.items[0]
                else:
                    # The key of its creation expired and was used again: the record is another's.
                    del item["record"]
                lost = True

    def list_users(self, query: UserQuery) -> Page[User]:
        """See Storage. Eventually consistent, except with the filter by e-mail."""
        act = self._act()
        if query.email is not None:
            user = self._user_with(act, query.email)
            return Page([user] if user and admits(query, user) else [], None)
        return users_page(act, self._table, range(self._shards), query)

    def create_order(
        self, order: Order, record: IdempotencyRecord | None, now: int
    ) -> IdempotencyRecord | None:
        """See Storage."""
        user = Update(self._table, items.user_key(order.user_id))
        user.add("open_orders", 1)
        user.where_in("status", [{"S": "active"}])
        writes = [self._put_new(items.new_order_item(order)), {"Update": user.request()}]
        earlier, refused = self._create(writes, order.order_id, record, now)
        if 1 in refused:
            raise UserSuspended if refused[1] else UserNotFound
        if 0 in refused:
            raise _taken_id(order.order_id)
        return earlier

    def get_order(self, user_id: str, order_id: str) -> Order | None:
        """See Storage."""
        item = self._get(self._act(), items.order_key(user_id, order_id))
        return items.order_of(item) if item else None

    def change_order(self, user_id: str, order_id: str, change: OrderChange) -> Order:
        """See Storage."""

        def count(item: Item, changed: Order) -> Writes:
            if item["status"]["S"] not in OPEN_STATUSES or changed.status in OPEN_STATUSES:
                return []
            user = Update(self._table, items.user_key(user_id))
            user.add("open_orders", -1)
            return [{"Update": user.request()}]

        key = items.order_key(user_id, order_id)
        return self._change(_ORDER, key, change, count)

    def list_orders(self, user_id: str, query: Query) -> Page[Order]:
        """See Storage. Strongly consistent."""
        return orders_page(self._act(), self._table, user_id, query)

    def prepare(self) -> None:
        """See Storage."""
        self._act()

    def check(self) -> None:
        """See Storage. Reads a key that no item has."""
        self._get(self._act(), {"PK": {"S": "CHECK"}, "SK": {"S": "CHECK"}})

    def close(self) -> None:
        """See Storage."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _act(self) -> Act:
        client = self._client
        if client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._make_client(self._budget)
                client = self._client
        return Act(client, self._budget, self._clock)

    def _get(self, act: Act, key: Key) -> Item | None:
        request = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        return act.send("get_item", request).get("Item")

    def _put_new(self, item: Item) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(PK)",
            }
        }

    def _create(
        self, writes: Writes, thing_id: str, record: IdempotencyRecord | None, now: int
    ) -> tuple[IdempotencyRecord | None, Mapping[int, Item | None]]:
        """Carry out `writes` with the record; return the live record, or what was refused."""
        first = []
        if record is not None:
            put = self._put_new(items.record_item(record, thing_id))
            put["Put"] |= {
                "ConditionExpression": "attribute_not_exists(PK) OR expires_at <= :now",
                "ExpressionAttributeValues": {":now": {"N": str(now)}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
            first.append(put)
        try:
            self._act().transact(first + writes)
        except Refused as refused:
            earlier = refused.items.get(0) if record is not None else None
            if record is not None and earlier is not None:
                return items.record_of(earlier, record.key), {}
            return None, {place - len(first): item for place, item in refused.items.items()}
        return None, {}

    def _change(
        self,
        kind: "_Kind[Thing]",
        key: Key,
        change: UserChange | OrderChange,
        others: Callable[[Item, Thing], Writes],
    ) -> Thing:
        """Change one item, with what `others` says has to change in the same act.

        Raises what `kind` says for no item, what `change` raises, and Refused when only the other
        writes are refused.
        """
        act = self._act()
        mark = items.new_mark()
        blind = blind_update(self._table, key, change, mark)
        if blind is None:
            item = self._get(act, key)
        else:
            try:
                return kind.read(self._update(act, blind))
            except Refused as refused:
                item = refused.items[0]
        lost = False
        while item is not None:
            if items.bears(item, mark):
                return kind.read(item)
            changed = kind.apply(change, kind.read(item))
            if lost:
                act.wait()
            update = exact_update(self._table, key, changed, mark)
            try:
                more: Writes = others(item, changed)
                if more:
                    act.transact([{"Update": update.request()}, *more])
                else:
                    self._update(act, update)
            except Refused as refused:
                if 0 not in refused.items:
                    raise
                item, lost = refused.items[0], True
            else:
                return changed
        raise kind.missing

    def _update(self, act: Act, update: Update) -> Item:
        answer = act.send("update_item", {**update.request(), "ReturnValues": "ALL_NEW"})
        item: Item = answer["Attributes"]
        return item

    def _deletes(self, item: Item, now: int) -> Writes:
        """Return what erases the user in `item`, as long as it is still as it was seen."""
        user: dict[str, Any] = {
            "TableName": self._table,
            "Key": {"PK": item["PK"], "SK": item["SK"]},
            "ConditionExpression": "#version = :version AND open_orders = :none",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":version": item["version"], ":none": {"N": "0"}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        claim = {"TableName": self._table, "Key": items.claim_key(item["email_key"]["S"])}
        writes = [{"Delete": user}, {"Delete": claim}]
        if "record" in item:
            # A record that expired and was removed leaves a tombstone that has expired as well.
            tombstone = {
                "TableName": self._table,
                "Key": items.record_key(item["record"]["S"]),
                "UpdateExpression": (
                    "SET expires_at = if_not_exists(expires_at, :now)"
                    " REMOVE thing_id, digest, #location, #body"
                ),
                "ConditionExpression": "attribute_not_exists(PK) OR thing_id = :user",
                "ExpressionAttributeNames": {"#location": "location", "#body": "body"},
                "ExpressionAttributeValues": {
                    ":now": {"N": str(now)},
                    ":user": {"S": items.user_id_of(item)},
                },
            }
            writes.append({"Update": tombstone})
        return writes

    def _user_with(self, act: Act, email: str) -> User | None:
        claim = self._get(act, items.claim_key(email))
        item = self._get(act, items.user_key(claim["user_id"]["S"])) if claim else None
        # Between the two reads the user may have taken another address.
        held = item is not None and item["email_key"]["S"] == email.casefold()
        return items.user_of(item) if item is not None and held else None


class _Kind(NamedTuple, Generic[Thing]):
    """What tells changing a user from changing an order."""

    read: Callable[[Item], Thing]
    apply: Callable[[Any, Thing], Thing]
    missing: type[NotFound]


_USER = _Kind(items.user_of, UserChange.applied_to, UserNotFound)
_ORDER = _Kind(items.order_of, OrderChange.applied_to, OrderNotFound)


def _taken_id(thing_id: str) -> RuntimeError:
    return RuntimeError(f"{thing_id} was given twice: ids are not unique")
