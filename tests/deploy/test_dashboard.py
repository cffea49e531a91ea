"""The dashboard's body and the queries: their shape, by AWS's documentation."""

import json
import re
from dataclasses import replace

import pytest

from deployment.dashboard import Widget, dashboard
from deployment.monitored import Monitored
from deployment.queries import QUERIES, for_storage
from tests.deploy.full_line import FUNCTION, full_line

STAGE = Monitored(
    name=FUNCTION,
    api_stage="prod",
    routes={"GET /users": "shop-prod", "POST /users": "shop-prod-createUserLambda"},
    functions=("shop-prod", "shop-prod-createUserLambda", "shop-prod-tokens"),
    called=("shop-prod", "shop-prod-createUserLambda"),
    authorizer="shop-prod-tokens",
    event_functions=("shop-prod-relayEvents", "shop-prod-sendWebhooks"),
    queues=("shop-prod-webhooks", "shop-prod-webhooks-failures", "shop-prod-stream-failures"),
    table="shop-prod",
)
REGION = "eu-central-1"
ALARMS = [f"arn:aws:cloudwatch:{REGION}:123456789012:alarm:one"]
LINE = full_line()


def widgets(stage: Monitored = STAGE) -> list[Widget]:
    """Return the widgets of a stage's dashboard."""
    body = json.loads(json.dumps(dashboard(stage, REGION, ALARMS)))
    found: list[Widget] = body["widgets"]
    return found


def titled(title: str) -> Widget:
    """Return the properties of the widget with a title."""
    [found] = [one["properties"] for one in widgets() if one["properties"]["title"] == title]
    properties: Widget = found
    return properties


