"""Every error of DynamoDB's, from botocore's model, and what storage makes of it."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import botocore.session
import pytest
from botocore.retries import standard

from chalicelib.aws.errors import ServiceError
from chalicelib.aws.http_messages import Request, Response
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Page, Query, Storage
from chalicelib.domain.users import USERS, EmailTaken, UserNotFound
from chalicelib.storage.dynamodb.engine import DynamoDBStorage
from chalicelib.storage.dynamodb.items import Layout
from localdev.emulators import environment
from tests.storage.test_dynamodb_faults import outcome_of
from tests.storage.wire import FakeClock, Fault, Wire, error, operation_of
from tests.support.factories import NOW, a_record, a_user, user_change

FOREVER = range(10_000)
RETRIED, CONDITION, FAULT = "retried", "a failed condition", "a fault of this code or its table"

# What each error of the model means. A release of botocore that adds one fails a test below.
MODELLED = {
    "BackupInUseException": FAULT,
    "BackupNotFoundException": FAULT,
    "ConditionalCheckFailedException": CONDITION,
    "ContinuousBackupsUnavailableException": FAULT,
    "DuplicateItemException": FAULT,
    "ExportConflictException": FAULT,
    "ExportNotFoundException": FAULT,
    "GlobalTableAlreadyExistsException": FAULT,
    "GlobalTableNotFoundException": FAULT,
    "IdempotentParameterMismatchException": FAULT,
    "ImportConflictException": FAULT,
    "ImportNotFoundException": FAULT,
    "IndexNotFoundException": FAULT,
    "InternalServerError": RETRIED,
    "InvalidExportTimeException": FAULT,
    "InvalidRestoreTimeException": FAULT,
    "ItemCollectionSizeLimitExceededException": FAULT,
    "LimitExceededException": FAULT,
    "PointInTimeRecoveryUnavailableException": FAULT,
    "PolicyNotFoundException": FAULT,
    "ProvisionedThroughputExceededException": RETRIED,
    "ReplicaAlreadyExistsException": FAULT,
    "ReplicaNotFoundException": FAULT,
    "ReplicatedWriteConflictException": RETRIED,
    "RequestLimitExceeded": RETRIED,
    "ResourceInUseException": FAULT,
    "ResourceNotFoundException": FAULT,
    "TableAlreadyExistsException": FAULT,
    "TableInUseException": FAULT,
    "TableNotFoundException": FAULT,
    "ThrottlingException": RETRIED,
    # By the reasons, which are tested below; without any it says nothing.
    "TransactionCanceledException": FAULT,
    "TransactionConflictException": RETRIED,
    "TransactionInProgressException": RETRIED,
}
# The model of DynamoDB names no statuses: its errors have 400, apart from this one.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
STATUSES = {"InternalServerError": 500}

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html, and its former
# versions, with their statuses.
COMMON = {
    "AccessDeniedException": (400, FAULT),
    "ExpiredTokenException": (403, FAULT),
    "IncompleteSignature": (403, FAULT),
    "IncompleteSignatureException": (400, FAULT),
    "InternalFailure": (500, RETRIED),
    "InvalidAction": (400, FAULT),
    "InvalidClientTokenId": (403, FAULT),
    "InvalidParameterCombination": (400, FAULT),
    "InvalidParameterValue": (400, FAULT),
    "InvalidQueryParameter": (400, FAULT),
    "InvalidSignatureException": (400, FAULT),
    "MalformedHttpRequestException": (400, FAULT),
    "MalformedQueryString": (404, FAULT),
    "MissingAction": (400, FAULT),
    "MissingAuthenticationToken": (403, FAULT),
    "MissingAuthenticationTokenException": (400, FAULT),
    "MissingParameter": (400, FAULT),
    "NotAuthorized": (400, FAULT),
    "OptInRequired": (403, FAULT),
    "RequestAbortedException": (400, FAULT),
    "RequestEntityTooLargeException": (413, FAULT),
    "RequestExpired": (400, FAULT),
    "RequestTimeoutException": (408, RETRIED),
    "SerializationException": (400, FAULT),
    "ServiceUnavailable": (503, RETRIED),
    "ServiceUnavailableException": (503, RETRIED),
    "ThrottlingException": (400, RETRIED),
    "UnknownOperationException": (404, FAULT),
    "UnrecognizedClientException": (400, FAULT),
    "ValidationError": (400, FAULT),
    "ValidationException": (400, FAULT),
}
ERRORS = {
    **{code: (STATUSES.get(code, 400), meaning) for code, meaning in MODELLED.items()},
    **COMMON,
}

USER = a_user()
ITEM = Layout(RESOURCES).of(USERS).new(USER, 1, None)
RECORD = a_record()
RECORD_ITEM = {
    "owner_id": {"S": USER.user_id},
    "digest": {"S": RECORD.digest},
    "body": {"S": RECORD.body},
    "expires_at": {"N": str(RECORD.expires_at)},
}
RESPONSES: dict[str, dict[str, Any]] = {
    "GetItem": {"Item": ITEM},
    "Query": {"Items": [ITEM], "Count": 1},
    "UpdateItem": {"Attributes": ITEM},
    "TransactWriteItems": {},
}


class Call(NamedTuple):
    """An operation of storage, and its result when it gets the one of RESPONSES."""

    run: Callable[[Storage], Any]
    result: Any


CALLS = {
    "GetItem": Call(lambda it: it.get(USERS, (USER.user_id,)), USER),
    "Query": Call(lambda it: it.list(USERS, (), Query(limit=1)), Page([USER], None)),
    "UpdateItem": Call(
        lambda it: it.change(USERS, (USER.user_id,), user_change(name=USER.name)), USER
    ),
    "TransactWriteItems": Call(lambda it: it.create(USERS, USER, RECORD, NOW), None),
}


class Service:
    """Storage whose requests a fault responds to, and then RESPONSES; nothing is sent."""

    def __init__(self) -> None:
        self.wire = Wire()
        self._hours = FakeClock()
        self.storage = DynamoDBStorage(
            "users", RESOURCES, client=self.wire, clock=self._hours.clock
        )

    def outcome(self, call: Call, fault: Fault, count: int) -> Any:
        """Return the outcome of an operation whose first `count` requests `fault` responds to."""

        def respond(request: Request) -> Response:
            # The current request is recorded already.
            if len(self.wire.requests) <= count:
                return fault(request)
            return Response(200, {}, json.dumps(RESPONSES[operation_of(request)]).encode())

        self.wire.reset(respond, FOREVER)
        return outcome_of(lambda: call.run(self.storage))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Return a service. Nothing listens where the environment points."""
    for name, value in environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    made = Service()
    yield made
    made.storage.close()


