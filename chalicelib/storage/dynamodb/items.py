"""How users, orders, claims and records lie in the DynamoDB table: the one place that knows.

| item | PK | SK | further keys |
|---|---|---|---|
| user | ``USER#<id>`` | ``USER`` | GSI1PK ``USERS#<shard>``, GSI1SK ``<id>`` |
| order | ``USER#<id>`` | ``ORDER#<order id>`` | |
| e-mail claim | ``EMAIL#<case-folded>`` | ``EMAIL`` | |
| idempotency record | ``IDEMPOTENCY#<key>`` | ``IDEMPOTENCY`` | |

Items are in DynamoDB's wire shape, such as ``{"version": {"N": "1"}}``, and are read by hand:
boto3's TypeDeserializer walks every value of every item. Attributes are native, for the console,
exports and streams, and so that metadata can be patched in place; only the lines of an order, which
never change and are never searched, are one JSON string. As a list of maps they made a Query of 25
orders with five lines each cost 2.2 times the CPU time and a fifth more bytes.
"""

import secrets
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from chalicelib.domain.model import Item as OrderLine
from chalicelib.domain.model import Order, User
from chalicelib.domain.storage import IdempotencyRecord

Item = dict[str, Any]
Key = dict[str, Any]

USER_SK = "USER"
ORDER_SK = "ORDER#"
INDEX = "GSI1"
# Only what clients read: a write to anything else of a user, such as the count of its open orders,
# is then no write to the index. DynamoDB never changes the projection of an index that is there.
PROJECTED = tuple(name for name in User.__struct_fields__ if name != "user_id")
TIME_TO_LIVE = "expires_at"

_USER_PK = "USER#"
_LINES = msgspec.json.Decoder(list[OrderLine])
# How many of its latest changes an item remembers, and how many random bytes stand for one.
MARKS = 4
_MARK_BYTES = 8


def user_key(user_id: str) -> Key:
    """Return the key of a user."""
    return {"PK": {"S": user_partition(user_id)}, "SK": {"S": USER_SK}}


def order_key(user_id: str, order_id: str) -> Key:
    """Return the key of an order."""
    return {"PK": {"S": user_partition(user_id)}, "SK": {"S": ORDER_SK + order_id}}


def claim_key(email: str) -> Key:
    """Return the key of the claim to an e-mail address, the same for all its cases."""
    return {"PK": {"S": f"EMAIL#{email.casefold()}"}, "SK": {"S": "EMAIL"}}


def record_key(key: str) -> Key:
    """Return the key of an idempotency record."""
    return {"PK": {"S": f"IDEMPOTENCY#{key}"}, "SK": {"S": "IDEMPOTENCY"}}


def user_id_of(item: Item) -> str:
    """Return the user's id out of an item, or a key, of the user or of one of its orders."""
    user_id: str = item["PK"]["S"][len(_USER_PK) :]
    return user_id


def order_id_of(item: Item) -> str:
    """Return the order's id out of an item or a key."""
    order_id: str = item["SK"]["S"][len(ORDER_SK) :]
    return order_id


def user_partition(user_id: str) -> str:
    """Return the partition of a user and its orders."""
    return _USER_PK + user_id


def shard_partition(shard: int) -> str:
    """Return the index's partition for one shard of the list of users."""
    return f"USERS#{shard}"


def new_user_item(user: User, shards: int, record: IdempotencyRecord | None) -> Item:
    """Return the item of a new user. The shard depends on nothing but the id and `shards`."""
    shard = zlib.crc32(user.user_id.encode()) % shards
    item = {
        **user_key(user.user_id),
        "GSI1PK": {"S": shard_partition(shard)},
        "GSI1SK": {"S": user.user_id},
        "name": {"S": user.name},
        "email": {"S": user.email},
        "email_key": {"S": user.email.casefold()},
        "status": {"S": user.status},
        "metadata": pairs(user.metadata),
        "created_at": {"S": user.created_at},
        "updated_at": {"S": user.updated_at},
        "version": {"N": str(user.version)},
        "open_orders": {"N": "0"},
        "marks": _no_marks(),
    }
    if record is not None:
        item["record"] = {"S": record.key}
    return item


def user_of(item: Item) -> User:
    """Return the user that lies in `item`."""
    return User(
        user_id=user_id_of(item),
        name=item["name"]["S"],
        email=item["email"]["S"],
        status=item["status"]["S"],
        metadata={key: value["S"] for key, value in item["metadata"]["M"].items()},
        created_at=item["created_at"]["S"],
        updated_at=item["updated_at"]["S"],
        version=int(item["version"]["N"]),
    )


def new_order_item(order: Order) -> Item:
    """Return the item of a new order."""
    return {
        **order_key(order.user_id, order.order_id),
        "status": {"S": order.status},
        "currency": {"S": order.currency},
        "items": {"S": msgspec.json.encode(order.items).decode()},
        "total": {"N": str(order.total)},
        "metadata": pairs(order.metadata),
        "created_at": {"S": order.created_at},
        "updated_at": {"S": order.updated_at},
        "version": {"N": str(order.version)},
        "marks": _no_marks(),
    }


def order_of(item: Item) -> Order:
    """Return the order that lies in `item`."""
    return Order(
        order_id=order_id_of(item),
        user_id=user_id_of(item),
        status=item["status"]["S"],
        currency=item["currency"]["S"],
        items=_LINES.decode(item["items"]["S"]),
        total=int(item["total"]["N"]),
        metadata={key: value["S"] for key, value in item["metadata"]["M"].items()},
        created_at=item["created_at"]["S"],
        updated_at=item["updated_at"]["S"],
        version=int(item["version"]["N"]),
    )


def claim_item(email: str, user_id: str) -> Item:
    """Return the item by which a user holds an e-mail address."""
    return {**claim_key(email), "user_id": {"S": user_id}}


def record_item(record: IdempotencyRecord, thing_id: str) -> Item:
    """Return the item of the record of `thing_id`'s creation."""
    return {
        **record_key(record.key),
        "thing_id": {"S": thing_id},
        "digest": {"S": record.digest},
        "location": {"S": record.location},
        "body": {"S": record.body},
        TIME_TO_LIVE: {"N": str(record.expires_at)},
    }


def record_of(item: Item, key: str) -> IdempotencyRecord:
    """Return the record that lies in `item` under `key`; a tombstone has no answer."""
    absent = {"S": ""}
    return IdempotencyRecord(
        key=key,
        digest=item.get("digest", absent)["S"],
        location=item.get("location", absent)["S"],
        body=item.get("body", absent)["S"],
        expires_at=int(item[TIME_TO_LIVE]["N"]),
    )


def new_mark() -> str:
    """Return a text that no other change bears."""
    return secrets.token_urlsafe(_MARK_BYTES)


def bears(item: Item, mark: str) -> bool:
    """Tell whether the change with this mark is among the latest that made `item`."""
    return {"S": mark} in item["marks"]["L"]


def pairs(metadata: Mapping[str, str | None]) -> dict[str, Any]:
    """Return pairs of metadata as a map in the wire shape."""
    return {"M": {key: {"S": value} for key, value in metadata.items() if value is not None}}


def _no_marks() -> dict[str, Any]:
    return {"L": [{"S": "-"}] * MARKS}
