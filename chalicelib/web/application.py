"""The API's HTTP conventions around Chalice: what a view is given, and what becomes of its answer.

A view is declared with Chalice's own `@app.route`. Beside its path parameters it is given what its
parameters are named for:

- ``body``: the JSON body as the annotated type,
- ``query``: the query parameters as the annotated type,
- ``caller``: who sent the request,
- ``path``: the pattern of the route that was taken,
- ``base``: what stands before the API's paths, such as the stage,
- ``versions``: what If-Match accepts,
- ``key``: the Idempotency-Key, if there is one.

It returns what it found or made; exceptions become problems. `auth.PERMISSIONS` says who may come
in, and a route without an entry there cannot be declared.
"""

import functools
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote
from uuid import uuid4

import msgspec
from chalice.app import Chalice, Request, Response

from chalicelib.domain import ids
from chalicelib.domain.errors import (
    ContentTooLarge,
    InvalidParameter,
    MalformedJSON,
    MethodNotAllowed,
    OrderNotFound,
    Problem,
    ServiceNotFound,
    UnsupportedMediaType,
    UserNotFound,
)
from chalicelib.domain.idempotency import MAX_KEY_LENGTH, IdempotencyKey
from chalicelib.security.permissions import (
    IAM_CALLER,
    PERMISSIONS,
    Admits,
    Caller,
    admit,
    authorizer_of,
    caller_of,
)
from chalicelib.settings import Settings
from chalicelib.web import responses as answers
from chalicelib.web.conditional import if_match
from chalicelib.web.cors import Cors
from chalicelib.web.problem_details import describe, kind_of
from chalicelib.web.route_table import RouteTable
from chalicelib.web.validation import read_body, read_parameters

PROBLEM_TYPE = "application/problem+json"
MAX_BODY_OCTETS = 64 * 1024

JSON_TYPES = ("application/json",)
MERGE_PATCH_TYPES = ("application/merge-patch+json", "application/json")

View = Callable[..., Any]


class Operation(msgspec.Struct, frozen=True):
    """What a route does with its method: its view, whom it admits, and how it can fail.

    `raises` holds the problems that neither the view's parameters nor its callers imply.
    """

    view: View
    admits: Admits
    raises: tuple[type[Problem], ...] = ()


Event = dict[str, Any]
Answer = dict[str, Any]
Reader = Callable[[Request, Caller | None], Any]


