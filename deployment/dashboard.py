"""The dashboard of a stage: requests, routes, functions, events, storage, tokens, latest faults.

Metrics in the namespace `UserManagement` come from the lines that the functions write, and only
those that are not zero.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Iterable
from typing import Any

from deployment.burn_alarms import BUDGET, BURNS
from deployment.monitored import Monitored
from deployment.queries import CAPACITY, CLIENT_ERRORS, FAULTS, QUERIES, REFUSED, with_source

_NAMESPACE = "UserManagement"
_COLUMNS = 24
_HEIGHT = 6
_PERIOD = 60

Widget = dict[str, Any]
Metric = list[object]


def dashboard(stage: Monitored, region: str, alarms: object) -> dict[str, object]:
    """Return the dashboard's body.

    `region` and `alarms`, a list of ARNs, may be references in the target's syntax.
    """
    rows = [
        [{"type": "alarm", "properties": {"title": "Alarms", "alarms": alarms}}],
        _api(stage),
        _traffic_by_route(stage),
        _latency_by_route(stage),
        _application(stage),
        _functions(stage),
        _events(stage),
        *([_table(stage, stage.table)] if stage.table else []),
        [_query(stage, CLIENT_ERRORS), _query(stage, REFUSED)],
        [_query(stage, FAULTS)],
    ]
    return {"start": "-PT3H", "periodOverride": "auto", "widgets": _placed(rows, region)}


def _placed(rows: Iterable[list[Widget]], region: str) -> list[Widget]:
    """Place each row below the one before, with widgets of equal width."""
    widgets = []
    for number, row in enumerate(rows):
        width = _COLUMNS // len(row)
        for column, widget in enumerate(row):
            place = {"x": column * width, "y": number * _HEIGHT, "width": width, "height": _HEIGHT}
            of_region = {} if widget["type"] == "alarm" else {"region": region}
            properties = {**widget["properties"], **of_region}
            widgets.append({"type": widget["type"], **place, "properties": properties})
    return widgets


def _api(stage: Monitored) -> list[Widget]:
    api = ["ApiName", stage.name, "Stage", stage.api_stage]
    errors: list[Metric] = [
        ["AWS/ApiGateway", name, *api, {"label": label}]
        for name, label in (("4XXError", "4xx"), ("5XXError", "5xx"))
    ]
    return [
        _graph(
            "Requests",
            [["AWS/ApiGateway", "Count", *api, {"label": "all", "stat": "SampleCount"}], *errors],
        ),
        _graph(
            f"Share of 5xx (objective: {1 - BUDGET:.1%})",
            [["AWS/ApiGateway", "5XXError", *api, {"label": "5xx", "stat": "Average"}]],
            annotations={
                "horizontal": [
                    {"label": f"burn rate {burn.rate:g}", "value": burn.threshold} for burn in BURNS
                ]
            },
        ),
        _graph(
            "Latency in milliseconds",
            [
                ["AWS/ApiGateway", "Latency", *api, {"label": stat, "stat": stat}]
                for stat in ("p50", "p95", "p99")
            ],
        ),
    ]


def _traffic_by_route(stage: Monitored) -> list[Widget]:
    return [
        # Each request has one latency.
        _by_route(stage, "Requests by route", "Latency", "SampleCount"),
        _by_route(stage, "Faults by route", "Faults", "Sum"),
    ]


def _latency_by_route(stage: Monitored) -> list[Widget]:
    return [
        _by_route(stage, f"Latency by route, {stat}, in milliseconds", "Latency", stat)
        for stat in ("p50", "p95", "p99")
    ]


def _by_route(stage: Monitored, title: str, metric: str, stat: str) -> Widget:
    return _graph(
        title,
        [
            [_NAMESPACE, metric, "FunctionName", function, "Route", route, {"label": route}]
            for route, function in stage.routes.items()
        ],
        stat=stat,
    )


def _application(stage: Monitored) -> list[Widget]:
    return [
        _totals(stage, "Faults, conflicts and replays", ("Faults", "Conflicts", "Replays")),
        _totals(stage, "Cold starts", ("ColdStarts",)),
        _graph(
            "Authorizer",
            [
                [
                    *("AWS/Lambda", metric, "FunctionName", stage.authorizer),
                    {"label": label, "stat": stat, "yAxis": axis},
                ]
                for metric, stat, label, axis in (
                    ("Invocations", "Sum", "invocations", "left"),
                    ("Errors", "Sum", "errors", "left"),
                    ("Duration", "p95", "p95, in milliseconds", "right"),
                )
            ],
        ),
    ]


def _totals(stage: Monitored, title: str, names: Iterable[str]) -> Widget:
    """Return the sums of metrics over all functions."""
    metrics: list[Metric] = []
    for name in names:
        part = name.lower()
        expression = f'SUM(FILL(METRICS("{part}"), 0))'
        metrics.append([{"expression": expression, "label": name, "id": f"sum_{name}".lower()}])
        metrics += [
            [_NAMESPACE, name, "FunctionName", function, {"id": f"{part}{n}", "visible": False}]
            for n, function in enumerate(stage.functions)
        ]
    return _graph(title, metrics)


def _functions(stage: Monitored) -> list[Widget]:
    return [
        _graph(
            f"Lambda: {title}",
            [
                ["AWS/Lambda", metric, "FunctionName", function, {"label": function}]
                for function in (*stage.called, stage.authorizer)
            ],
            stat=stat,
        )
        for title, metric, stat in (
            ("errors", "Errors", "Sum"),
            ("throttles", "Throttles", "Sum"),
            ("concurrent executions", "ConcurrentExecutions", "Maximum"),
        )
    ]


def _events(stage: Monitored) -> list[Widget]:
    failures: list[Metric] = [
        [namespace, metric, "FunctionName", function, {"label": f"{function}: {label}"}]
        for function in stage.event_functions
        for namespace, metric, label in (
            ("AWS/Lambda", "Errors", "as a whole"),
            (_NAMESPACE, "Faults", "in part"),
        )
    ]
    return [
        _graph("Events: failures", failures),
        *(
            _waiting(stage.event_functions[0], *stage.queues)
            if stage.queues
            else [_outbox(stage.event_functions[0])]
        ),
    ]


def _outbox(relay: str) -> Widget:
    age: Metric = [_NAMESPACE, "OutboxAge", "FunctionName", relay, {"label": "outbox, in seconds"}]
    return _graph("Events: age of the oldest", [age], stat="Maximum")


def _waiting(relay: str, queue: str, *failures: str) -> list[Widget]:
    """Return what waits in the stream and in the queues."""
    messages: list[Metric] = [
        ["AWS/SQS", metric, "QueueName", name, {"label": label}]
        for metric, name, label in (
            ("ApproximateNumberOfMessagesVisible", queue, "due"),
            ("ApproximateNumberOfMessagesNotVisible", queue, "being sent, or waiting"),
            *(("ApproximateNumberOfMessagesVisible", name, name) for name in failures),
        )
    ]
    ages: list[Metric] = [
        [
            *("AWS/Lambda", "IteratorAge", "FunctionName", relay),
            {"label": "stream, in milliseconds", "yAxis": "left"},
        ],
        [
            *("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue),
            {"label": "queue, in seconds", "yAxis": "right"},
        ],
    ]
    return [
        _graph("Events: messages in the queues", messages, stat="Maximum"),
        _graph("Events: age of the oldest", ages, stat="Maximum"),
    ]


def _table(stage: Monitored, table: str) -> list[Widget]:
    metrics: list[Metric] = [
        ["AWS/DynamoDB", metric, "TableName", table, {"label": label, "yAxis": axis}]
        for metric, label, axis in (
            ("ConsumedReadCapacityUnits", "read units", "left"),
            ("ConsumedWriteCapacityUnits", "write units", "left"),
            ("ReadThrottleEvents", "throttled reads", "right"),
            ("WriteThrottleEvents", "throttled writes", "right"),
        )
    ]
    return [_graph("Table: capacity and throttling", metrics), _query(stage, CAPACITY)]


def _graph(title: str, metrics: list[Metric], stat: str = "Sum", **properties: object) -> Widget:
    common = {"title": title, "view": "timeSeries", "stat": stat, "period": _PERIOD}
    return {"type": "metric", "properties": {**common, "metrics": metrics, **properties}}


def _query(stage: Monitored, title: str) -> Widget:
    logs, query = QUERIES[title]
    query = with_source(logs.functions(stage), query)
    return {"type": "log", "properties": {"title": title, "view": "table", "query": query}}
