"""API Gateway as the tests have it: a REST API's events, whole, as its documentation shows them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
#api-gateway-simple-proxy-for-lambda-input-format
"""

import json
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from chalicelib.domain.errors import Unauthenticated

Fields = Sequence[tuple[str, str]]
STAGE = "api"


class ApiGateway:
    """Routes requests to `app` by the pair of resource and method, its authorizer first."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def answer(self, method: str, target: str, fields: Fields, body: bytes) -> dict[str, Any]:
        """Return the proxy response to a request.

        A 401 is the gateway's own; deployments give it the body and headers of the app's.
        """
        refused = self._app.refuse
        event = self.event(method, target, fields, body)
        resource, path = event["resource"], event["path"]
        lambda_context = SimpleNamespace(aws_request_id=str(uuid4()))
        authorizer = self._app.routes[resource][method].authorizer
        if authorizer is not None:
            token = event["headers"].get("Authorization")
            if token is None:
                return refused(Unauthenticated(), event)
            api = f"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/{STAGE}"
            arn = f"{api}/{method}{path}"
            asked = {"type": "TOKEN", "authorizationToken": token, "methodArn": arn}
            try:
                policy = authorizer(asked, lambda_context)
            except Exception as error:  # noqa: BLE001
                # API Gateway looks at the text alone.
                assert str(error) == "Unauthorized"  # noqa: PT017
                return refused(Unauthenticated(), event)
            (statement,) = policy["policyDocument"]["Statement"]
            assert statement["Effect"] == "Allow"
            assert statement["Resource"] == [f"{api}/*/*"]
            handed_on = {name: str(value) for name, value in policy["context"].items()}
            event["requestContext"]["authorizer"] = {
                "principalId": policy["principalId"],
                "integrationLatency": 23,
                **handed_on,
            }
        # Lambda's own round trip: what is no JSON does not arrive.
        sent: dict[str, Any] = as_json(self._app(as_json(event), lambda_context))
        assert isinstance(sent["body"], str)
        assert all(isinstance(value, str) for value in sent["headers"].values())
        return sent

    def event(self, method: str, target: str, fields: Fields, body: bytes) -> dict[str, Any]:
        """Return the event that a request becomes, before its authorizer has spoken."""
        parts = urlsplit(target)
        resource, parameters = self._route(method, parts.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        sent = [("Host", "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"), *fields]
        headers: dict[str, list[str]] = {}
        for name, value in sent:
            headers.setdefault(name, []).append(value)
        return {
            "resource": resource,
            "path": parts.path,
            "httpMethod": method,
            "headers": {name: values[-1] for name, values in headers.items()},
            "multiValueHeaders": headers,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": {
                "resourceId": "a1b2c3",
                "resourcePath": resource,
                "httpMethod": method,
                "accountId": "123456789012",
                "apiId": "a1b2c3d4e5",
                "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "a1b2c3d4e5",
                "extendedRequestId": "JKJaXmPLvHcESHA=",
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
                    "userAgent": "python-tests",
                    "userArn": None,
                },
                "path": f"/{STAGE}{parts.path}",
                "protocol": "HTTP/1.1",
                "requestId": str(uuid4()),
                "requestTime": "21/Nov/2026:09:30:00 +0000",
                "requestTimeEpoch": time.time_ns() // 1_000_000,
                "stage": STAGE,
            },
            "body": body.decode() or None,
            "isBase64Encoded": False,
        }

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        segments = path.strip("/").split("/") if path != "/" else []
        found = []
        for pattern, methods in self._app.routes.items():
            parts = pattern.strip("/").split("/") if pattern != "/" else []
            greedy = bool(parts) and parts[-1].endswith("+}")
            fits = len(parts) == len(segments) or (greedy and segments)
            if method in methods and fits:
                parameters = {
                    part.strip("{}+"): "/".join(segments) if greedy else segment
                    for part, segment in zip(parts, segments, strict=False)
                    if part.startswith("{")
                }
                literal = [part for part in parts if not part.startswith("{")]
                if greedy or all(
                    part in (segment, f"{{{part.strip('{}')}}}")
                    for part, segment in zip(parts, segments, strict=True)
                ):
                    found.append((greedy, -len(literal), pattern, parameters))
        _, _, pattern, parameters = min(found)
        return pattern, parameters


def as_json(value: Any) -> Any:
    """Return what is left of a value on its way through JSON."""
    return json.loads(json.dumps(value))
