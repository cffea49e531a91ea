"""The Terraform directory: Chalice's `chalice.tf.json`, corrected here, and `infra/terraform`.

`infra/terraform/*.tf` has everything that HCL can express, including overrides of Chalice's
resources. Corrected here are Chalice's Swagger document and policy, which are strings in
`chalice.tf.json`, and what current Terraform rejects.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployment import event_functions, queries, route_functions
from deployment.dashboard import dashboard
from deployment.gateway_responses import EXTENSION, as_extension, gateway_responses
from deployment.monitored import monitored
from deployment.permissions import Arns, for_api, for_event_function
from deployment.policy import Resources, scoped
from deployment.stages import Stage

SOURCES = Path("infra") / "terraform"

_TABLE_SOURCES = (
    "table.tf",
    "table_alarms_override.tf",
    "events.tf",
    "events_override.tf",
    "event_alarms_override.tf",
)
_TABLE_ARN = "${aws_dynamodb_table.this.arn}"
_ALARMS = (
    "${[for alarm in concat(values(aws_cloudwatch_metric_alarm.this),"
    " values(aws_cloudwatch_metric_alarm.burn), values(aws_cloudwatch_composite_alarm.burn)) :"
    " alarm.arn]}"
)
_ARN = (
    "arn:${data.aws_partition.chalice.partition}:%s:${data.aws_region.chalice.name}"
    ":${data.aws_caller_identity.chalice.account_id}:%s"
)


def complete(directory: Path, stage: Stage, *, per_route: bool) -> None:
    """Complete `directory`, which contains what Chalice generated, so that Terraform accepts it."""
    generated = directory / "chalice.tf.json"
    document = json.loads(generated.read_text())
    correct(document, stage, per_route=per_route)
    generated.write_text(_json(document))
    for source in sorted((stage.root / SOURCES).glob("*.tf")):
        if source.name not in _TABLE_SOURCES or stage.uses_dynamodb:
            shutil.copy(source, directory)
    (directory / "stage.auto.tfvars.json").write_text(_json(_variables(stage, document)))
    if stage.uses_dynamodb:
        (directory / "events.tf.json").write_text(_json({"locals": {"events": _events(stage)}}))
    monitoring = {"locals": _monitoring(stage, document, per_route=per_route)}
    (directory / "monitoring.tf.json").write_text(_json(monitoring))


def correct(document: dict[str, Any], stage: Stage, *, per_route: bool) -> None:
    """Correct the parts of Chalice's document that cannot be overridden in HCL."""
    # Chalice's constraints exclude current versions of Terraform and the providers, and the null
    # provider is only for a data source that nothing uses. versions.tf has the requirements.
    del document["terraform"]
    del document["data"]["null_data_source"]
    resources = document["resource"]
    _scope_roles(resources, stage)
    if stage.uses_dynamodb:
        for name in event_functions.names(stage):
            variables = resources["aws_lambda_function"][name]["environment"]["variables"]
            variables["WEBHOOK_QUEUE_URL"] = "${aws_sqs_queue.webhooks.url}"
        sources = resources["aws_lambda_event_source_mapping"]
        # Lambda refuses a source that the role cannot read yet. An override cannot say so.
        for name, source in event_functions.SOURCES.items():
            sources[source]["depends_on"] = [f"aws_iam_role_policy.{name}_role"]
    for mapping in resources.get("aws_api_gateway_base_path_mapping", {}).values():
        # A reference, so that the mapping depends on the stage.
        mapping["stage_name"] = "${aws_api_gateway_stage.this.stage_name}"
    swagger = json.loads(document["locals"]["chalice_api_swagger"])
    swagger["info"]["title"] = stage.full_name
    swagger[EXTENSION] = as_extension(gateway_responses(stage.settings.cors_origins))
    if per_route:
        route_functions.integrate(
            swagger, lambda name: f"${{aws_lambda_function.{name}.invoke_arn}}"
        )
        _add_invoke_permissions(resources["aws_lambda_permission"])
    document["locals"]["chalice_api_swagger"] = json.dumps(swagger)