class Api(Chalice):
    """A Chalice application whose every answer keeps the API's conventions."""

    def __init__(self, app_name: str, settings: Callable[[], Settings]) -> None:
        super().__init__(app_name=app_name)
        # Nothing here is binary, and looking for it costs a quarter of a request's time.
        self.api.binary_types = []
        self.paths = RouteTable(self.routes)
        self.operations: dict[tuple[str, str], Operation] = {}
        self._cors = Cors(settings)

    def route(self, path: str, **options: Any) -> Callable[[View], View]:  # noqa: ANN401
        """Declare a route, as Chalice does; a GET route answers HEAD as well.

        `raises` lists the problems of the view's own: see `Operation`.
        """
        methods = options.pop("methods", ["GET"])
        raises = tuple(options.pop("raises", ()))
        answered = [*methods, "HEAD"] if "GET" in methods else methods
        # Media types are checked where bodies are read, so that a refusal is a problem.
        register = super().route(path, methods=answered, content_types=["*/*"], **options)

        def declare(view: View) -> View:
            operation = Operation(view, _admits(methods, path), raises)
            self.operations |= {(method, path): operation for method in methods}
            register(self._operation(operation))
            return view

        return declare

    def __call__(self, event: Event, context: Any) -> Answer:  # noqa: ANN401 - Lambda's context
        """Answer an API Gateway proxy event (REST, payload version 1.0).

        https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
        """
        request_id = _identify(event, context)
        try:
            answer: Answer = super().__call__(event, context)
        except Exception as error:  # noqa: BLE001 - nothing may leave but an answer
            return self.refuse(error, event)
        if answer["statusCode"] >= HTTPStatus.BAD_REQUEST and not _is_problem(answer):
            return self.refuse(self._chalice_error(answer, event), event)
        return self._finish(answer, event, request_id)

    def refuse(self, error: Exception, event: Event) -> Answer:
        """Answer an event that ends in `error` before a view is reached."""
        request_id = event["requestContext"]["requestId"]
        return self._finish(self._problem(error, request_id).to_dict(), event, request_id)

    def _finish(self, answer: Answer, event: Event, request_id: str) -> Answer:
        """Give an answer what every answer has."""
        answer["headers"]["x-request-id"] = request_id
        self._cors.mark(event.get("headers") or {}, answer["headers"])
        if event["requestContext"].get("httpMethod") == "HEAD":
            answer["body"] = ""
        return answer

    def invoke(self, event: Event, context: Any, method: str, path: str) -> Answer:  # noqa: ANN401
        """Answer an event that reached the Lambda function of one route.

        A bare event comes from somebody whom IAM lets invoke the function, and acts as an
        administrator; one of API Gateway's has the rights of its authorizer's caller. Either way
        it is this route that answers, whatever else the event says.
        """
        gateway = event.get("requestContext")
        request_context = (
            dict(gateway) if gateway is not None else {"authorizer": authorizer_of(IAM_CALLER)}
        )
        request_context |= {"httpMethod": method, "resourcePath": path}
        given = event.get("pathParameters") or {}
        names = self.routes[path][method].view_args
        single = event.get("queryStringParameters") or {}
        multiple = event.get("multiValueQueryStringParameters")
        answer = self(
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
        return {name: answer[name] for name in ("statusCode", "headers", "body")}

    def unrouted(self) -> Response:
        """Answer what no route takes: a preflight, or 405 or 404."""
        request: Any = self.current_request
        path = "/" + (request.uri_params or {}).get("proxy", "")
        methods = self.paths.methods(path)
        if request.method != "OPTIONS" or not methods:
            raise _no_route(request.method, methods)
        return Response("", {**self._cors.preflight(request.headers, methods)}, 204)

    def _operation(self, operation: Operation) -> View:
        """Wrap a view: who may come in, what it is given, and what becomes of its answer."""
        view, admits = operation.view, operation.admits
        readers = list(_readers(view).items())
        query = view.__annotations__.get("query")
        known = frozenset() if query is None else frozenset(query.__struct_fields__)

        @functools.wraps(view)
        def operate(**path_parameters: str) -> Response:
            request: Any = self.current_request
            try:
                caller = caller_of(request.context.get("authorizer"))
                given = {name: unquote(value) for name, value in path_parameters.items()}
                admit(admits, caller, given.get("user_id"))
                _check_ids(given)
                for name, read in readers:
                    given[name] = read(request, caller)
                return answers.answer(view(**given), request, known)
            except Exception as error:  # noqa: BLE001 - every failure is an answer
                return self._problem(error, request.context["requestId"])

        return operate

    def _chalice_error(self, answer: Answer, event: Event) -> Exception:
        """Return the exception for an error that Chalice answered by itself."""
        if answer["statusCode"] == HTTPStatus.METHOD_NOT_ALLOWED:
            request_context = event["requestContext"]
            path = event.get("path") or request_context["resourcePath"]
            return _no_route(request_context["httpMethod"], self.paths.methods(path))
        return RuntimeError(answer["body"])

    def _problem(self, error: Exception, request_id: str) -> Response:
        """Answer an error; one that is ours is logged with its traceback, and not shown."""
        if not isinstance(error, Problem):
            self.log.error("request %s failed", request_id, exc_info=error)
        return Response(
            msgspec.json.encode(describe(error, request_id)).decode(),
            {
                "Content-Type": PROBLEM_TYPE,
                "Cache-Control": "no-store",
                **(error.headers if isinstance(error, Problem) else {}),
            },
            kind_of(error).status,
        )


def _no_route(method: str, methods: list[str]) -> Problem:
    """Return why a path that takes `methods` does not take this one."""
    return MethodNotAllowed(method, methods) if methods else ServiceNotFound()


def _admits(methods: list[str], path: str) -> Admits:
    """Return whom the route admits. Raises LookupError where the table of permissions is silent."""
    found = {PERMISSIONS.get((method, path), PERMISSIONS.get(("*", path))) for method in methods}
    admits = found.pop()
    if admits is None or found:
        raise LookupError(f"{methods} {path} need one entry in auth.PERMISSIONS.")
    return admits


def _readers(view: View) -> Mapping[str, Reader]:
    """Return what reads each argument that the view asks for beside its path parameters."""
    hints = {name: hint for name, hint in view.__annotations__.items() if name != "return"}
    by_name: Mapping[str, Reader] = {
        "body": lambda request, _: _read_body(request, hints["body"]),
        "query": lambda request, _: read_parameters(
            request.to_original_event()["multiValueQueryStringParameters"], hints["query"]
        ),
        "caller": lambda _, caller: caller,
        "path": lambda request, _: request.path,
        "base": lambda request, _: answers.stage_path(request, request.path),
        "versions": lambda request, _: if_match(request.headers.get("if-match")),
        "key": _read_key,
    }
    return {name: by_name[name] for name in hints if name in by_name}


def _read_body(request: Request, shape: type[msgspec.Struct]) -> msgspec.Struct:
    accepted = MERGE_PATCH_TYPES if request.method == "PATCH" else JSON_TYPES
    media_type = request.headers.get("content-type") or accepted[0]
    if media_type.partition(";")[0].strip().lower() not in accepted:
        raise UnsupportedMediaType(accepted)
    try:
        raw = cast("bytes", request.raw_body)
    except ValueError:
        raise MalformedJSON from None
    if len(raw) > MAX_BODY_OCTETS:
        raise ContentTooLarge
    return read_body(raw, shape)


def _read_key(request: Request, caller: Caller | None) -> IdempotencyKey | None:
    key = request.headers.get("idempotency-key")
    if key is None or caller is None:
        return None
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise InvalidParameter("Idempotency-Key", f"1 to {MAX_KEY_LENGTH} characters long")
    return IdempotencyKey(caller.subject, key)


def _check_ids(path_parameters: Mapping[str, str]) -> None:
    """Tell ids of another shape apart before storage sees them."""
    if "user_id" in path_parameters and not ids.is_user_id(path_parameters["user_id"]):
        raise UserNotFound
    if "order_id" in path_parameters and not ids.is_order_id(path_parameters["order_id"]):
        raise OrderNotFound


def _is_problem(answer: Answer) -> bool:
    return answer["headers"].get("Content-Type") == PROBLEM_TYPE  # type: ignore[no-any-return]


def _identify(event: Event, context: Any) -> str:  # noqa: ANN401 - Lambda's context
    """Return the request's id: the gateway's, or else the invocation's."""
    request_context = event["requestContext"] = event.get("requestContext") or {}
    invocation = getattr(context, "aws_request_id", None)
    request_id: str = request_context.get("requestId") or invocation or str(uuid4())
    request_context["requestId"] = request_id
    return request_id
