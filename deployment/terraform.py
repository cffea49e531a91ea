"""The Terraform directory: Chalice's `chalice.tf.json`, corrected here, beside `infra/terraform`.

What HCL can say is said in `infra/terraform/*.tf`, its overrides of Chalice's resources included.
Left for here are the inside of Chalice's Swagger document and policy, which are texts in
`chalice.tf.json`, and what Terraform no longer accepts.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deployment import founding_routes
from deployment.gateway_responses import EXTENSION, as_extension, gateway_responses
from deployment.policy import scoped
from deployment.stages import Stage

SOURCES = Path("infra") / "terraform"

_TABLE_SOURCE = "table.tf"
_TABLE = "${aws_dynamodb_table.this.arn}"
_ARN = (
    "arn:${data.aws_partition.chalice.partition}:%s:${data.aws_region.chalice.name}"
    ":${data.aws_caller_identity.chalice.account_id}:%s"
)


def finish(directory: Path, stage: Stage, *, per_route: bool) -> None:
    """Make `directory`, which holds what Chalice made, one that Terraform accepts as it is."""
    generated = directory / "chalice.tf.json"
    document = json.loads(generated.read_text())
    correct(document, stage, per_route=per_route)
    generated.write_text(_json(document))
    for source in sorted((stage.root / SOURCES).glob("*.tf")):
        if source.name != _TABLE_SOURCE or stage.uses_dynamodb:
            shutil.copy(source, directory)
    (directory / "stage.auto.tfvars.json").write_text(_json(_variables(stage, document)))


def correct(document: dict[str, Any], stage: Stage, *, per_route: bool) -> None:
    """Change what Chalice wrote where it cannot be overridden."""
    # Its constraints shut out every current Terraform and provider, and the null provider is
    # there for a data source that nothing reads: versions.tf says what is needed.
    del document["terraform"]
    del document["data"]["null_data_source"]
    resources = document["resource"]
    for named in resources["aws_iam_role_policy"].values():
        functions = resources["aws_lambda_function"].values()
        named["policy"] = _scoped(named["policy"], stage, functions)
    for mapping in resources.get("aws_api_gateway_base_path_mapping", {}).values():
        # By reference, so that it waits for the stage, which is no part of the deployment.
        mapping["stage_name"] = "${aws_api_gateway_stage.this.stage_name}"
    swagger = json.loads(document["locals"]["chalice_api_swagger"])
    swagger["info"]["title"] = stage.full_name
    swagger[EXTENSION] = as_extension(gateway_responses(stage.settings.cors_origins))
    if per_route:
        founding_routes.route_to_own_functions(
            swagger, lambda name: f"${{aws_lambda_function.{name}.invoke_arn}}"
        )
        _permit_routes(resources["aws_lambda_permission"])
    document["locals"]["chalice_api_swagger"] = json.dumps(swagger)


def _scoped(policy: str, stage: Stage, functions: Iterable[Mapping[str, Any]]) -> str:
    groups = [f"log-group:/aws/lambda/{function['function_name']}:*" for function in functions]
    parameters = [f"parameter/{name.removeprefix('/')}" for name in stage.parameters]
    resources = {
        "dynamodb": [_TABLE, f"{_TABLE}/index/*"] if stage.uses_dynamodb else [],
        "ssm": [_ARN % ("ssm", parameter) for parameter in parameters],
        "logs": [_ARN % ("logs", group) for group in groups],
    }
    # The groups are resources of the directory's.
    without = frozenset({"logs:CreateLogGroup"})
    return json.dumps(scoped(json.loads(policy), resources, without=without))


def _permit_routes(permissions: dict[str, Any]) -> None:
    for name in founding_routes.FUNCTIONS.values():
        own = {"function_name": f"${{aws_lambda_function.{name}.arn}}"}
        permissions[f"{name}_invoke"] = {**permissions["rest_api_invoke"], **own}


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


def _json(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"
