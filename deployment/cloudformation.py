"""The CloudFormation template: Chalice's, merged with `.chalice/resources.yaml` and completed here.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html
"""

import json
from typing import Any

from deployment import queries, route_functions
from deployment.alarms import as_dimensions, table_alarms, throttle_alarms
from deployment.burn_alarms import burn_alarms
from deployment.dashboard import dashboard
from deployment.gateway_responses import EXTENSION, as_extension, gateway_responses
from deployment.monitored import Monitored, monitored
from deployment.policy import scoped
from deployment.snapstart import use_alias
from deployment.stages import Stage

_FUNCTION = "AWS::Serverless::Function"
_HANDLER = "APIHandler"
_ACCESS_LOGS = "AccessLogs"
_ALARMS = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
_URI = (
    "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31"
    "/functions/${%s.Arn}/invocations"
)

Template = dict[str, Any]


def complete(template: Template, stage: Stage, *, per_route: bool, snapstart: bool) -> None:
    """Add to `template` what depends on its routes and functions, and on the stage."""
    resources = template["Resources"]
    if stage.uses_dynamodb:
        resources["Table"]["Properties"]["TableName"] = stage.table
        resources |= table_alarms({"Ref": "Table"})
    else:
        del resources["Table"]
        del template["Outputs"]["TableName"]
    api = resources["RestAPI"]["Properties"]
    swagger = api["DefinitionBody"]
    swagger["info"]["title"] = stage.full_name
    swagger[EXTENSION] = as_extension(gateway_responses(stage.settings.cors_origins))
    _name_functions(resources, stage)
    if per_route:
        route_functions.integrate(swagger, lambda name: {"Fn::Sub": _URI % _logical_id(name)})
        _add_invoke_permissions(resources)
    called = _called_by_gateway(resources)
    if snapstart:
        use_alias(resources, called)
    _add_alarms(resources, stage, called)
    names = [resources[name]["Properties"]["FunctionName"] for name in _functions(resources)]
    watched = monitored(stage, swagger, names, per_route=per_route)
    _add_queries(resources, watched)
    _add_dashboard(resources, watched)
    _scope_role(resources, stage)


def _logical_id(name: str) -> str:
    return name[0].upper() + name[1:]


def _functions(resources: Template) -> list[str]:
    return sorted(name for name, entry in resources.items() if entry["Type"] == _FUNCTION)


def _name_functions(resources: Template, stage: Stage) -> None:
    """Name the functions as `chalice deploy` does, and add a log group for each."""
    for logical_id in _functions(resources):
        suffix = "" if logical_id == _HANDLER else f"-{logical_id[0].lower()}{logical_id[1:]}"
        name = f"{stage.full_name}{suffix}"
        resources[logical_id]["Properties"]["FunctionName"] = name
        resources[f"{logical_id}Logs"] = {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "LogGroupName": f"/aws/lambda/{name}",
                "RetentionInDays": {"Ref": "LogRetentionInDays"},
            },
        }


def _add_invoke_permissions(resources: Template) -> None:
    handler = resources[f"{_HANDLER}InvokePermission"]
    for name in route_functions.FUNCTIONS.values():
        function = {"FunctionName": {"Fn::GetAtt": [_logical_id(name), "Arn"]}}
        resources[f"{_logical_id(name)}InvokePermission"] = {
            **handler,
            "Properties": {**handler["Properties"], **function},
        }


def _called_by_gateway(resources: Template) -> list[str]:
    suffix = "InvokePermission"
    return sorted(name.removesuffix(suffix) for name in resources if name.endswith(suffix))


def _add_alarms(resources: Template, stage: Stage, called: list[str]) -> None:
    api: dict[str, object] = {"ApiName": stage.full_name, "Stage": stage.api_stage}
    for name in ("ServerErrors", "SlowResponses"):
        resources[name]["Properties"]["Dimensions"] = as_dimensions(api)
    resources |= throttle_alarms(called)
    resources |= burn_alarms(api)


def _add_queries(resources: Template, watched: Monitored) -> None:
    groups = {
        resources[name]["Properties"]["FunctionName"]: f"{name}Logs"
        for name in _functions(resources)
    }
    for title, (logs, query) in queries.for_storage(watched).items():
        names = [groups[function] for function in logs.functions(watched)] or [_ACCESS_LOGS]
        resources[f"{title.title().replace(' ', '')}Query"] = {
            "Type": "AWS::Logs::QueryDefinition",
            "Properties": {
                # The console shows the part before the slash as a folder.
                "Name": f"{watched.name}/{title}",
                # References, because the groups have to exist before the query.
                "LogGroupNames": [{"Ref": name} for name in names],
                "QueryString": query,
            },
        }


def _add_dashboard(resources: Template, watched: Monitored) -> None:
    alarms = sorted(name for name, entry in resources.items() if entry["Type"] in _ALARMS)
    body = dashboard(watched, "${AWS::Region}", [f"${{{name}.Arn}}" for name in alarms])
    resources["Dashboard"] = {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            # Dashboards belong to the account, and the stack may be in several Regions.
            "DashboardName": {"Fn::Sub": f"{watched.name}-${{AWS::Region}}"},
            "DashboardBody": {"Fn::Sub": json.dumps(body)},
        },
    }


def _scope_role(resources: Template, stage: Stage) -> None:
    """Restrict the functions' role to the table, the stage's parameters and the log groups."""
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
        # The stack creates the groups.
        without=frozenset({"logs:CreateLogGroup"}),
    )
