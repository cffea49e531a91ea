"""CloudFormation alarms for each Lambda function, each DynamoDB operation, and events.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
"""

from collections.abc import Iterable
from typing import Any

from deployment.event_functions import OLD_OUTBOX, SLOW_STREAM

# DynamoDB reports errors per operation, and throttled requests per table.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
_OPERATIONS = ("GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem")

Resources = dict[str, Any]


def table_alarms(table: object) -> Resources:
    """Return alarms for throttled requests and errors of the table."""
    dimensions = {"TableName": table}
    throttled = "DynamoDB throttles the table"
    alarms = {
        "ThrottledReads": _alarm("AWS/DynamoDB", "ReadThrottleEvents", dimensions, throttled),
        "ThrottledWrites": _alarm("AWS/DynamoDB", "WriteThrottleEvents", dimensions, throttled),
    }
    for operation in _OPERATIONS:
        alarms[f"{operation}Errors"] = _alarm(
            "AWS/DynamoDB",
            "SystemErrors",
            {**dimensions, "Operation": operation},
            f"DynamoDB fails to run {operation}",
        )
    return alarms


def throttle_alarms(functions: Iterable[str]) -> Resources:
    """Return alarms for throttled invocations of the functions, given by logical name."""
    text = "Lambda throttles the function: a concurrency limit is reached"
    return _function_alarms(functions, "Throttles", text)


def error_alarms(functions: Iterable[str]) -> Resources:
    """Return alarms for failed invocations of the functions of events, by logical name."""
    text = "The function fails as a whole: what it was to pass on is late"
    return _function_alarms(functions, "Errors", text)


def _function_alarms(functions: Iterable[str], metric: str, text: str) -> Resources:
    return {
        f"{name}{metric}": _alarm("AWS/Lambda", metric, {"FunctionName": {"Ref": name}}, text)
        for name in functions
    }


def stream_alarms(relay: str, send: str, queues: Iterable[str]) -> Resources:
    """Return alarms for events that are late, were given up, or could not be read.

    `relay` and `send` are the logical names of the functions, and `queues` those of the queues with
    what was given up.
    """
    late = _alarm(
        "AWS/Lambda",
        "IteratorAge",
        {"FunctionName": {"Ref": relay}},
        "Changes are passed on more than 15 minutes late",
    )
    late["Properties"] |= {"Statistic": "Maximum", "Threshold": SLOW_STREAM}
    faults = {
        # Of the lines that the functions write: Lambda counts no error where a part is reported.
        f"{name}Faults": _alarm(
            "UserManagement",
            "Faults",
            {"FunctionName": {"Ref": name}},
            "The function fails in part: the faults in its log say what and why",
        )
        for name in (relay, send)
    }
    return {"LateEvents": late, **faults} | {
        f"{name}Messages": _alarm(
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": {"Fn::GetAtt": [name, "QueueName"]}},
            "Something was given up: the messages in the queue say what",
        )
        for name in queues
    }


def outbox_alarms(relay: str) -> Resources:
    """Return the alarm for late events of a stage on PostgreSQL, by the function's logical name."""
    late = _alarm(
        "UserManagement",
        "OutboxAge",
        {"FunctionName": {"Ref": relay}},
        "Changes are passed on more than 15 minutes late",
    )
    late["Properties"] |= {"Statistic": "Maximum", "Threshold": OLD_OUTBOX}
    return {"LateEvents": late}


def as_dimensions(values: dict[str, object]) -> list[dict[str, object]]:
    """Return the dimensions in CloudFormation's form."""
    return [{"Name": name, "Value": value} for name, value in values.items()]


def actions() -> Resources:
    """Return the actions of an alarm: the topic, if the stack has one."""
    return {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}


def _alarm(
    namespace: str, metric: str, dimensions: dict[str, object], description: str
) -> Resources:
    """Return an alarm that goes off when the metric is above zero."""
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": description,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": as_dimensions(dimensions),
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 5,
            "DatapointsToAlarm": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": actions(),
        },
    }
