"""The CloudFormation template: Chalice's, merged with `.chalice/resources.yaml`, and finished here.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html
"""

from typing import Any

from deployment import founding_routes
from deployment.alarms import dimensions_of, table_errors, throttles
from deployment.gateway_responses import EXTENSION, as_extension, gateway_responses
from deployment.policy import scoped
from deployment.snapstart import use_alias
from deployment.stages import Stage

_FUNCTION = "AWS::Serverless::Function"
_HANDLER = "APIHandler"
_URI = (
    "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31"
    "/functions/${%s.Arn}/invocations"
)

Template = dict[str, Any]


def finish(template: Template, stage: Stage, *, per_route: bool, snapstart: bool) -> None:
    """Add to `template` what follows from its routes and functions, and from the stage."""
    resources = template["Resources"]
    if stage.uses_dynamodb:
        resources["Table"]["Properties"]["TableName"] = stage.table
        resources |= table_errors({"Ref": "Table"})
    else:
        del resources["Table"]
        del template["Outputs"]["TableName"]
    api = resources["RestAPI"]["Properties"]
    swagger = api["DefinitionBody"]
    swagger["info"]["title"] = stage.full_name
    swagger[EXTENSION] = as_extension(gateway_responses(stage.settings.cors_origins))
    _name_functions(resources, stage)
    if per_route:
        founding_routes.route_to_own_functions(
            swagger, lambda name: {"Fn::Sub": _URI % _logical(name)}
        )
        _permit_routes(resources)
    called = _called_by_gateway(resources)
    if snapstart:
        use_alias(resources, called)
    _set_alarms(resources, stage, called)
    _scope_role(resources, stage)


def _logical(name: str) -> str:
    return name[0].upper() + name[1:]


def _functions(resources: Template) -> list[str]:
    return sorted(name for name, entry in resources.items() if entry["Type"] == _FUNCTION)


def _name_functions(resources: Template, stage: Stage) -> None:
    """Give the functions the names that `chalice deploy` gives them, and each its log group."""
    for logical in _functions(resources):
        own = "" if logical == _HANDLER else f"-{logical[0].lower()}{logical[1:]}"
        name = f"{stage.full_name}{own}"
        resources[logical]["Properties"]["FunctionName"] = name
        resources[f"{logical}Logs"] = {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "LogGroupName": f"/aws/lambda/{name}",
                "RetentionInDays": {"Ref": "LogRetentionInDays"},
            },
        }


def _permit_routes(resources: Template) -> None:
    handler = resources[f"{_HANDLER}InvokePermission"]
    for name in founding_routes.FUNCTIONS.values():
        own = {"FunctionName": {"Fn::GetAtt": [_logical(name), "Arn"]}}
        resources[f"{_logical(name)}InvokePermission"] = {
            **handler,
            "Properties": {**handler["Properties"], **own},
        }


def _called_by_gateway(resources: Template) -> list[str]:
    suffix = "InvokePermission"
    return sorted(name.removesuffix(suffix) for name in resources if name.endswith(suffix))


def _set_alarms(resources: Template, stage: Stage, called: list[str]) -> None:
    api = dimensions_of({"ApiName": stage.full_name, "Stage": stage.api_stage})
    for name in ("ServerErrors", "SlowAnswers"):
        resources[name]["Properties"]["Dimensions"] = api
    resources |= throttles(called)


def _scope_role(resources: Template, stage: Stage) -> None:
    """Narrow the functions' role to the table, the stage's parameters and the log groups."""
    table = [{"Fn::Sub": "${Table.Arn}"}, {"Fn::Sub": "${Table.Arn}/index/*"}]
    parameter = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter"
    groups = [f"{name}Logs" for name in _functions(resources)]
    [policy] = resources["DefaultRole"]["Properties"]["Policies"]
    policy["PolicyDocument"] = scoped(
        policy["PolicyDocument"],
        {
            "dynamodb": table if stage.uses_dynamodb else [],
            "ssm": [
                {"Fn::Sub": f"{parameter}/{name.removeprefix('/')}"} for name in stage.parameters
            ],
            "logs": [{"Fn::GetAtt": [name, "Arn"]} for name in groups],
        },
        # The groups are the stack's.
        without=frozenset({"logs:CreateLogGroup"}),
    )
