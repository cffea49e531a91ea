"""The API's HTTP conventions around Chalice.

Routes are declared with Chalice's own `@app.route`. `Operation` describes how handlers get their
arguments and `responses` what becomes of their results; exceptions become problem details.
`PERMISSIONS` says who may use a route, and a route without a row there cannot be declared.
"""

import functools
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import unquote
from uuid import uuid4

import msgspec
from chalice.app import Chalice, Request, Response

from chalicelib.domain.caller import IAM_CALLER, Caller
from chalicelib.domain.errors import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    ServiceNotFound,
)
from chalicelib.domain.idempotency import Created, Done
from chalicelib.domain.storage import Page
from chalicelib.security.authorizer_context import caller_from_context, request_authorizer_for
from chalicelib.security.permissions import PERMISSIONS, Access, authorize
from chalicelib.settings import Settings
from chalicelib.telemetry.activity import begin, current
from chalicelib.telemetry.request_log import Exchange, RequestLog
from chalicelib.telemetry.tracing import client_trace
from chalicelib.web.arguments import readers
from chalicelib.web.cors import Cors
from chalicelib.web.cursors import CursorSigner
from chalicelib.web.media import NO_STORE, PROBLEM_JSON, SCIM_JSON
from chalicelib.web.operation import Handler, Operation, Source
from chalicelib.web.pagination import Pagination
from chalicelib.web.problem_details import as_problem, describe, scim_error
from chalicelib.web.responses import respond
from chalicelib.web.route_table import RouteTable

_MAX_ID = 200
_NO_METHODS: dict[str, Any] = {}

Event = dict[str, Any]
ProxyResponse = dict[str, Any]
ResultT = TypeVar("ResultT")


