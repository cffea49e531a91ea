"""The Terraform directory: Chalice's `chalice.tf.json`, corrected here, and `infra/terraform`.

`infra/terraform/*.tf` has everything that HCL can express, including overrides of Chalice's
resources. Corrected here are Chalice's Swagger document and policy, which are strings in
`chalice.tf.json`, and what current Terraform rejects.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deployment import queries, route_functions
from deployment.dashboard import dashboard
from deployment.gateway_responses import EXTENSION, as_extension, gateway_responses
from deployment.monitored import monitored
from deployment.policy import scoped
from deployment.stages import Stage

SOURCES = Path("infra") / "terraform"

_TABLE_SOURCES = ("table.tf", "table_alarms_override.tf")
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
    monitoring = {"locals": _monitoring(stage, document, per_route=per_route)}
    (directory / "monitoring.tf.json").write_text(_json(monitoring))


def correct(document: dict[str, Any], stage: Stage, *, per_route: bool) -> None:
    """Correct the parts of Chalice's document that cannot be overridden in HCL."""
    # Chalice's constraints exclude current versions of Terraform and the providers, and the null
    # provider is only for a data source that nothing uses. versions.tf has the requirements.
    del document["terraform"]
    del document["data"]["null_data_source"]
    resources = document["resource"]
    for role_policy in resources["aws_iam_role_policy"].values():
        functions = resources["aws_lambda_function"].values()
        role_policy["policy"] = _scoped(role_policy["policy"], stage, functions)
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


def _scoped(policy: str, stage: Stage, functions: Iterable[Mapping[str, Any]]) -> str:
    groups = [f"log-group:/aws/lambda/{function['function_name']}:*" for function in functions]
    parameters = [f"parameter/{name.removeprefix('/')}" for name in stage.parameters]
    resources = {
        "dynamodb": [_TABLE_ARN, f"{_TABLE_ARN}/index/*"] if stage.uses_dynamodb else [],
        "ssm": [_ARN % ("ssm", parameter) for parameter in parameters],
        "logs": [_ARN % ("logs", group) for group in groups],
    }
    # Terraform creates the groups.
    without = frozenset({"logs:CreateLogGroup"})
    return json.dumps(scoped(json.loads(policy), resources, without=without))


def _add_invoke_permissions(permissions: dict[str, Any]) -> None:
    for name in route_functions.FUNCTIONS.values():
        function = {"function_name": f"${{aws_lambda_function.{name}.arn}}"}
        permissions[f"{name}_invoke"] = {**permissions["rest_api_invoke"], **function}


def _variables(stage: Stage, document: Mapping[str, Any]) -> dict[str, object]:
    functions = document["resource"]["aws_lambda_function"]
    permissions = document["resource"]["aws_lambda_permission"]
    called = {entry["function_name"] for entry in permissions.values()}
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
