"""The DynamoDB table: its keys and index, and how it is created."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chalicelib.domain.resource import Resources
from chalicelib.storage.dynamodb.items import INDEX, TIME_TO_LIVE, projected
from chalicelib.storage.dynamodb.stream import VIEW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY = [
    {"AttributeName": "PK", "KeyType": "HASH"},
    {"AttributeName": "SK", "KeyType": "RANGE"},
]
_INDEX_KEY = [
    {"AttributeName": "GSI1PK", "KeyType": "HASH"},
    {"AttributeName": "GSI1SK", "KeyType": "RANGE"},
]
_POLL_SECONDS = 1
_MAX_POLLS = 300


def create_table(  # noqa: PLR0913 - options by keyword
    client: "DynamoDBClient",
    name: str,
    resources: Resources,
    *,
    ttl: bool,
    point_in_time_recovery: bool,
    deletion_protection: bool,
    stream: bool = False,
) -> None:
    """Create the table `name` unless it exists, wait until it is active, and switch on options.

    An option that is not given stays as it is, so that the command never removes protection.
    Raises ValueError if a table of this name has another shape
    (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html).
    """
    attributes = projected(resources)
    with suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            **_definition(name, attributes, deletion_protection=deletion_protection)
        )
    _wait(client, name)
    table = client.describe_table(TableName=name)["Table"]
    _check(name, attributes, table)
    if deletion_protection and not table.get("DeletionProtectionEnabled"):
        client.update_table(TableName=name, DeletionProtectionEnabled=True)
        _wait(client, name)
    if stream:
        _enable_stream(client, name, table)
    if ttl:
        _enable_ttl(client, name)
    if point_in_time_recovery:
        client.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )


def _wait(client: "DynamoDBClient", name: str) -> None:
    """Wait until the table is active: DynamoDB refuses a change during another."""
    client.get_waiter("table_exists").wait(
        TableName=name, WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": _MAX_POLLS}
    )


def _definition(name: str, attributes: list[str], *, deletion_protection: bool) -> dict[str, Any]:
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _KEY,
        "AttributeDefinitions": [
            {"AttributeName": key["AttributeName"], "AttributeType": "S"}
            for key in _KEY + _INDEX_KEY
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": INDEX,
                "KeySchema": _INDEX_KEY,
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": attributes},
            }
        ],
        "DeletionProtectionEnabled": deletion_protection,
    }


def _check(name: str, attributes: list[str], table: Mapping[str, Any]) -> None:
    indexes = {
        index["IndexName"]: index
        for index in table.get("GlobalSecondaryIndexes", ())
        if index["KeySchema"] == _INDEX_KEY and _holds(index["Projection"], attributes)
    }
    if table["KeySchema"] != _KEY or INDEX not in indexes:
        raise ValueError(
            f"The table {name!r} exists with other keys, or without the index {INDEX!r} on all"
            " that clients read; choose another name."
        )


def _holds(projection: Mapping[str, Any], attributes: list[str]) -> bool:
    return projection["ProjectionType"] == "ALL" or not (
        set(attributes) - set(projection.get("NonKeyAttributes", ()))
    )


def _enable_ttl(client: "DynamoDBClient", name: str) -> None:
    # DynamoDB refuses to enable what is enabled.
    present = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if present.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
        client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": TIME_TO_LIVE},
        )


def _enable_stream(client: "DynamoDBClient", name: str, table: Mapping[str, Any]) -> None:
    """Enable the stream. Raises ValueError if there is one that lacks items as they were or are."""
    present = table.get("StreamSpecification", {})
    if not present.get("StreamEnabled"):
        client.update_table(
            TableName=name, StreamSpecification={"StreamEnabled": True, "StreamViewType": VIEW}
        )
        _wait(client, name)
    elif present["StreamViewType"] != VIEW:
        raise ValueError(
            f"The stream of the table {name!r} has {present['StreamViewType']} and events need"
            f" {VIEW}: disable the stream, and it is enabled anew."
        )
