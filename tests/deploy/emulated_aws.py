"""ministack, extended by what it lacks of API Gateway, CloudWatch and Lambda.

ministack imports Swagger only for CloudFormation, and without gateway responses. It has no query
definitions, its CloudFormation has no composite alarms, and its alarms have no metric math: here
these are stored, but never evaluated. Of a batch of a stream's records that fails in part, it would
forget those that failed: here the whole batch comes again, as it may on AWS. It asks for actions
that IAM does not have where SQS's requests are batches, and knows no partition in the conditions of
policies. Run this with ministack's own interpreter and environment variables.
https://docs.aws.amazon.com/apigateway/latest/api/API_ImportRestApi.html
https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html
https://docs.aws.amazon.com/apigateway/latest/api/API_FlushStageAuthorizersCache.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html
"""
# ruff: noqa: SLF001 - ministack has no public interface for this

import json
import re
import uuid
from typing import Any

from ministack.app import main
from ministack.core import iam_actions
from ministack.core.responses import json_response
from ministack.services import apigateway_v1 as gateway
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc
from ministack.services.cloudformation import provisioners

_EXTENSION = "x-amazon-apigateway-gateway-responses"
_API = re.compile(r"/restapis/([^/]+)/?")
_AUTHORIZERS_CACHE = re.compile(r"/restapis/[^/]+/stages/[^/]+/cache/authorizers")

_import_rest_api = gateway._import_rest_api
_handle_request = gateway.handle_request
_handle_logs_request = cloudwatch_logs.handle_request
_alarm_record = provisioners._cw_metric_alarm_record
_dynamodb_service_context = iam_actions.dynamodb_service_context
_extract_iam_action = iam_actions.extract_iam_action
_execute_function = lambda_svc._execute_function
_query_definitions: dict[str, dict[str, Any]] = {}

Spec = dict[str, Any]


def import_rest_api(spec: Spec, properties: dict[str, Any] | None = None) -> str:
    """Create an API from a Swagger document and return its id."""
    api: str = _import_rest_api(spec, properties)
    _import_gateway_responses(api, spec)
    return api


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> Any:
    """Handle the three requests that ministack lacks, and pass on the others."""
    if method == "POST" and path.rstrip("/") == "/restapis" and "mode" in query:
        return gateway._v1_response(gateway._rest_apis[import_rest_api(json.loads(body))], 201)
    match = _API.fullmatch(path)
    if method == "PUT" and match and match[1] in gateway._rest_apis:
        _overwrite(match[1], json.loads(body))
        return gateway._get_rest_api(match[1])
    if method == "DELETE" and _AUTHORIZERS_CACHE.fullmatch(path):
        gateway._authorizer_cache.clear()
        return 202, {}, b""
    return await _handle_request(method, path, headers, body, query)


def _overwrite(api: str, spec: Spec) -> None:
    resources = gateway._resources[api]
    root = next(resource for resource in resources.values() if resource["path"] == "/")
    root["resourceMethods"] = {}
    gateway._resources[api] = {root["id"]: root}
    gateway._authorizers_v1[api] = {}
    gateway._gateway_responses[api] = {}
    schemes = gateway._import_security_schemes(api, spec)
    for path, item in spec["paths"].items():
        gateway._import_path_item(api, path, item, schemes, spec.get("security"))
    _import_gateway_responses(api, spec)


def _import_gateway_responses(api: str, spec: Spec) -> None:
    for kind, response in spec.get(_EXTENSION, {}).items():
        status, _, body = gateway._put_gateway_response(api, kind, response)
        if status >= 300:
            raise ValueError(body)


async def handle_logs_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> Any:
    """Handle the three requests for query definitions, and pass on the others."""
    match headers.get("x-amz-target", "").rpartition(".")[2]:
        case "PutQueryDefinition":
            return json_response({"queryDefinitionId": put_query_definition(json.loads(body))})
        case "DescribeQueryDefinitions":
            return json_response({"queryDefinitions": list(_query_definitions.values())})
        case "DeleteQueryDefinition":
            found = _query_definitions.pop(json.loads(body)["queryDefinitionId"], None)
            return json_response({"success": found is not None})
        case _:
            return await _handle_logs_request(method, path, headers, body, query)