class Api(Chalice):
    """A Chalice application whose responses all follow the API's conventions.

    `request_log` returns where each request is logged, None to log faults alone. `with_roles`
    returns a caller with what it may do beside what its token says.
    """

    def __init__(
        self,
        app_name: str,
        settings: Callable[[], Settings],
        request_log: Callable[[], RequestLog | None] = lambda: None,
        with_roles: Callable[[Caller], Caller] = lambda caller: caller,
    ) -> None:
        # Chalice would add a handler of its own, whose lines are no JSON.
        super().__init__(app_name=app_name, configure_logs=False)
        self._request_log = request_log
        self._with_roles = with_roles
        # Nothing here is binary, and checking for it takes a quarter of a request's time.
        self.api.binary_types = []
        self.paths = RouteTable(self.routes)
        self.operations: dict[tuple[str, str], Operation] = {}
        self._cors = Cors(settings)
        self._pagination = Pagination(CursorSigner(lambda: settings().cursor_secret))

    def route(self, path: str, **options: Any) -> Callable[[Handler], Handler]:  # noqa: ANN401
        """Declare a route, as Chalice does; a GET route handles HEAD as well.

        `raises` lists the problems of the handler's own, and `error_type` is the media type of its
        errors: see `Operation`.
        """
        methods = options.pop("methods", ["GET"])
        raises = tuple(options.pop("raises", ()))
        error_type = options.pop("error_type", PROBLEM_JSON)
        handled = [*methods, "HEAD"] if "GET" in methods else methods
        # Media types are checked where bodies are read, so that a refusal is a problem.
        register = super().route(path, methods=handled, content_types=["*/*"], **options)

        def declare(handler: Handler) -> Handler:
            operation = Operation(handler, path, _access(methods, path), raises, error_type)
            self.operations |= {(method, path): operation for method in methods}
            register(self._view(operation))
            return handler

        return declare

    def __call__(self, event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401
        """Return the response to an API Gateway proxy event (REST, payload version 1.0).

        https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
        """
        started, activity = time.perf_counter_ns(), begin()
        request_id = _identify(event, context)
        headers, received = event.get("headers"), event.get("body")
        # Whoever invokes the function directly can send anything for headers.
        if headers and isinstance(headers, dict):
            activity.traceparent = client_trace(headers)
        response = self._respond(event, context, request_id)
        log = self._request_log()
        if log is not None:
            request_context = event["requestContext"]
            # By position, since keywords cost a tenth of the line.
            exchange = Exchange(
                str(request_context.get("httpMethod", "")),
                str(request_context.get("resourcePath", "")),
                response["statusCode"],
                started,
                request_id,
                activity.trace_id,
                activity.traceparent,
                _size(received),
                _size(response["body"]),
            )
            log.write(exchange, activity)
        return response

    def _respond(self, event: Event, context: Any, request_id: str) -> ProxyResponse:  # noqa: ANN401
        problem = _invalid(event)
        if problem is not None:
            return self.refuse(problem, event)
        try:
            response = self._handle(event, context)
        except Exception as error:  # noqa: BLE001 - whatever happens, there is a response
            return self.refuse(error, event)
        if response["statusCode"] >= HTTPStatus.BAD_REQUEST and not _is_problem(response):
            return self.refuse(self._chalice_error(response, event), event)
        return self._finish(response, event, request_id)

    def _handle(self, event: Event, context: Any) -> ProxyResponse:  # noqa: ANN401
        """Return the response of a view, or Chalice's own."""
        request_context = event["requestContext"]
        entry = self.routes.get(request_context.get("resourcePath"), _NO_METHODS).get(
            request_context.get("httpMethod")
        )
        if entry is None or self.middleware_handlers:
            handled: ProxyResponse = super().__call__(event, context)
            return handled
        # Without middleware the view is called at once: Chalice would build a chain of handlers,
        # and look for binary media types, a third of a request's time.
        self.lambda_context = context
        self.current_request = Request(event, context)
        parameters = event["pathParameters"]
        arguments = {name: parameters[name] for name in entry.view_args}
        response: ProxyResponse = entry.view_function(**arguments).to_dict()
        return response

    def record(
        self,
        context: Any,  # noqa: ANN401 - Lambda's context
        name: str,
        respond: Callable[[], ProxyResponse],
    ) -> ProxyResponse:
        """Return the response of a function that is no route, and write its line."""
        started, activity = time.perf_counter_ns(), begin()
        response = respond()
        log = self._request_log()
        if log is not None:
            request_id = getattr(context, "aws_request_id", "")
            status = response["statusCode"]
            log.write(Exchange("", name, status, started, request_id, activity.trace_id), activity)
        return response

    def work(self, context: Any, name: str, run: Callable[[], ResultT]) -> ResultT:  # noqa: ANN401 - Lambda's context
        """Return the result of a function that nobody waits for, and write its line.

        Its status is 200, or 500 where `run` raises or notes an error in the activity.
        """
        started, activity = time.perf_counter_ns(), begin()
        try:
            return run()
        except Exception as error:
            activity.error = error
            raise
        finally:
            log = self._request_log()
            if log is not None:
                status = 200 if activity.error is None else 500
                request_id = getattr(context, "aws_request_id", "")
                exchange = Exchange("", name, status, started, request_id, activity.trace_id)
                log.write(exchange, activity)

    def refuse(self, error: Exception, event: Event) -> ProxyResponse:
        """Return the response to an event that ends in `error`, outside a view."""
        request_id = event["requestContext"]["requestId"]
        return self._finish(self._problem(error, request_id).to_dict(), event, request_id)

    def invoke(self, event: Event, context: Any, method: str, path: str) -> ProxyResponse:  # noqa: ANN401
        """Return the response to an event that reached the Lambda function of one route.

        A bare event comes from a principal that IAM allows to invoke the function, and acts as an
        administrator; one of API Gateway's has the rights of its authorizer's caller. Either way
        this route handles it, whatever else the event says.
        """
        gateway = event.get("requestContext")
        request_context = (
            dict(gateway)
            if gateway is not None
            else {"authorizer": request_authorizer_for(IAM_CALLER)}
        )
        request_context |= {"httpMethod": method, "resourcePath": path}
        given = event.get("pathParameters") or {}
        names = self.routes[path][method].view_args
        single = event.get("queryStringParameters") or {}
        multiple = event.get("multiValueQueryStringParameters")
        response = self(
            {
                "headers": event.get("headers"),
                "multiValueQueryStringParameters": multiple
                or {name: [value] for name, value in single.items()},
                "pathParameters": {name: str(given.get(name, "")) for name in names},
                "stageVariables": event.get("stageVariables"),
                "body": event.get("body"),
                "isBase64Encoded": event.get("isBase64Encoded", False),
                "path": event.get("path"),
                "requestContext": request_context,
            },
            context,
        )
        return {name: response[name] for name in ("statusCode", "headers", "body")}

    def unrouted(self) -> Response:
        """Return the response where no route matches: to a preflight, or 405 or 404."""
        request: Any = self.current_request
        path = "/" + (request.uri_params or {}).get("proxy", "")
        methods = self.paths.methods(path)
        if request.method != "OPTIONS" or not methods:
            raise _no_route(request.method, methods)
        return Response("", {**self._cors.preflight(request.headers, methods)}, 204)

    def _view(self, operation: Operation) -> Handler:
        """Return the view that Chalice calls: it authorizes, reads the arguments, and responds."""
        handler, access, pagination = operation.handler, operation.access, self._pagination
        checks = list(operation.path_parameters.items())
        error_type, with_roles = operation.error_type, self._with_roles
        owner, not_found = (checks[0][0], checks[0][1].not_found) if checks else ("", NotFound)
        arguments = readers(operation, pagination)
        query = next(
            (name for name, (source, _) in operation.arguments.items() if source is Source.QUERY),
            "",
        )

        @functools.wraps(handler)
        def view(**path_parameters: str) -> Response:
            request: Any = self.current_request
            try:
                caller = caller_from_context(
                    request.context.get("authorizer"), request_id=request.context["requestId"]
                )
                if caller is not None:
                    caller = with_roles(caller)
                    activity = current()
                    activity.subject = caller.subject
                    activity.caller_kind = caller.kind
                given: dict[str, Any] = {
                    name: unquote(value) for name, value in path_parameters.items()
                }
                authorize(access, caller, given.get(owner), not_found)
                for name, parameter in checks:
                    parameter.check(given[name])
                for name, read in arguments:
                    given[name] = read(request, caller)
                result = handler(**given)
                if isinstance(result, Created | Done):
                    current().replayed = result.replayed
                if isinstance(result, Page):
                    return pagination.respond(result, request, given[query])
                return respond(result, request)
            except Exception as error:  # noqa: BLE001 - every failure is a response
                return self._problem(error, request.context["requestId"], error_type)

        return view

    def _finish(self, response: ProxyResponse, event: Event, request_id: str) -> ProxyResponse:
        """Add what every response has."""
        response["headers"]["x-request-id"] = request_id
        self._cors.add_headers(event.get("headers") or {}, response["headers"])
        if event["requestContext"].get("httpMethod") == "HEAD":
            response["body"] = ""
        return response

    def _chalice_error(self, response: ProxyResponse, event: Event) -> Exception:
        """Return the exception for an error response that Chalice made by itself."""
        if response["statusCode"] == HTTPStatus.METHOD_NOT_ALLOWED:
            request_context = event["requestContext"]
            path = event.get("path") or request_context["resourcePath"]
            return _no_route(request_context["httpMethod"], self.paths.methods(path))
        return RuntimeError(response["body"])

    def _problem(
        self, error: Exception, request_id: str, error_type: str = PROBLEM_JSON
    ) -> Response:
        """Return the response to an error; one of the server's is logged with its traceback."""
        problem = as_problem(error)
        activity = current()
        activity.problem = problem.name
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            activity.error = error
            if self._request_log() is None:
                self.log.error("request %s failed", request_id, exc_info=error)
        is_scim = error_type == SCIM_JSON
        body = scim_error(problem) if is_scim else describe(problem, request_id)
        return Response(
            msgspec.json.encode(body).decode(),
            {"Content-Type": error_type, "Cache-Control": NO_STORE, **problem.headers},
            problem.status,
        )


def _no_route(method: str, methods: list[str]) -> Problem:
    """Return why a path that takes `methods` does not take this one."""
    return MethodNotAllowed(method, methods) if methods else ServiceNotFound()


def _access(methods: list[str], path: str) -> Access:
    """Return who may use the route. Raises LookupError if PERMISSIONS does not say."""
    found = {PERMISSIONS.get((method, path), PERMISSIONS.get(("*", path))) for method in methods}
    access = found.pop()
    if access is None or found:
        raise LookupError(f"{methods} {path} need one entry in PERMISSIONS.")
    return access


def _is_problem(response: ProxyResponse) -> bool:
    return response["headers"].get("Content-Type") in {PROBLEM_JSON, SCIM_JSON}


def _invalid(event: Event) -> Problem | None:
    """Return why an event is not one of API Gateway's, and remove what makes it so.

    Whoever may invoke the function directly can send anything.
    """
    headers, body = event.get("headers"), event.get("body")
    has_headers = headers is None or isinstance(headers, dict)
    has_body = body is None or isinstance(body, str)
    if has_headers and has_body:
        return None
    event["headers"] = event["body"] = None
    return BadRequest(
        "Send the event as API Gateway does: 'headers' is an object, and 'body' a string."
    )


def _size(text: object) -> int:
    """Return the size of a body in bytes; one in Base64 is counted as it came."""
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _identify(event: Event, context: Any) -> str:  # noqa: ANN401 - Lambda's context
    """Return the request's id: the gateway's, or else the invocation's.

    Whoever invokes the function directly can write anything into the event.
    """
    request_context = event["requestContext"] = event.get("requestContext") or {}
    given = str(request_context.get("requestId") or "")
    invocation = getattr(context, "aws_request_id", None)
    is_id = len(given) <= _MAX_ID and given.isascii() and given.isprintable()
    request_id: str = (given if is_id else "") or invocation or str(uuid4())
    request_context["requestId"] = request_id
    return request_id
