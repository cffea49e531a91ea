"""API Gateway for tests: it routes requests and runs their authorizer, as a REST API does."""

import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from chalicelib.domain.errors import Unauthenticated
from tests.support.proxy_event import ACCOUNT, API_ID, HOST, STAGE, proxy_event

Fields = Sequence[tuple[str, str]]


class ApiGateway:
    """Routes requests to `app` by resource and method, and calls their authorizer first."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def respond(self, method: str, target: str, fields: Fields, body: bytes) -> dict[str, Any]:
        """Return the proxy response to a request.

        The gateway itself sends a 401; deployments give it the app's body and headers.
        """
        refuse: Callable[..., dict[str, Any]] = self._app.refuse
        event = self.event(method, target, fields, body)
        resource, path = event["resource"], event["path"]
        lambda_context = SimpleNamespace(aws_request_id=str(uuid4()))
        authorizer = self._app.routes[resource][method].authorizer
        if authorizer is not None:
            token = event["headers"].get("Authorization")
            if token is None:
                return refuse(Unauthenticated(), event)
            api = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{API_ID}/{STAGE}"
            arn = f"{api}/{method}{path}"
            request = {"type": "TOKEN", "authorizationToken": token, "methodArn": arn}
            try:
                policy = authorizer(request, lambda_context)
            except Exception as error:  # noqa: BLE001
                # API Gateway looks only at the text.
                assert str(error) == "Unauthorized"  # noqa: PT017
                return refuse(Unauthenticated(), event)
            (statement,) = policy["policyDocument"]["Statement"]
            assert statement["Effect"] == "Allow"
            assert statement["Resource"] == [f"{api}/*/*"]
            context = {name: str(value) for name, value in policy["context"].items()}
            event["requestContext"]["authorizer"] = {
                "principalId": policy["principalId"],
                "integrationLatency": 23,
                **context,
            }
        # Lambda passes events and responses as JSON.
        response: dict[str, Any] = as_json(self._app(as_json(event), lambda_context))
        assert isinstance(response["body"], str)
        assert all(isinstance(value, str) for value in response["headers"].values())
        return response

    def event(self, method: str, target: str, fields: Fields, body: bytes) -> dict[str, Any]:
        """Return the event of a request, before its authorizer has run."""
        parts = urlsplit(target)
        resource, parameters = self._route(method, parts.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        sent = [("Host", HOST), *fields]
        headers: dict[str, list[str]] = {}
        for name, value in sent:
            headers.setdefault(name, []).append(value)
        return proxy_event(
            method,
            resource,
            parts.path,
            headers=headers,
            parameters=parameters,
            query=query,
            body=body.decode() or None,
        )

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        segments = path.strip("/").split("/") if path != "/" else []
        found = []
        for pattern, methods in self._app.routes.items():
            parts = pattern.strip("/").split("/") if pattern != "/" else []
            greedy = bool(parts) and parts[-1].endswith("+}")
            given = segments
            if greedy and len(segments) >= len(parts):
                last = len(parts) - 1
                given = [*segments[:last], "/".join(segments[last:])]
            if method in methods and len(parts) == len(given):
                pairs = list(zip(parts, given, strict=True))
                literal = [part for part in parts if not part.startswith("{")]
                if all(part.startswith("{") or part == segment for part, segment in pairs):
                    values = {part.strip("{}+"): one for part, one in pairs if part[:1] == "{"}
                    found.append((greedy, -len(literal), pattern, values))
        _, _, pattern, parameters = min(found)
        return pattern, parameters


def as_json(value: Any) -> Any:
    """Return the value after a round trip through JSON."""
    return json.loads(json.dumps(value))