def test_the_widgets_have_the_documented_properties() -> None:
    """Each widget has the properties that AWS requires of its type, and none that it does not know.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    required = {
        "alarm": {"alarms", "title"},
        "log": {"query", "region", "title", "view"},
        "metric": {"metrics", "period", "region", "stat", "title", "view"},
    }
    for widget in widgets():
        assert widget.keys() == {"type", "x", "y", "width", "height", "properties"}
        names = widget["properties"].keys() - {"annotations"}
        assert names == required[widget["type"]], widget


def test_the_widgets_fill_the_grid() -> None:
    """The widgets lie in the grid of 24 columns, and cover each cell once."""
    cells = [
        (x, y)
        for one in widgets()
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    rows = max(y for _, y in cells) + 1
    assert sorted(cells) == [(x, y) for x in range(24) for y in range(rows)]


def test_the_metrics_have_the_documented_form() -> None:
    """A metric is a namespace, a name, pairs of dimensions and options; or an expression."""
    for widget in widgets():
        ids = []
        for metric in widget["properties"].get("metrics", []):
            *names, options = metric if isinstance(metric[-1], dict) else [*metric, {}]
            ids += [options["id"]] if "id" in options else []
            if "expression" in options:
                assert names == []
            else:
                assert len(names) >= 4
                assert len(names) % 2 == 0
                assert all(isinstance(name, str) for name in names)
        assert len(ids) == len(set(ids))
        assert all(re.fullmatch("[a-z][a-z0-9_]*", one) for one in ids)


def test_totals_cover_every_function() -> None:
    """Faults, conflicts and replays are summed over all functions, however they are called."""
    metrics = titled("Faults, conflicts and replays")["metrics"]
    expressions = [one[0]["expression"] for one in metrics if len(one) == 1]
    assert expressions == [
        'SUM(FILL(METRICS("faults"), 0))',
        'SUM(FILL(METRICS("conflicts"), 0))',
        'SUM(FILL(METRICS("replays"), 0))',
    ]
    for name in ("Faults", "Conflicts", "Replays"):
        of = {one[3]: one[4]["id"] for one in metrics if len(one) == 5 and one[1] == name}
        assert of.keys() == set(STAGE.functions)
        assert all(name.lower() in one for one in of.values())


def test_each_route_is_measured_at_its_function() -> None:
    """The metrics of a route are those of the function that API Gateway calls for it."""
    for title in ("Requests by route", "Faults by route", "Latency by route, p99, in milliseconds"):
        for metric in titled(title)["metrics"]:
            assert metric[0] == "UserManagement"
            assert STAGE.routes[metric[5]] == metric[3]
            assert metric[2::2] == ["FunctionName", "Route", *metric[6:]]


def test_events_that_wait_or_fail_are_shown() -> None:
    """Of the functions of events their failures, and of queues and stream what waits, how long."""
    failures = titled("Events: failures")["metrics"]
    assert {(one[0], one[1], one[3]) for one in failures} == {
        (namespace, metric, function)
        for namespace, metric in (("AWS/Lambda", "Errors"), ("UserManagement", "Faults"))
        for function in STAGE.event_functions
    }
    messages = titled("Events: messages in the queues")
    assert messages["stat"] == "Maximum"
    assert {one[3] for one in messages["metrics"]} == set(STAGE.queues)
    ages = titled("Events: age of the oldest")
    assert ages["stat"] == "Maximum"
    assert [one[:4] for one in ages["metrics"]] == [
        ["AWS/Lambda", "IteratorAge", "FunctionName", "shop-prod-relayEvents"],
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "shop-prod-webhooks"],
    ]


def test_the_functions_write_these_metrics() -> None:
    """Each metric of the functions is written in the namespace and with the dimensions shown."""
    written = {
        (directive["Namespace"], metric["Name"], *sorted(dimensions))
        for directive in LINE["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    }
    assert LINE["Route"] in STAGE.routes
    shown = [metric for one in widgets() for metric in one["properties"].get("metrics", [])]
    own = {
        (metric[0], metric[1], *sorted(name for name in metric[2::2] if isinstance(name, str)))
        for metric in shown
        if metric[0] == "UserManagement"
    }
    assert own
    # The first start of a process is one of the line's metrics, so this has all of them.
    assert own <= written


def test_a_stage_without_a_table_has_no_widgets_about_one() -> None:
    """On PostgreSQL nothing is shown of DynamoDB, and no query asks for capacity."""
    outbox = ("shop-prod-relayOutbox",)
    stage = replace(STAGE, table=None, event_functions=outbox, queues=())
    text = json.dumps(widgets(stage))
    assert "DynamoDB" in json.dumps(widgets())
    assert "DynamoDB" not in text
    assert "storage.write_units" not in text
    assert "SQS" not in text
    assert "IteratorAge" not in text
    assert "shop-prod-relayOutbox" in text
    assert "OutboxAge" in text
    assert "OutboxAge" in LINE
    assert QUERIES.keys() - for_storage(stage) == {"Capacity by route"}


@pytest.mark.parametrize("title", QUERIES)
def test_queries_use_fields_that_exist(title: str) -> None:
    """Each quoted field is one that the functions write, and names with dots are quoted."""
    query = QUERIES[title][1]
    quoted = set(re.findall("`([^`]*)`", query))
    assert quoted <= LINE.keys()
    bare = re.sub('`[^`]*`|"[^"]*"', "", query)
    assert not re.search(r"[a-z]\.[a-z]", bare)
    commands = [part.split()[0] for part in query.split("\n| ")]
    assert set(commands) <= {"fields", "filter", "limit", "sort", "stats"}


@pytest.mark.parametrize("title", QUERIES)
def test_queries_are_within_the_limits(title: str) -> None:
    """Names and queries have at most 255 and 10,000 characters.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
    """
    assert len(f"a-project-with-a-long-name-{'x' * 64}/{title}") <= 255
    assert len(QUERIES[title][1]) <= 10_000


def test_the_dashboard_is_within_the_limits() -> None:
    """The dashboard has at most 500 widgets, 500 metrics in each, and 2,500 in all.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
    """
    counts = [len(one["properties"].get("metrics", [])) for one in widgets()]
    assert len(counts) <= 500
    assert max(counts) <= 500
    assert sum(counts) <= 2_500
