"""ministack, with what it lacks of API Gateway: importing a Swagger document.

It reads Swagger for CloudFormation only, and without the gateway responses in it. Run by
ministack's own interpreter, as `python emulated_aws.py`, with ministack's variables.
https://docs.aws.amazon.com/apigateway/latest/api/API_ImportRestApi.html
https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html
"""
# ruff: noqa: SLF001 - ministack has no public interface for this

import json
import re
from typing import Any

from ministack.app import main
from ministack.services import apigateway_v1 as gateway

_EXTENSION = "x-amazon-apigateway-gateway-responses"
_API = re.compile(r"/restapis/([^/]+)/?")

_create_from = gateway._import_rest_api
_answer = gateway.handle_request

Spec = dict[str, Any]


def import_rest_api(spec: Spec, properties: dict[str, Any] | None = None) -> str:
    """Make an API of a Swagger document and return its id."""
    api: str = _create_from(spec, properties)
    _import_gateway_responses(api, spec)
    return api


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> Any:
    """Answer the two requests that ministack does not know, and hand on the others."""
    if method == "POST" and path.rstrip("/") == "/restapis" and "mode" in query:
        return gateway._v1_response(gateway._rest_apis[import_rest_api(json.loads(body))], 201)
    named = _API.fullmatch(path)
    if method == "PUT" and named and named[1] in gateway._rest_apis:
        _overwrite(named[1], json.loads(body))
        return gateway._get_rest_api(named[1])
    return await _answer(method, path, headers, body, query)


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


gateway._import_rest_api = import_rest_api
gateway.handle_request = handle_request

if __name__ == "__main__":
    main()
