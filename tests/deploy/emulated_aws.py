"""ministack, extended by API Gateway's import of a Swagger document.

ministack imports Swagger only for CloudFormation, and without gateway responses. Run this with
ministack's own interpreter and environment variables.
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

_import_rest_api = gateway._import_rest_api
_handle_request = gateway.handle_request

Spec = dict[str, Any]


def import_rest_api(spec: Spec, properties: dict[str, Any] | None = None) -> str:
    """Create an API from a Swagger document and return its id."""
    api: str = _import_rest_api(spec, properties)
    _import_gateway_responses(api, spec)
    return api


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> Any:
    """Handle the two requests that ministack lacks, and pass on the others."""
    if method == "POST" and path.rstrip("/") == "/restapis" and "mode" in query:
        return gateway._v1_response(gateway._rest_apis[import_rest_api(json.loads(body))], 201)
    match = _API.fullmatch(path)
    if method == "PUT" and match and match[1] in gateway._rest_apis:
        _overwrite(match[1], json.loads(body))
        return gateway._get_rest_api(match[1])
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


gateway._import_rest_api = import_rest_api
gateway.handle_request = handle_request

if __name__ == "__main__":
    main()
