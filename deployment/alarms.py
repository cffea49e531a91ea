"""The metrics of the alarms that add up several of them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-cloudwatch-alarm-metricdataquery.html
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

# DynamoDB counts its failures by operation, throttled requests by table.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
_OPERATIONS = ("GetItem", "Query", "TransactWriteItems", "UpdateItem")


class Metric(NamedTuple):
    """A metric of CloudWatch, of which the sum for each minute is taken."""

    namespace: str
    name: str
    dimensions: dict[str, object]


def table_errors(table: object) -> list[Metric]:
    """Return the metrics of what goes wrong with the table."""
    named = {"TableName": table}
    return [
        Metric("AWS/DynamoDB", "ReadThrottleEvents", named),
        Metric("AWS/DynamoDB", "WriteThrottleEvents", named),
        *(
            Metric("AWS/DynamoDB", "SystemErrors", {**named, "Operation": operation})
            for operation in _OPERATIONS
        ),
    ]


def throttles(functions: Iterable[object]) -> list[Metric]:
    """Return the metrics of how often Lambda refuses to run the functions."""
    return [Metric("AWS/Lambda", "Throttles", {"FunctionName": name}) for name in functions]


def sum_of(metrics: Iterable[Metric]) -> list[dict[str, Any]]:
    """Return the `Metrics` of an alarm on the sum of at most ten metrics, absent ones being 0."""
    parts = [
        {
            "Id": f"m{place}",
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": metric.namespace,
                    "MetricName": metric.name,
                    "Dimensions": dimensions(metric.dimensions),
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for place, metric in enumerate(metrics)
    ]
    terms = "+".join(f"FILL({part['Id']},0)" for part in parts)
    return [{"Id": "sum", "Expression": terms, "ReturnData": True}, *parts]


def dimensions(named: dict[str, object]) -> list[dict[str, object]]:
    """Return dimensions as CloudFormation lists them."""
    return [{"Name": name, "Value": value} for name, value in named.items()]
