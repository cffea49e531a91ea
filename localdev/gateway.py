"""A gateway for one machine: HTTP requests become the events that API Gateway would send.

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

from chalicelib.domain.errors import Forbidden, Unauthenticated
from chalicelib.security.permissions import Caller, authorizer_of
from chalicelib.web.application import Answer, Api, Event
from localdev.renderer import Renderer

LOCAL_CALLER = Caller(subject=" local", is_admin=True)

_ASKS = '"security":[{"bearer":[]}]'
_TAKES = '"security":[{"bearer":[]},{}]'
_CATCH_ALL = "/{proxy+}"
_STAGE = "local"
_MEMORY_MEGABYTES = 512
_TIMEOUT_MILLISECONDS = 29_000


class LocalGateway:
    """Stands in front of `app`; `closed` asks the app's authorizer for every caller.

    The files of the page's `renderer` are answered here: elsewhere they are not the app's either.
    """

    def __init__(self, app: Api, *, closed: bool, renderer: Renderer | None = None) -> None:
        self.app = app
        self._closed = closed
        self._authorizer = LocalGatewayAuthorizer(app)
        self._renderer = renderer

    def answer(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Answer:
        """Answer one HTTP request; `target` is its path with the query."""
        file = self._renderer.answer(method, target) if self._renderer else None
        if file is not None:
            return file
        context = LambdaContext("user-management", _MEMORY_MEGABYTES, _TIMEOUT_MILLISECONDS)
        event = self.event(method, target, headers, body)
        resource = event["resource"]
        # A method that no route takes has no authorizer: the app answers it.
        entry = self.app.routes.get(resource, {}).get(method)
        if entry is not None and entry.authorizer is not None:
            refusal = self._authorize(event, context)
            if refusal is not None:
                return self.app.refuse(refusal, event)
        answer = self.app(event, context)
        if resource == "/openapi.json" and not self._closed:
            # An open server takes tokens, but needs none.
            answer["body"] = answer["body"].replace(_ASKS, _TAKES)
        return answer

    def _authorize(self, event: Event, context: LambdaContext) -> Exception | None:
        """Let the event carry its caller, or return what keeps it out."""
        if not self._closed:
            event["requestContext"]["authorizer"] = authorizer_of(LOCAL_CALLER)
            return None
        try:
            self._authorizer.authorize(event["path"], event, context)
        except (ForbiddenError, InvalidAuthorizerError):
            return Forbidden()
        except Exception:  # noqa: BLE001 - as on AWS, whatever an authorizer raises keeps out
            return Unauthenticated()
        return None

    def event(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Event:
        """Return the event that API Gateway would make of a request."""
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
            # Fields of a list (RFC 9110 §5.3) reach the app as one.
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
        """Return the resource that takes the request: a pair of path and method, as on AWS."""
        found = self.app.paths.find(path)
        if found is not None and method in self.app.routes[found[0]]:
            return found
        if path == "/":
            return "/", {}
        return _CATCH_ALL, {"proxy": path.removeprefix("/")}


def _body(body: bytes) -> tuple[str | None, bool]:
    try:
        return body.decode() or None, False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True
