"""API Gateway's own error responses, as the problem details that the application sends.

API Gateway rejects some requests before they reach a function, and responds itself when a function
fails. Each type of response can be given headers and a body. They are built here from
`chalicelib.domain.errors`, so that clients see the same problems from both.
https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from chalicelib.domain.errors import (
    BadRequest,
    ContentTooLarge,
    Forbidden,
    GatewayTimeout,
    InternalError,
    Problem,
    ServiceNotFound,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from chalicelib.web.cors import EXPOSED_HEADERS
from chalicelib.web.problem_details import describe

EXTENSION = "x-amazon-apigateway-gateway-responses"
"""The member of a Swagger document that holds the responses.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html
"""

_INTERNAL_ERROR = InternalError()
_ACCESS_DENIED = Forbidden("Access to this resource is denied.")
_BAD_CREDENTIALS = Forbidden("The credentials of this request are not accepted here.")
_JSON_ONLY = UnsupportedMediaType(("application/json",))

PROBLEMS: Mapping[str, Problem] = {
    "ACCESS_DENIED": _ACCESS_DENIED,
    "API_CONFIGURATION_ERROR": _INTERNAL_ERROR,
    "AUTHORIZER_CONFIGURATION_ERROR": _INTERNAL_ERROR,
    "AUTHORIZER_FAILURE": _INTERNAL_ERROR,
    "BAD_REQUEST_BODY": BadRequest(),
    "BAD_REQUEST_PARAMETERS": BadRequest(),
    "DEFAULT_4XX": BadRequest(),
    "DEFAULT_5XX": _INTERNAL_ERROR,
    "EXPIRED_TOKEN": _BAD_CREDENTIALS,
    # The function could not be invoked, for example because it is throttled.
    "INTEGRATION_FAILURE": Unavailable(),
    "INTEGRATION_TIMEOUT": GatewayTimeout(),
    "INVALID_API_KEY": _BAD_CREDENTIALS,
    "INVALID_SIGNATURE": _BAD_CREDENTIALS,
    # API Gateway's name for an unknown path or method.
    "MISSING_AUTHENTICATION_TOKEN": ServiceNotFound(),
    "QUOTA_EXCEEDED": TooManyRequests(),
    "REQUEST_TOO_LARGE": ContentTooLarge(),
    "RESOURCE_NOT_FOUND": ServiceNotFound(),
    "THROTTLED": TooManyRequests(),
    "UNAUTHORIZED": Unauthenticated(),
    "UNSUPPORTED_MEDIA_TYPE": _JSON_ONLY,
    "WAF_FILTERED": _ACCESS_DENIED,
}


class GatewayResponse(NamedTuple):
    """One type of response, with the parameters of API Gateway's PutGatewayResponse.

    `headers` maps names to expressions: a literal in single quotes, or a variable.
    https://docs.aws.amazon.com/apigateway/latest/api/API_PutGatewayResponse.html
    """

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def parameters(self) -> dict[str, str]:
        """The headers as `responseParameters`."""
        return {f"gatewayresponse.header.{name}": value for name, value in self.headers.items()}

    @property
    def templates(self) -> dict[str, str]:
        """The body as `responseTemplates`; the only template is used for any Accept header."""
        return {"application/json": self.body}


def gateway_responses(origins: Iterable[str]) -> dict[str, GatewayResponse]:
    """Return the response for each type; `origins` are the allowed CORS origins."""
    cors = _cors_headers(sorted(origins))
    return {name: _response(problem, cors) for name, problem in PROBLEMS.items()}


def as_extension(responses: Mapping[str, GatewayResponse]) -> dict[str, object]:
    """Return the responses as the value of `EXTENSION` in a Swagger document."""
    return {
        name: {
            "statusCode": str(response.status),
            "responseParameters": response.parameters,
            "responseTemplates": response.templates,
        }
        for name, response in responses.items()
    }


def _response(problem: Problem, cors: Mapping[str, str]) -> GatewayResponse:
    body = msgspec.to_builtins(describe(problem, "$context.requestId"))
    headers = {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        **problem.headers,
    }
    return GatewayResponse(
        problem.status,
        {
            **{name: f"'{value}'" for name, value in headers.items()},
            "x-request-id": "context.requestId",
            **cors,
        },
        json.dumps(body),
    )


def _cors_headers(origins: list[str]) -> dict[str, str]:
    """Return the CORS headers.

    API Gateway cannot check the request's origin against a list. With several origins it allows
    any: all that another origin can read is an error response.
    """
    if not origins:
        return {}
    single = len(origins) == 1
    return {
        "Access-Control-Allow-Origin": (
            f"'{origins[0]}'" if single else "method.request.header.Origin"
        ),
        "Access-Control-Expose-Headers": f"'{EXPOSED_HEADERS}'",
        "Vary": "'Origin'",
    }
