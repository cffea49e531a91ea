"""Powertools without validation, with its Logger and Metrics around each request."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from benchmarks.peers.powertools_plain import app

logger = Logger(service="users")
metrics = Metrics(namespace="Users", service="users")


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle an event, log one line, and count the request and its kind of status."""
    response = app.resolve(event, context)
    metrics.add_metric(name="Requests", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="Faults", unit=MetricUnit.Count, value=response["statusCode"] >= 500)  # noqa: PLR2004 - a server's error
    logger.info(
        "request",
        extra={
            "method": event["httpMethod"],
            "route": event["resource"],
            "status": response["statusCode"],
        },
    )
    return response
