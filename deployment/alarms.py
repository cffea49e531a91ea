"""CloudFormation alarms for each Lambda function and each DynamoDB operation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
"""

from collections.abc import Iterable
from typing import Any

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
    return {
        f"{name}Throttles": _alarm(
            "AWS/Lambda",
            "Throttles",
            {"FunctionName": {"Ref": name}},
            "Lambda throttles the function: a concurrency limit is reached",
        )
        for name in functions
    }


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