def put_query_definition(request: dict[str, Any]) -> str:
    """Store a query and return its id. Raises LookupError if one of its log groups is missing."""
    for name in request["logGroupNames"]:
        if name not in cloudwatch_logs._log_groups:
            raise LookupError(name)
    number = request.get("queryDefinitionId") or str(uuid.uuid4())
    _query_definitions[number] = {**request, "queryDefinitionId": number}
    return number


def create_query_definition(_id: str, properties: dict[str, Any], stack: str) -> Any:
    """Create AWS::Logs::QueryDefinition."""
    return update_query_definition("", {}, properties, stack)


def update_query_definition(
    number: str, _old: dict[str, Any], properties: dict[str, Any], _stack: str
) -> Any:
    """Update AWS::Logs::QueryDefinition."""
    request = {name[0].lower() + name[1:]: value for name, value in properties.items()}
    number = put_query_definition({**request, "queryDefinitionId": number})
    return number, {"QueryDefinitionId": number}


def delete_query_definition(number: str, _properties: dict[str, Any]) -> None:
    """Delete AWS::Logs::QueryDefinition."""
    _query_definitions.pop(number, None)


def alarm_record(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of AWS::CloudWatch::Alarm."""
    metrics = properties.get("Metrics")
    if metrics is None:
        record: dict[str, Any] = _alarm_record(name, properties)
        return record
    simple = {**properties, "Metrics": None, "Namespace": "-", "MetricName": "-"}
    record = {**_alarm_record(name, simple), "Metrics": metrics}
    for other in ("Namespace", "MetricName", "Statistic", "Period", "Dimensions"):
        del record[other]
    return record


def create_composite_alarm(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
    """Create or update AWS::CloudWatch::CompositeAlarm."""
    name = properties.get("AlarmName") or f"{stack}-{logical_id}"
    status, _, body = cloudwatch._put_composite_alarm(
        {}, {**properties, "AlarmName": name}, is_cbor=False, is_json=True
    )
    if status >= 300:
        raise ValueError(body)
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def delete_composite_alarm(name: str, _properties: dict[str, Any]) -> None:
    """Delete AWS::CloudWatch::CompositeAlarm."""
    cloudwatch._composite_alarms.pop(name, None)


def extract_iam_action(*arguments: Any, **named: Any) -> Any:
    """Return the action that a request needs: of SQS's batches, that of the single request.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
    """
    action = _extract_iam_action(*arguments, **named)
    is_batch = isinstance(action, str) and action.startswith("sqs:")
    return action.removesuffix("Batch") if is_batch else action


def dynamodb_service_context(body: bytes) -> dict[str, Any]:
    """Return the condition keys of a request: also dynamodb:LeadingKeys, its partition.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    context: dict[str, Any] = _dynamodb_service_context(body)
    request = json.loads(body)
    # The application's Queries compare the partition with this value.
    queried = request.get("ExpressionAttributeValues", {}).get(":key")
    partition = request.get("Key", request.get("Item", {})).get("PK", queried)
    return {**context, "dynamodb:LeadingKeys": [partition["S"]]} if partition else context


def execute_function(function: dict[str, Any], event: Any) -> Any:
    """Invoke a function; a batch of records of which some failed has failed."""
    result = _execute_function(function, event)
    records = event.get("Records", ()) if isinstance(event, dict) else ()
    body = result.get("body")
    if any(one.get("eventSource") == "aws:dynamodb" for one in records) and (
        isinstance(body, dict) and body.get("batchItemFailures")
    ):
        return {**result, "error": True}
    return result


iam_actions.dynamodb_service_context = dynamodb_service_context
iam_actions.extract_iam_action = extract_iam_action
lambda_svc._execute_function = execute_function
gateway._import_rest_api = import_rest_api
gateway.handle_request = handle_request
cloudwatch_logs.handle_request = handle_logs_request
provisioners._cw_metric_alarm_record = alarm_record
provisioners._RESOURCE_HANDLERS |= {
    "AWS::Logs::QueryDefinition": {
        "create": create_query_definition,
        "update": update_query_definition,
        "delete": delete_query_definition,
    },
    "AWS::CloudWatch::CompositeAlarm": {
        "create": create_composite_alarm,
        "delete": delete_composite_alarm,
    },
}

if __name__ == "__main__":
    main()
