"""Which resources each role may use: that of the API's functions, and those of events.

The API's role can neither put events on the bus nor reach the queue. Those of events reach only the
partitions of webhooks and deliveries in the table (the conditions in `.chalice/policies`): the
function that sends webhooks, which talks to strangers, can read no user, and no secret but the key
that signs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from deployment.event_functions import OUTBOX, RELAY, SEND
from deployment.policy import Resources
from deployment.stages import Stage

_STREAM = "dynamodb:DescribeStream"


@dataclass(frozen=True, slots=True)
class Arns:
    """The ARNs of a stage's resources, in the target's syntax.

    `table`, `index`, `stream`, `queue` and `stream_failures` are for a stage on DynamoDB.
    `named` returns the ARN of a service's resource, and `logs` that of a function's log group.
    """

    table: object
    index: object
    stream: object
    queue: object
    stream_failures: object
    named: Callable[[str, str], object]
    logs: Callable[[str], object]

    def parameters(self, names: Iterable[str]) -> list[object]:
        """Return the ARNs of SSM parameters."""
        return [self.named("ssm", f"parameter/{name.removeprefix('/')}") for name in names]

    def bus(self, stage: Stage) -> list[object]:
        """Return the ARN of the stage's bus, if it has one."""
        name = stage.event_bus
        if not name:
            return []
        return [name if name.startswith("arn:") else self.named("events", f"event-bus/{name}")]


def for_api(stage: Stage, arns: Arns, functions: Iterable[str]) -> Resources:
    """Return the resources of the API's functions."""
    return {
        "dynamodb": [arns.table, arns.index] if stage.uses_dynamodb else [],
        "ssm": arns.parameters(stage.parameters),
        "logs": [arns.logs(name) for name in functions],
    }


def for_event_function(name: str, stage: Stage, arns: Arns, function: str) -> Resources:
    """Return the resources of the function that Chalice calls `name`."""
    common: dict[str, list[object]] = {
        "logs": [arns.logs(function)],
        "ec2": ["*"] if stage.is_in_vpc else [],
    }
    if name == RELAY:
        return {
            **common,
            "dynamodb": [arns.table],
            _STREAM: [arns.stream],
            "sqs": [arns.queue, arns.stream_failures],
            "events": arns.bus(stage),
        }
    if name == SEND:
        return {
            **common,
            "dynamodb": [arns.table],
            "sqs": [arns.queue],
            "events": arns.bus(stage),
            "ssm": arns.parameters([stage.webhook_key_parameter]),
        }
    if name == OUTBOX:
        names = [stage.webhook_key_parameter, stage.password_parameter]
        return {
            **common,
            "ssm": arns.parameters([one for one in names if one is not None]),
            "events": arns.bus(stage),
        }
    raise LookupError(f"There is no function {name!r} of events.")