def _events(stage: Stage) -> dict[str, object]:
    """Return what `infra/terraform/events.tf` and its overrides use."""
    return {
        "queue": stage.queue,
        "queue_failures": stage.queue_failures,
        "stream_failures": stage.stream_failures,
        "visibility_timeout": event_functions.VISIBILITY_TIMEOUT,
        "retention": event_functions.FOURTEEN_DAYS,
        "max_receives": event_functions.MAX_RECEIVES,
        "slow_stream": event_functions.SLOW_STREAM,
        "stream": event_functions.stream_options(),
        "filters": event_functions.filters(),
        "queue_source": event_functions.queue_options(),
    }


def _scope_roles(resources: Mapping[str, Any], stage: Stage) -> None:
    arns = Arns(
        table=_TABLE_ARN,
        index=f"{_TABLE_ARN}/index/*",
        stream=f"{_TABLE_ARN}/stream/*",
        queue="${aws_sqs_queue.webhooks.arn}",
        stream_failures="${aws_sqs_queue.stream_failures.arn}",
        named=lambda service, resource: _ARN % (service, resource),
        logs=lambda function: _ARN % ("logs", f"log-group:/aws/lambda/{function}:*"),
    )
    functions = {
        name: entry["function_name"] for name, entry in resources["aws_lambda_function"].items()
    }
    own = event_functions.names(stage)
    others = [function for name, function in functions.items() if name not in own]
    policies = resources["aws_iam_role_policy"]
    _scope(policies["default-role"], for_api(stage, arns, others))
    for name in own:
        allowed = for_event_function(name, stage, arns, functions[name])
        _scope(policies[f"{name}_role"], allowed)


def _scope(role_policy: dict[str, Any], resources: Resources) -> None:
    # Terraform creates the groups.
    without = frozenset({"logs:CreateLogGroup"})
    policy = scoped(json.loads(role_policy["policy"]), resources, without=without)
    role_policy["policy"] = json.dumps(policy)


def _add_invoke_permissions(permissions: dict[str, Any]) -> None:
    for name in route_functions.FUNCTIONS.values():
        function = {"function_name": f"${{aws_lambda_function.{name}.arn}}"}
        permissions[f"{name}_invoke"] = {**permissions["rest_api_invoke"], **function}


def _variables(stage: Stage, document: Mapping[str, Any]) -> dict[str, object]:
    functions = document["resource"]["aws_lambda_function"]
    permissions = document["resource"]["aws_lambda_permission"]
    called = {
        entry["function_name"]
        for entry in permissions.values()
        if entry["principal"].startswith("apigateway.")
    }
    return {
        "name": stage.full_name,
        **({"table": stage.table} if stage.uses_dynamodb else {}),
        "api_stage": stage.api_stage,
        "functions": {name: entry["function_name"] for name, entry in functions.items()},
        "called_functions": sorted(
            entry["function_name"]
            for name, entry in functions.items()
            if f"${{aws_lambda_function.{name}.arn}}" in called
        ),
        "event_functions": [
            functions[name]["function_name"] for name in event_functions.names(stage)
        ],
    }


def _monitoring(stage: Stage, document: Mapping[str, Any], *, per_route: bool) -> dict[str, Any]:
    """Return the dashboard's body and the queries that `infra/terraform/monitoring.tf` uses."""
    swagger = json.loads(document["locals"]["chalice_api_swagger"])
    functions = document["resource"]["aws_lambda_function"]
    names = {entry["function_name"]: name for name, entry in functions.items()}
    watched = monitored(stage, swagger, names, per_route=per_route)
    return {
        "dashboard": dashboard(watched, "${data.aws_region.chalice.name}", _ALARMS),
        "queries": {
            title: {
                "log_groups": [
                    f'${{aws_cloudwatch_log_group.functions["{names[function]}"].name}}'
                    for function in logs.functions(watched)
                ]
                or ["${aws_cloudwatch_log_group.access.name}"],
                "query": query,
            }
            for title, (logs, query) in queries.for_storage(watched).items()
        },
    }


def _json(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"
