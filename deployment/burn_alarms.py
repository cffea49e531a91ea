"""CloudFormation alarms on the burn rate of the error budget.

The same for Terraform is in infra/terraform/burn_alarms.tf.

The objective leaves a budget of failed requests for 30 days; a burn rate of 1 spends exactly that.
Each alarm goes off while the rate is too high in a long window, so that it matters, and in a short
one, so that it is still happening and the alarm ends soon after the cause does.
https://sre.google/workbook/alerting-on-slos/ (6: Multiwindow, Multi-Burn-Rate Alerts)
"""

from dataclasses import dataclass
from typing import Any

from deployment.alarms import actions, as_dimensions

BUDGET = 0.001
"""The share of requests that may fail: the objective is 99.9 % without a 5xx."""

_FEWEST = 10
"""How many requests have to fail in the long window: with little traffic, one says nothing."""

Resources = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Burn:
    """A burn rate, and the windows in which it is measured, by name, in seconds."""

    name: str
    rate: float
    windows: tuple[tuple[str, int], tuple[str, int]]
    spends: str

    @property
    def threshold(self) -> float:
        """The share of failed requests at this rate."""
        return round(self.rate * BUDGET, 6)


BURNS = (
    Burn("FastBurn", 14.4, (("1h", 3_600), ("5m", 300)), "2 % of a month's errors in 1 hour"),
    Burn("SlowBurn", 6, (("6h", 21_600), ("30m", 1_800)), "5 % of a month's errors in 6 hours"),
)


def burn_alarms(api: dict[str, object]) -> Resources:
    """Return the alarms for the API with these dimensions."""
    resources: Resources = {}
    for burn in BURNS:
        names = []
        for fewest, (window, seconds) in zip((_FEWEST, 1), burn.windows, strict=True):
            names.append(f"{burn.name}{window}")
            resources[names[-1]] = _window(burn, window, seconds, fewest, api)
        resources[burn.name] = {
            "Type": "AWS::CloudWatch::CompositeAlarm",
            "Properties": {
                "AlarmDescription": f"The API spends more than {burn.spends}",
                "AlarmRule": {
                    "Fn::Sub": " AND ".join(f'ALARM("${{{name}}}")' for name in names),
                },
                "AlarmActions": actions(),
            },
        }
    return resources


def _window(
    burn: Burn, window: str, seconds: int, fewest: int, api: dict[str, object]
) -> Resources:
    """Return the alarm on one window, which notifies nobody."""
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": f"Burn rate of the error budget above {burn.rate:g} for {window}",
            "Metrics": [
                {
                    "Id": "share",
                    "Label": "Share of 5xx",
                    "Expression": f"IF(failed >= {fewest}, failed / requests, 0)",
                    "ReturnData": True,
                },
                _metric("failed", "5XXError", "Sum", seconds, api),
                # The documented statistic for this metric:
                # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
                _metric("requests", "Count", "SampleCount", seconds, api),
            ],
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "Threshold": burn.threshold,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        },
    }


def _metric(
    name: str, metric: str, statistic: str, seconds: int, api: dict[str, object]
) -> Resources:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ApiGateway",
                "MetricName": metric,
                "Dimensions": as_dimensions(api),
            },
            "Period": seconds,
            "Stat": statistic,
        },
        "ReturnData": False,
    }
