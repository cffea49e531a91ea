"""The command that creates the table."""

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Query
from chalicelib.domain.users import USERS
from chalicelib.storage.__main__ import main
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.table import create_table
from localdev.emulators import Emulators, environment
from tests.conftest import url_of
from tests.support.factories import NOW, a_user
from tests.support.served import ROOT

NAME = "made-by-command"
PROJECTED = {
    *("name", "email", "status", "metadata", "user_name", "external_id", "given_name"),
    *("family_name", "created_at", "updated_at", "version"),
}


@pytest.fixture
def client(engines: Emulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of ministack, and make the command use it; there is no table yet."""
    for name, value in environment(url_of(engines, "ministack")).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("dynamodb")
    yield client
    if NAME in client.list_tables()["TableNames"]:
        client.update_table(TableName=NAME, DeletionProtectionEnabled=False)
        client.delete_table(TableName=NAME)
    client.close()


def test_the_command_creates_the_table(
    client: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without options the command creates an on-demand table with its index and TTL."""
    assert main(["create-table", NAME]) == 0
    table = client.describe_table(TableName=NAME)["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionProtectionEnabled"] is False
    (index,) = table["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["Projection"]["ProjectionType"]) == ("GSI1", "INCLUDE")
    assert set(index["Projection"]["NonKeyAttributes"]) == PROJECTED
    expiry = client.describe_time_to_live(TableName=NAME)["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "expires_at")
    assert recovery(client) == "DISABLED"
    assert NAME in capsys.readouterr().out


def test_lists_of_an_older_index_lack_its_new_fields(client: Any) -> None:
    """Until the index is created again, lists show users without what it does not hold."""
    key = {"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}
    index_key = [{**part, "AttributeName": f"GSI1{part['AttributeName']}"} for part in key]
    older = PROJECTED - {"user_name", "external_id", "given_name", "family_name"}
    client.create_table(
        TableName=NAME,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=key,
        AttributeDefinitions=[
            {"AttributeName": part["AttributeName"], "AttributeType": "S"}
            for part in (*key, *index_key)
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "GSI1",
                "KeySchema": index_key,
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": sorted(older)},
            }
        ],
    )
    storage = DynamoDBStorage(NAME, RESOURCES)
    user = a_user(user_name="ann", external_id="a", given_name="Ann", family_name="Example")
    storage.create(USERS, user, None, NOW)

    bare = a_user(user_id=user.user_id, email=user.email)
    assert storage.list(USERS, (), Query(limit=1)).items == [bare]
    assert storage.list(USERS, (), Query(limit=1, filters={"user_name": "ANN"})).items == [user]
    assert storage.get(USERS, (user.user_id,)) == user
    storage.close()


def test_options_are_added_and_never_removed(client: Any) -> None:
    """The command can be repeated: more options are added, fewer change nothing."""
    main(["create-table", NAME, "--no-ttl"])
    expiry = client.describe_time_to_live(TableName=NAME)["TimeToLiveDescription"]
    assert expiry["TimeToLiveStatus"] == "DISABLED"
    main(["create-table", NAME, "--point-in-time-recovery", "--deletion-protection"])
    main(["create-table", NAME])
    expiry = client.describe_time_to_live(TableName=NAME)["TimeToLiveDescription"]
    assert expiry["TimeToLiveStatus"] == "ENABLED"
    assert client.describe_table(TableName=NAME)["Table"]["DeletionProtectionEnabled"] is True
    assert recovery(client) == "ENABLED"
    with pytest.raises(ClientError):
        client.delete_table(TableName=NAME)


class SlowChanges:
    """A client of tables that are busy after each change until somebody has waited."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._is_busy = False

    def update_table(self, **parameters: Any) -> None:
        """Begin a change."""
        self._change(self._client.update_table, parameters)

    def update_time_to_live(self, **parameters: Any) -> None:
        """Begin a change."""
        self._change(self._client.update_time_to_live, parameters)
        self._is_busy = False

    def get_waiter(self, name: str) -> Any:
        """Return what waits for the end of a change."""
        self._is_busy = False
        return self._client.get_waiter(name)

    def _change(self, call: Callable[..., object], parameters: Any) -> None:
        assert not self._is_busy, "ResourceInUseException"
        call(**parameters)
        self._is_busy = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_changes_wait_for_each_other(client: Any) -> None:
    """Of a table that exists, everything can be switched on at once: each change awaits its end."""
    main(["create-table", NAME, "--no-ttl"])
    create_table(
        SlowChanges(client),  # type: ignore[arg-type]
        NAME,
        RESOURCES,
        ttl=True,
        point_in_time_recovery=True,
        deletion_protection=True,
        stream=True,
    )
    table = client.describe_table(TableName=NAME)["Table"]
    assert table["DeletionProtectionEnabled"]
    assert table["StreamSpecification"]["StreamEnabled"]


def test_a_table_with_another_schema_is_refused(client: Any) -> None:
    """An existing table with another schema is left unchanged, with an error message."""
    client.create_table(
        TableName=NAME,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    with pytest.raises(ValueError, match="choose another name"):
        main(["create-table", NAME])


@pytest.mark.parametrize(
    ("projection", "fits"),
    [
        ({"ProjectionType": "ALL"}, True),
        ({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["name", "email"]}, False),
        ({"ProjectionType": "KEYS_ONLY"}, False),
    ],
)
def test_an_index_must_project_the_attributes_that_clients_read(
    client: Any, projection: dict[str, Any], *, fits: bool
) -> None:
    """An index that projects more is accepted; one that projects less is refused."""
    keys = [("PK", "HASH"), ("SK", "RANGE")]
    index_keys = [("GSI1PK", "HASH"), ("GSI1SK", "RANGE")]
    client.create_table(
        TableName=NAME,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"} for key, _ in keys + index_keys
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "GSI1",
                "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in index_keys],
                "Projection": projection,
            }
        ],
    )
    with nullcontext() if fits else pytest.raises(ValueError, match="choose another name"):
        main(["create-table", NAME])


@pytest.mark.parametrize("path", [".chalice/resources.yaml", "infra/terraform/table.tf"])
def test_the_templates_create_the_same_index(path: str) -> None:
    """CloudFormation and Terraform project the same attributes as the command."""
    (listed,) = re.findall(
        r"(?:NonKeyAttributes: |non_key_attributes = )\[([^\]]+)\]", (ROOT / path).read_text()
    )
    assert set(re.findall(r"\w+", listed)) == PROJECTED


def test_a_command_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the usage is printed."""
    with pytest.raises(SystemExit):
        main([])
    assert "COMMAND" in capsys.readouterr().err


def recovery(client: Any) -> str:
    """Return the status of point-in-time recovery."""
    backups = client.describe_continuous_backups(TableName=NAME)["ContinuousBackupsDescription"]
    status: str = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    return status
