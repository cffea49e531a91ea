"""Metrics in the lines of the log: CloudWatch's Embedded Metric Format.

Zeros are left out, since lines are paid for by their size.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from functools import lru_cache

import msgspec

from chalicelib.telemetry.activity import Activity

_NAMESPACE = "UserManagement"
_UNITS = {"Latency": "Milliseconds", "OutboxAge": "Seconds"}
_USUAL: tuple[str, ...] = ("Requests", "Latency")
_BY_ROUTE = frozenset({"Latency", "Faults"})


def metrics_text(
    latency: str, now: int, activity: Activity, *, is_fault: bool, is_cold: bool
) -> str:
    """Return the JSON members of a line that hold its metrics and tell CloudWatch so.

    `latency` is in milliseconds, and `now` in milliseconds since the epoch.
    """
    names, values = _USUAL, f'"Requests":1,"Latency":{latency}'
    if is_fault:
        names, values = (*names, "Faults"), f'{values},"Faults":1'
    if is_cold:
        names, values = (*names, "ColdStarts"), f'{values},"ColdStarts":1'
    if activity.replayed:
        names, values = (*names, "Replays"), f'{values},"Replays":1'
    if activity.conflicts:
        names, values = (*names, "Conflicts"), f'{values},"Conflicts":{activity.conflicts}'
    if activity.read_units:
        names, values = (*names, "ReadUnits"), f'{values},"ReadUnits":{activity.read_units}'
    if activity.write_units:
        names, values = (*names, "WriteUnits"), f'{values},"WriteUnits":{activity.write_units}'
    if activity.outbox_age:
        names, values = (*names, "OutboxAge"), f'{values},"OutboxAge":{activity.outbox_age}'
    return f'{values},"_aws":{{"Timestamp":{now},"CloudWatchMetrics":{_directives(names)}}}'


@lru_cache(maxsize=64)
def _directives(names: tuple[str, ...]) -> str:
    """Return the JSON that tells CloudWatch which members of a line are metrics."""
    by_route = [name for name in names if name in _BY_ROUTE]
    sets = ((["FunctionName"], names), (["FunctionName", "Route"], by_route))
    return msgspec.json.encode(
        [
            {
                "Namespace": _NAMESPACE,
                "Dimensions": [dimensions],
                "Metrics": [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in metrics],
            }
            for dimensions, metrics in sets
        ]
    ).decode()
