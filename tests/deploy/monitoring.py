"""What a deployed stage has for monitoring."""

import json

from deployment.queries import QUERIES
from tests.deploy.cloud import Cloud


def assert_is_monitored(cloud: Cloud, name: str) -> None:
    """Check that the stage has its dashboard, its queries and its composite alarms.

    The emulator keeps them as they were sent, but does not evaluate them.
    """
    cloudwatch, region = cloud.client("cloudwatch"), cloud.variables["AWS_DEFAULT_REGION"]
    body = cloudwatch.get_dashboard(DashboardName=f"{name}-{region}")["DashboardBody"]
    assert "${" not in body
    widgets = json.loads(body)["widgets"]
    assert {widget["properties"].get("region", region) for widget in widgets} == {region}

    saved = cloud.client("logs").describe_query_definitions()["queryDefinitions"]
    assert {query["name"] for query in saved} == {f"{name}/{title}" for title in QUERIES}

    kinds = ["MetricAlarm", "CompositeAlarm"]
    alarms = cloudwatch.describe_alarms(AlarmTypes=kinds)
    assert len(alarms["CompositeAlarms"]) == 2
    [shown] = [widget for widget in widgets if widget["type"] == "alarm"]
    assert sorted(shown["properties"]["alarms"]) == sorted(
        alarm["AlarmArn"] for kind in kinds for alarm in alarms[f"{kind}s"]
    )
