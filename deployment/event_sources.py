"""The queues and event sources of a personal stage: what `chalice deploy` cannot create or say."""

import json
import time
from collections.abc import Callable
from typing import Any

from deployment import event_functions
from deployment.account import Account
from deployment.errors import DeploymentError
from deployment.stages import Stage

# https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
_AT_REST = frozenset({"Enabled", "Disabled"})
_POLL_SECONDS = 1
_MAX_POLLS = 180


def create_queues(stage: Stage, account: Account) -> str:
    """Create the stage's queues, or correct their attributes; return the URL of the deliveries'.

    Raises DeploymentError in the minute after queues of these names were deleted.
    """
    _queue(account, stage.stream_failures, {})
    _queue(account, stage.queue_failures, {})
    redrive = {
        "deadLetterTargetArn": account.arn("sqs", stage.queue_failures),
        "maxReceiveCount": event_functions.MAX_RECEIVES,
    }
    visibility = str(event_functions.VISIBILITY_TIMEOUT)
    attributes = {"VisibilityTimeout": visibility, "RedrivePolicy": json.dumps(redrive)}
    return _queue(account, stage.queue, attributes)


def delete_queues(stage: Stage, account: Account) -> None:
    """Delete the stage's queues, with what is in them."""
    sqs = account.client("sqs")
    for name in (stage.queue, stage.queue_failures, stage.stream_failures):
        try:
            sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])
        except sqs.exceptions.QueueDoesNotExist:
            continue


def stream_arn(stage: Stage, account: Account) -> str:
    """Return the ARN of the stream of the stage's table."""
    table = account.client("dynamodb").describe_table(TableName=stage.table)["Table"]
    return str(table["LatestStreamArn"])


def complete(
    stage: Stage, account: Account, queue_url: str, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Tell the event sources what Chalice cannot, and the functions of events where the queue is.

    In this order: a function fails until it knows the queue, so that nothing goes through a source
    that lacks its settings; what has come meanwhile comes again. Raises DeploymentError if a source
    does not come to rest.
    """
    functions = account.client("lambda")
    failures = account.arn("sqs", stage.stream_failures)
    options: dict[str, dict[str, Any]] = {
        event_functions.RELAY: {
            **event_functions.stream_options(),
            "DestinationConfig": {"OnFailure": {"Destination": failures}},
        },
        event_functions.SEND: event_functions.queue_options(),
    }
    for name, source in event_functions.SOURCES.items():
        uuid = stage.deployed[source]["event_uuid"]
        # Lambda refuses a change during another.
        _wait(functions, name, uuid, sleep)
        functions.update_event_source_mapping(UUID=uuid, **options[name])
        _wait(functions, name, uuid, sleep)
    for name in event_functions.names(stage):
        function = f"{stage.full_name}-{name}"
        present = functions.get_function_configuration(FunctionName=function)["Environment"]
        variables = {**present["Variables"], "WEBHOOK_QUEUE_URL": queue_url}
        functions.update_function_configuration(
            FunctionName=function, Environment={"Variables": variables}
        )
        functions.get_waiter("function_updated_v2").wait(FunctionName=function)


def _wait(functions: Any, name: str, uuid: str, sleep: Callable[[float], None]) -> None:  # noqa: ANN401 - as above
    """Wait until an event source mapping is at rest: boto3 has no waiter for that."""
    for _ in range(_MAX_POLLS):
        state = functions.get_event_source_mapping(UUID=uuid)["State"]
        if state in _AT_REST:
            return
        sleep(_POLL_SECONDS)
    raise DeploymentError(
        f"The event source of {name} is still {state.lower()} after {_MAX_POLLS} seconds: deploy"
        " again, and if that does not help, look at the function in the console."
    )


def _queue(account: Account, name: str, attributes: dict[str, str]) -> str:
    sqs = account.client("sqs")
    common = {
        "MessageRetentionPeriod": str(event_functions.FOURTEEN_DAYS),
        "SqsManagedSseEnabled": "true",
    }
    try:
        url: str = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        try:
            url = sqs.create_queue(QueueName=name)["QueueUrl"]
        except sqs.exceptions.QueueDeletedRecently:
            raise DeploymentError(
                f"The queue {name!r} was deleted less than a minute ago, and SQS creates it anew"
                " only then: try again in a minute."
            ) from None
    sqs.set_queue_attributes(QueueUrl=url, Attributes={**common, **attributes})
    return url