def test_no_error_of_the_model_is_unknown() -> None:
    """The table above has every error that botocore's model of DynamoDB has."""
    model: Any = botocore.session.Session().get_service_model("dynamodb")
    of_operations = {
        shape.name for name in RESPONSES for shape in model.operation_model(name).error_shapes
    }
    assert of_operations <= MODELLED.keys()
    assert MODELLED.keys() == {shape.error_code for shape in model.error_shapes}
    for shape in model.error_shapes:
        status = shape.metadata.get("error", {}).get("httpStatusCode")
        assert status in (None, ERRORS[shape.error_code][0])


def test_what_the_sdk_retries_is_retried(service: Service) -> None:
    """Every code that botocore takes for a temporary failure or for throttling is retried."""
    transient: Any = standard.TransientRetryableChecker
    throttled: Any = standard.ThrottledRetryableChecker
    # botocore has no public name for them.
    codes = {*transient._TRANSIENT_ERROR_CODES, *throttled._THROTTLED_ERROR_CODES}  # noqa: SLF001
    elsewhere = {
        # Of other services: EC2, S3, API Gateway and Route 53.
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "SlowDown",
        # DynamoDB has it for too many tables and indexes.
        "LimitExceededException",
    }
    assert elsewhere < codes
    for code in codes - elsewhere:
        assert service.outcome(CALLS["GetItem"], error(400, code), 1) == USER


@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize("operation", CALLS)
def test_an_error_means_what_the_table_says(service: Service, operation: str, code: str) -> None:
    """A temporary error is retried, then Unavailable; a fault is raised after one request."""
    status, meaning = ERRORS[code]
    call, fault = CALLS[operation], error(status, code)
    if meaning == RETRIED:
        assert service.outcome(call, fault, 1) == call.result
        assert len(service.wire.requests) == 2
        assert service.outcome(call, fault, FOREVER.stop) is Unavailable
        assert len(service.wire.requests) > 3
    elif meaning == FAULT:
        with pytest.raises(ServiceError, match=code) as raised:
            service.outcome(call, fault, FOREVER.stop)
        assert (raised.value.code, raised.value.status) == (code, status)
        assert len(service.wire.requests) == 1
    else:
        assert service.outcome(CALLS["UpdateItem"], fault, 1) is UserNotFound
        assert len(service.wire.requests) == 1


def test_a_failed_condition_hands_back_the_item(service: Service) -> None:
    """After a failed condition with an item the change is decided by that item, and sent again."""
    fault = error(400, "ConditionalCheckFailedException", Item=ITEM)
    call = CALLS["UpdateItem"]
    changed = user_change(name=USER.name).apply_to(USER)
    assert service.outcome(call, fault, 1) == changed
    assert len(service.wire.requests) == 2
    assert service.outcome(call, fault, FOREVER.stop) is Unavailable


# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
REASONS = {
    "None": None,
    "ConditionalCheckFailed": CONDITION,
    "ItemCollectionSizeLimitExceeded": FAULT,
    "TransactionConflict": RETRIED,
    "ProvisionedThroughputExceeded": RETRIED,
    "ThrottlingError": RETRIED,
    "ValidationError": FAULT,
}


@pytest.mark.parametrize("reasons", [*itertools.product(REASONS, repeat=3)], ids="-".join)
def test_a_cancelled_transaction_means_what_its_reasons_say(
    service: Service, reasons: tuple[str, str, str]
) -> None:
    """One temporary reason is enough to retry, then one fault to fail, then conditions decide."""
    # The writes are the record, the user, and the claim of the e-mail address.
    items = [RECORD_ITEM, ITEM, {}]
    members = [
        {"Code": code, "Message": "no"} | ({"Item": item} if REASONS[code] is CONDITION else {})
        for code, item in zip(reasons, items, strict=True)
    ]
    fault = error(400, "TransactionCanceledException", CancellationReasons=members)
    call = CALLS["TransactWriteItems"]
    meanings = {REASONS[code] for code in reasons}
    if RETRIED in meanings:
        assert service.outcome(call, fault, 1) is None
        assert len(service.wire.requests) == 2
        first, second = (request for _, request in service.wire.requests)
        assert first == second
        assert service.outcome(call, fault, FOREVER.stop) is Unavailable
        return
    if FAULT in meanings or meanings == {None}:
        with pytest.raises(ServiceError, match="TransactionCanceledException"):
            service.outcome(call, fault, 1)
    elif REASONS[reasons[0]] is CONDITION:
        assert service.outcome(call, fault, 1) == RECORD
    elif REASONS[reasons[1]] is CONDITION:
        with pytest.raises(RuntimeError, match="id was used twice"):
            service.outcome(call, fault, 1)
    else:
        assert service.outcome(call, fault, 1) is EmailTaken
    assert len(service.wire.requests) == 1
