"""The event of a REST API's Lambda proxy integration, complete, as API Gateway documents it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
#api-gateway-simple-proxy-for-lambda-input-format

The benchmarks' peers load this in their own environment, so it imports only the standard library.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

ACCOUNT = "123456789012"
API_ID = "a1b2c3d4e5"
HOST = f"{API_ID}.execute-api.us-east-1.amazonaws.com"
STAGE = "api"

Values = Mapping[str, Sequence[str]]


def proxy_event(  # noqa: PLR0913 - the parts of a request
    method: str,
    resource: str,
    path: str,
    *,
    headers: Values,
    parameters: Mapping[str, str],
    query: Values,
    body: str | None,
) -> dict[str, Any]:
    """Return the event of a request, without what an authorizer adds to its context."""
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": _last(headers),
        "multiValueHeaders": _lists(headers),
        "queryStringParameters": _last(query) or None,
        "multiValueQueryStringParameters": _lists(query) or None,
        "pathParameters": dict(parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "a1b2c3",
            "resourcePath": resource,
            "httpMethod": method,
            "extendedRequestId": "JKJaXmPLvHcESHA=",
            "requestTime": "21/Nov/2026:09:30:00 +0000",
            "path": f"/{STAGE}{path}",
            "accountId": ACCOUNT,
            "protocol": "HTTP/1.1",
            "stage": STAGE,
            "domainPrefix": API_ID,
            "requestTimeEpoch": time.time_ns() // 1_000_000,
            "requestId": str(uuid4()),
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": "192.0.2.1",
                "user": None,
                "userAgent": _last(headers).get("User-Agent"),
                "userArn": None,
            },
            "domainName": HOST,
            "apiId": API_ID,
        },
        "body": body,
        "isBase64Encoded": False,
    }


def _last(values: Values) -> dict[str, str]:
    return {name: each[-1] for name, each in values.items()}


def _lists(values: Values) -> dict[str, list[str]]:
    return {name: list(each) for name, each in values.items()}
