"""Deliveries to webhooks in the DynamoDB table.

| item | PK | SK |
|---|---|---|
| delivery | ``DELIVERIES#<webhook id>`` | ``DELIVERY#<delivery id>`` |

Nothing is queued here: the table's stream sends what is new, or asked for again, to SQS.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from itertools import islice
from typing import Any, get_type_hints

import msgspec
from msgspec import UNSET

from chalicelib.domain.deliveries import SETTLED, Delivery, Message
from chalicelib.domain.idempotency import IdempotencyRecord
from chalicelib.domain.resource import Kind
from chalicelib.domain.storage import Page, Query
from chalicelib.storage.dynamodb.creation import put_new, put_record
from chalicelib.storage.dynamodb.items import (
    TIME_TO_LIVE,
    Attribute,
    Item,
    Key,
    record_from,
    record_key,
)
from chalicelib.storage.dynamodb.requests import ConditionFailed, Operation
from chalicelib.storage.dynamodb.updates import Update

PARTITION = "DELIVERIES#"
SORT_KEY = "DELIVERY#"
_AT_ONCE = 10
_HINTS = get_type_hints(Delivery, include_extras=True)
_INTEGERS = frozenset(name for name, hint in _HINTS.items() if Kind.of(hint) is Kind.INTEGER)
_FIELDS = tuple(name for name in _HINTS if name not in {"webhook_id", "delivery_id"})

# Of 1 MB each. A webhook that never works must not cost more and more, the longer it is so.
_SEARCHED_PAGES = 50


class DynamoDBDeliveries:
    """See Deliveries. `operation` begins an operation in the table `table`."""

    def __init__(self, table: str, operation: Callable[[], Operation]) -> None:
        self._table = table
        self._operation = operation

    def add(self, messages: Sequence[Message]) -> None:
        """See Deliveries.

        Each item by itself, as conditions need, at half of a transaction's price; ten at a time. If
        one fails, some of the others are there; the caller tries again, and those stay as they are.
        """
        if len(messages) > 1:
            self._put_many(messages)
        else:
            for message in messages:
                self._put(message)

    def _put_many(self, messages: Sequence[Message]) -> None:
        # Imported here, since the API adds only one at a time.
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            # Each with the same activity, where the calls of storage are counted.
            futures = [threads.submit(copy_context().run, self._put, one) for one in messages]
            try:
                for future in futures:
                    future.result()
            finally:
                threads.shutdown(cancel_futures=True)

    def _put(self, message: Message) -> None:
        # A retry whose first attempt got through finds its own item.
        with suppress(ConditionFailed):
            put = put_new(self._table, _item(message))["Put"]
            self._operation().send("PutItem", put)

    def get(self, webhook_id: str, delivery_id: str) -> Message | None:
        """See Deliveries. Strongly consistent."""
        request = {
            "TableName": self._table,
            "Key": _key(webhook_id, delivery_id),
            "ConsistentRead": True,
        }
        item = self._operation().send("GetItem", request).get("Item")
        return Message(_delivery(item), item["payload"]["S"]) if item else None

    def replace(self, delivery: Delivery, seen: Delivery) -> bool:
        """See Deliveries."""
        try:
            self._operation().send("UpdateItem", self._update(delivery, seen).request())
        except ConditionFailed as failed:
            # A retry whose first attempt got through has changed the delivery itself.
            item = failed.items[0]
            return item is not None and _delivery(item) == delivery
        return True

    def request(
        self,
        message: Message,
        seen: Delivery | None,
        record: IdempotencyRecord | None,
        now: int,
    ) -> bool:
        """See Deliveries. Without a record it is one item, at half of a transaction's price."""
        delivery = message.delivery
        if record is None and seen is not None:
            return self.replace(delivery, seen)
        if record is None:
            self.add([message])
            return True
        if seen is None:
            write = put_new(self._table, _item(message))
        else:
            write = {"Update": self._update(delivery, seen).request()}
        try:
            self._operation().transact([put_record(self._table, record, delivery.id, now), write])
        except ConditionFailed:
            return False
        return True

    def record(self, key: str, now: int) -> IdempotencyRecord | None:
        """See Deliveries. Strongly consistent."""
        request = {"TableName": self._table, "Key": record_key(key), "ConsistentRead": True}
        item = self._operation().send("GetItem", request).get("Item")
        found = record_from(item, key) if item else None
        # DynamoDB removes what has expired some time later.
        return found if found is not None and found.expires_at > now else None

    def list(self, webhook_id: str, query: Query) -> Page[Delivery]:
        """See Deliveries. Strongly consistent."""
        values = {":key": {"S": PARTITION + webhook_id}}
        condition = "PK = :key"
        if query.after is not None:
            values[":after"] = {"S": SORT_KEY + query.after}
            condition += f" AND SK {'>' if query.ascending else '<'} :after"
        # Without the payloads, which are most of it. Some names are reserved words.
        names = {f"#{name}": name for name in _FIELDS}
        request = {
            "TableName": self._table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ExpressionAttributeNames": names,
            "ProjectionExpression": ", ".join(["PK", "SK", *names]),
            "ScanIndexForward": query.ascending,
            "ConsistentRead": True,
            "Limit": query.limit + 1,
        }
        rows = islice(self._operation().items(request), query.limit + 1)
        found = [_delivery(row) for row in rows]
        items = found[: query.limit]
        return Page(items, items[-1].id if len(found) > query.limit else None)

    def has_succeeded(self, webhook_id: str, since: str) -> bool:
        """See Deliveries. Eventually consistent; looks at the latest 50 MB of the deliveries."""
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "PK = :key",
            "FilterExpression": "#status = :succeeded AND last_attempt_at >= :since",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {
                ":key": {"S": PARTITION + webhook_id},
                ":succeeded": {"S": "succeeded"},
                ":since": {"S": since},
            },
            "ProjectionExpression": "SK",
            "ScanIndexForward": False,
        }
        operation = self._operation()
        for _ in range(_SEARCHED_PAGES):
            page = operation.send("Query", request)
            if page["Items"] or "LastEvaluatedKey" not in page:
                return bool(page["Items"])
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        return False

    def _update(self, delivery: Delivery, seen: Delivery) -> Update:
        update = Update(self._table, _key(delivery.webhook_id, delivery.id))
        attributes = _attributes(delivery)
        for name in _FIELDS:
            if name in attributes:
                update.set(name, attributes[name])
            else:
                update.remove(name)
        update.set(TIME_TO_LIVE, {"N": str(delivery.expires_at)})
        expected = _attributes(seen)
        for name in SETTLED:
            update.where(f"#{name} = :seen_{name}", **{f"seen_{name}": expected[name]})
        return update


def _key(webhook_id: str, delivery_id: str) -> Key:
    return {"PK": {"S": PARTITION + webhook_id}, "SK": {"S": SORT_KEY + delivery_id}}


def _item(message: Message) -> Item:
    delivery = message.delivery
    return {
        **_key(delivery.webhook_id, delivery.id),
        **_attributes(delivery),
        "payload": {"S": message.payload},
        TIME_TO_LIVE: {"N": str(delivery.expires_at)},
    }


def _attributes(delivery: Delivery) -> dict[str, Attribute]:
    values = msgspec.structs.asdict(delivery)
    return {
        name: {"N": str(value)} if name in _INTEGERS else {"S": value}
        for name in _FIELDS
        if (value := values[name]) is not UNSET
    }


def _delivery(item: Item) -> Delivery:
    values: dict[str, Any] = {
        name: int(item[name]["N"]) if name in _INTEGERS else item[name]["S"]
        for name in _FIELDS
        if name in item
    }
    return Delivery(
        webhook_id=item["PK"]["S"].removeprefix(PARTITION),
        delivery_id=item["SK"]["S"].removeprefix(SORT_KEY),
        **values,
    )
