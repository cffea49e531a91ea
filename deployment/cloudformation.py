"""The CloudFormation template: Chalice's, merged with `.chalice/resources.yaml` and completed here.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html
"""

import json
from typing import Any

from deployment import event_functions, queries, route_functions
from deployment.alarms import (
    as_dimensions,
    error_alarms,
    outbox_alarms,
    stream_alarms,
    table_alarms,
    throttle_alarms,
)
from deployment.burn_alarms import burn_alarms
from deployment.dashboard import dashboard
from deployment.gateway_responses import EXTENSION, as_extension, gateway_responses
from deployment.monitored import Monitored, monitored
from deployment.permissions import Arns, for_api, for_event_function
from deployment.policy import Resources, scoped
from deployment.snapstart import use_alias
from deployment.stages import Stage

_FUNCTION = "AWS::Serverless::Function"
_HANDLER = "APIHandler"
_ACCESS_LOGS = "AccessLogs"
_QUEUE, _QUEUE_FAILURES, _STREAM_FAILURES = "WebhookQueue", "WebhookFailures", "StreamFailures"
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
        _complete_events(resources, stage)
    else:
        for name in ("Table", _QUEUE, _QUEUE_FAILURES, _STREAM_FAILURES):
            del resources[name]
        for name in ("TableName", "WebhookQueueUrl"):
            del template["Outputs"][name]
        resources |= outbox_alarms(_logical_id(event_functions.OUTBOX))
    resources |= error_alarms(_logical_id(name) for name in event_functions.names(stage))
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
    _scope_roles(resources, stage)


def _complete_events(resources: Template, stage: Stage) -> None:
    """Name the queues, and say of the event sources what Chalice cannot."""
    for name, queue in (
        (_QUEUE, stage.queue),
        (_QUEUE_FAILURES, stage.queue_failures),
        (_STREAM_FAILURES, stage.stream_failures),
    ):
        resources[name]["Properties"] |= {
            "QueueName": queue,
            "MessageRetentionPeriod": event_functions.FOURTEEN_DAYS,
        }
    resources[_QUEUE]["Properties"] |= {
        "VisibilityTimeout": event_functions.VISIBILITY_TIMEOUT,
        "RedrivePolicy": {
            "deadLetterTargetArn": {"Fn::GetAtt": [_QUEUE_FAILURES, "Arn"]},
            "maxReceiveCount": event_functions.MAX_RECEIVES,
        },
    }
    relay, send = (resources[_logical_id(name)] for name in event_functions.names(stage))
    for function in (relay, send):
        variables = function["Properties"]["Environment"]["Variables"]
        variables["WEBHOOK_QUEUE_URL"] = {"Ref": _QUEUE}
    [stream] = relay["Properties"]["Events"].values()
    failures = {"Type": "SQS", "Destination": {"Fn::GetAtt": [_STREAM_FAILURES, "Arn"]}}
    stream["Properties"] |= {
        **event_functions.stream_options(),
        "Stream": {"Fn::GetAtt": ["Table", "StreamArn"]},
        "DestinationConfig": {"OnFailure": failures},
    }
    [queue_source] = send["Properties"]["Events"].values()
    queue_source["Properties"] |= {
        **event_functions.queue_options(),
        "Queue": {"Fn::GetAtt": [_QUEUE, "Arn"]},
    }
    failed = (_QUEUE_FAILURES, _STREAM_FAILURES)
    names = (_logical_id(event_functions.RELAY), _logical_id(event_functions.SEND))
    resources |= stream_alarms(*names, failed)


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


def _scope_roles(resources: Template, stage: Stage) -> None:
    """Restrict the roles to the table, the stage's parameters, the queues and the log groups."""
    arn = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:%s"
    arns = Arns(
        table={"Fn::Sub": "${Table.Arn}"},
        index={"Fn::Sub": "${Table.Arn}/index/*"},
        stream={"Fn::Sub": "${Table.Arn}/stream/*"},
        queue={"Fn::GetAtt": [_QUEUE, "Arn"]},
        stream_failures={"Fn::GetAtt": [_STREAM_FAILURES, "Arn"]},
        named=lambda service, resource: {"Fn::Sub": arn % (service, resource)},
        logs=lambda name: {"Fn::GetAtt": [f"{name}Logs", "Arn"]},
    )
    own = {_logical_id(name): name for name in event_functions.names(stage)}
    others = [name for name in _functions(resources) if name not in own]
    _scope(resources["DefaultRole"], for_api(stage, arns, others))
    for logical_id, name in own.items():
        role = resources[f"{logical_id}Role"]
        _scope(role, for_event_function(name, stage, arns, logical_id))


def _scope(role: Template, resources: Resources) -> None:
    [policy] = role["Properties"]["Policies"]
    policy["PolicyDocument"] = scoped(
        policy["PolicyDocument"],
        resources,
        # The stack creates the groups.
        without=frozenset({"logs:CreateLogGroup"}),
    )
