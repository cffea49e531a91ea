"""A service that checks signatures accepts ours.

The emulator verifies the signature, its time and its session token by Signature Version 4, if the
access key is one that its IAM has made; it believes the account's root key without. So these tests
prove that another implementation comes to the same signature, but not that AWS does.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from chalicelib.aws.client import Client, Service
from chalicelib.aws.configuration import configuration
from chalicelib.aws.connections import Send
from chalicelib.aws.errors import ServiceError
from chalicelib.aws.http_messages import Request
from chalicelib.aws.retries import timeouts
from chalicelib.domain.registry import RESOURCES
from chalicelib.parameter_store import read_parameter
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.requests import make_client
from tests.conftest import a_table
from tests.deploy.cloud import Cloud, running_cloud
from tests.storage.operations import OPERATIONS, Operation, set_up
from tests.storage.test_dynamodb_faults import ALWAYS, outcome_of

DYNAMODB = Service("dynamodb", "DynamoDB_20120810", "1.0")
PARAMETER, SECRET = "/user-management/prod/cursor-secret", "a secret"
POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*",'
    '"Action":["dynamodb:*","ssm:GetParameter"]}]}'
)
REFUSED = "InvalidSignatureException"

Variables = Mapping[str, str]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """Run a new emulator for this module."""
    with running_cloud() as running:
        running.put_secret(PARAMETER, SECRET)
        yield running


@pytest.fixture(scope="module")
def credentials(cloud: Cloud) -> dict[str, Variables]:
    """Return the variables of a user's access key, and of temporary credentials."""
    iam = cloud.client("iam")
    iam.create_user(UserName="api")
    iam.put_user_policy(UserName="api", PolicyName="all", PolicyDocument=POLICY)
    key = iam.create_access_key(UserName="api")["AccessKey"]
    session = cloud.client("sts").get_session_token()["Credentials"]
    return {
        "access key": {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        },
        "session": {
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
        },
    }


@pytest.fixture
def use(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets the environment variables of credentials."""

    def set_variables(variables: Variables, **others: str) -> None:
        for name, value in {**cloud.variables, **variables, **others}.items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.mark.parametrize("kind", ["access key", "session"])
@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(it, id=it.name, marks=() if it.name in ALWAYS else pytest.mark.slow)
        for it in OPERATIONS
    ],
)
def test_every_operation_is_signed_properly(
    cloud: Cloud,
    credentials: Mapping[str, Variables],
    use: Callable[..., None],
    operation: Operation,
    kind: str,
) -> None:
    """Each operation works with the secret key, and every one is refused with another one."""
    with a_table(cloud.client("dynamodb")) as table:
        use(credentials[kind])
        storage = DynamoDBStorage(table, RESOURCES)
        state = set_up(storage)
        operation.prepare(storage, state)
        use(credentials[kind], AWS_SECRET_ACCESS_KEY="another")
        impostor = DynamoDBStorage(table, RESOURCES)
        with pytest.raises(ServiceError, match=REFUSED):
            operation.run(impostor, state)
        impostor.close()
        outcome_of(lambda: operation.run(storage, state))
        storage.close()


@pytest.mark.parametrize("kind", ["access key", "session"])
def test_reading_a_parameter_is_signed_properly(
    credentials: Mapping[str, Variables], use: Callable[..., None], kind: str
) -> None:
    """A secret is read with the secret key, and not with another one."""
    use(credentials[kind])
    assert read_parameter(PARAMETER) == SECRET
    use(credentials[kind], AWS_SECRET_ACCESS_KEY="another")
    with pytest.raises(ServiceError, match=REFUSED):
        read_parameter(PARAMETER)


def test_a_session_needs_its_own_token(
    credentials: Mapping[str, Variables], use: Callable[..., None]
) -> None:
    """Temporary credentials with another session's token are refused."""
    use(credentials["session"], AWS_SESSION_TOKEN="another")
    with pytest.raises(ServiceError, match="UnrecognizedClientException"):
        read_parameter(PARAMETER)


def another_body(request: Request) -> Request:
    """Return the request with another number in its body."""
    assert b"1" in request.body
    return request._replace(body=request.body.replace(b"1", b"2"))


def another_operation(request: Request) -> Request:
    """Return the request for another operation."""
    headers = {**request.headers, "X-Amz-Target": "DynamoDB_20120810.DescribeLimits"}
    return request._replace(headers=headers)


def another_second(request: Request) -> Request:
    """Return the request with a time that is a few seconds away."""
    time_signed = request.headers["X-Amz-Date"]
    digit = str((int(time_signed[-2]) + 5) % 10)
    return request._replace(
        headers={**request.headers, "X-Amz-Date": f"{time_signed[:-2]}{digit}Z"}
    )


@pytest.mark.parametrize("altered", [another_body, another_operation, another_second])
def test_what_was_signed_cannot_be_altered(
    credentials: Mapping[str, Variables],
    use: Callable[..., None],
    altered: Callable[[Request], Request],
) -> None:
    """The signature covers the body, the operation and the time."""
    use(credentials["access key"])

    def around(send: Send) -> Send:
        return lambda request: send(altered(request))

    client = make_client(8, around)
    with pytest.raises(ServiceError, match=REFUSED):
        client.call("ListTables", {"Limit": 1})
    client.close()


@pytest.mark.parametrize("hours", [-1, 1, -48, 48])
def test_a_wrong_clock_is_set_by_the_service(
    credentials: Mapping[str, Variables], use: Callable[..., None], hours: int
) -> None:
    """A request with a time that is hours off is refused, and signed again with the right time."""
    use(credentials["access key"])
    sent: list[Any] = []

    def around(send: Send) -> Send:
        def recorded(request: Request) -> Any:
            sent.append(request.headers["X-Amz-Date"])
            return send(request)

        return recorded

    client = Client(
        DYNAMODB,
        configuration("dynamodb"),
        timeouts(8),
        around,
        clock=lambda: time.time() + hours * 3600,
    )
    for _ in range(2):
        assert "TableNames" in client.call("ListTables", {})
    client.close()
    # The first was wrong, and only it.
    assert len(sent) == 3
