"""The alarms of the CloudFormation template that are one for each function or operation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
"""

from collections.abc import Iterable
from typing import Any

# DynamoDB counts its failures by operation, throttled requests by table.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
_OPERATIONS = ("GetItem", "Query", "TransactWriteItems", "UpdateItem")

Resources = dict[str, Any]


def table_errors(table: object) -> Resources:
    """Return alarms on what goes wrong with the table."""
    named = {"TableName": table}
    throttled = "DynamoDB throttles the table"
    alarms = {
        "ThrottledReads": _any("AWS/DynamoDB", "ReadThrottleEvents", named, throttled),
        "ThrottledWrites": _any("AWS/DynamoDB", "WriteThrottleEvents", named, throttled),
    }
    for operation in _OPERATIONS:
        dimensions = {**named, "Operation": operation}
        text = f"DynamoDB fails to carry out {operation}"
        alarms[f"{operation}Errors"] = _any("AWS/DynamoDB", "SystemErrors", dimensions, text)
    return alarms


def throttles(functions: Iterable[str]) -> Resources:
    """Return alarms on Lambda refusing to run the functions, which are logical names."""
    text = "Lambda refuses to run the function: a limit of concurrency is reached"
    return {
        f"{name}Throttles": _any("AWS/Lambda", "Throttles", {"FunctionName": {"Ref": name}}, text)
        for name in functions
    }


def dimensions_of(named: dict[str, object]) -> list[dict[str, object]]:
    """Return dimensions as CloudFormation lists them."""
    return [{"Name": name, "Value": value} for name, value in named.items()]


def _any(namespace: str, metric: str, dimensions: dict[str, object], text: str) -> Resources:
    """Return an alarm that goes off whenever the metric counts something."""
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": text,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": dimensions_of(dimensions),
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 5,
            "DatapointsToAlarm": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": {
                "Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]
            },
        },
    }
