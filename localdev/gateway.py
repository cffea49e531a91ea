"""A local API Gateway: it turns HTTP requests into the events that Lambda functions receive.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import time
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from chalice.local import (
    ForbiddenError,
    InvalidAuthorizerError,
    LambdaContext,
    LocalGatewayAuthorizer,
)

from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import Forbidden, Unauthenticated
from chalicelib.security.authorizer_context import request_authorizer_for
from chalicelib.web.application import Api, Event, ProxyResponse
from localdev.swagger_ui import SwaggerUI

LOCAL_CALLER = Caller(subject=" local", is_admin=True)

_SECURITY = '"security":[{"bearer":[]}]'
_OPTIONAL_SECURITY = '"security":[{"bearer":[]},{}]'
_CATCH_ALL = "/{proxy+}"
_STAGE = "local"
_MEMORY_MEGABYTES = 512
_TIMEOUT_MILLISECONDS = 29_000


class LocalGateway:
    """The gateway in front of `app`. If `closed`, the app's authorizer checks every caller.

    It serves the files of `swagger_ui` itself, because the app never does. `prints_requests` says
    whether the server prints a line for each request, which the app does otherwise.
    """

    def __init__(
        self,
        app: Api,
        *,
        closed: bool,
        swagger_ui: SwaggerUI | None = None,
        prints_requests: bool = False,
    ) -> None:
        self.app = app
        self.prints_requests = prints_requests
        self._closed = closed
        self._authorizer = LocalGatewayAuthorizer(app)
        self._swagger_ui = swagger_ui

    def respond(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> ProxyResponse:
        """Return the response to an HTTP request; `target` is the path with the query string."""
        file = self._swagger_ui.respond(method, target) if self._swagger_ui else None
        if file is not None:
            return file
        context = LambdaContext("user-management", _MEMORY_MEGABYTES, _TIMEOUT_MILLISECONDS)
        event = self.event(method, target, headers, body)
        resource = event["resource"]
        # The app handles a method without a route, so it has no authorizer.
        entry = self.app.routes.get(resource, {}).get(method)
        if entry is not None and entry.authorizer is not None:
            error = self._authorize(event, context)
            if error is not None:
                return self.app.refuse(error, event)
        response = self.app(event, context)
        if resource == "/openapi.json" and not self._closed:
            response["body"] = response["body"].replace(_SECURITY, _OPTIONAL_SECURITY)
        return response

    def _authorize(self, event: Event, context: LambdaContext) -> Exception | None:
        """Add the caller to the event, or return the error if access is denied."""
        if not self._closed:
            event["requestContext"]["authorizer"] = request_authorizer_for(LOCAL_CALLER)
            return None
        try:
            self._authorizer.authorize(event["path"], event, context)
        except (ForbiddenError, InvalidAuthorizerError):
            return Forbidden()
        except Exception:  # noqa: BLE001 - as on AWS, any exception of the authorizer denies access
            return Unauthenticated()
        return None

    def event(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Event:
        """Return the event that API Gateway would send for a request."""
        parts = urlsplit(target if target.startswith("/") else f"/{target}")
        path = parts.path or "/"
        resource, parameters = self._route(method, path)
        query = parse_qs(parts.query, keep_blank_values=True) or None
        multiple: dict[str, list[str]] = {}
        for name, value in headers:
            multiple.setdefault(name.lower(), []).append(value)
        text, is_base64 = _body(body)
        return {
            "resource": resource,
            "path": path,
            "httpMethod": method,
            # Repeated fields are combined into one (RFC 9110 §5.3).
            "headers": {name: ", ".join(values) for name, values in multiple.items()},
            "multiValueHeaders": multiple,
            "queryStringParameters": query and {name: values[-1] for name, values in query.items()},
            "multiValueQueryStringParameters": query,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": resource,
                "httpMethod": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "stage": _STAGE,
                "requestId": str(uuid4()),
                "requestTimeEpoch": time.time_ns() // 1_000_000,
                "identity": {"sourceIp": "127.0.0.1"},
            },
            "body": text,
            "isBase64Encoded": is_base64,
        }

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        """Return the API Gateway resource that serves the request, and its path parameters."""
        match = self.app.paths.find(path)
        if match is not None and method in self.app.routes[match[0]]:
            return match
        if path == "/":
            return "/", {}
        return _CATCH_ALL, {"proxy": path.removeprefix("/")}


def _body(body: bytes) -> tuple[str | None, bool]:
    try:
        return body.decode() or None, False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True
