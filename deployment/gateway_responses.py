"""What API Gateway answers by itself, as the problems that the application answers with.

API Gateway refuses some requests before any function sees them, and answers when a function fails.
Each kind of such an answer can be given a body and headers; they are made here from
`chalicelib.domain.errors`, so that a client cannot tell where a problem was born.
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
    Problem,
    ServiceNotFound,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from chalicelib.web.cors import EXPOSED_HEADERS
from chalicelib.web.problem_details import describe, kind_of

EXTENSION = "x-amazon-apigateway-gateway-responses"
"""Where a Swagger document has them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.html
"""

_FAULT = Exception()
_BARRED = Forbidden("This request is not let in.")
_NO_CREDENTIALS = Forbidden("The credentials of this request are not accepted here.")
_JSON_ONLY = UnsupportedMediaType(("application/json",))

PROBLEMS: Mapping[str, Exception] = {
    "ACCESS_DENIED": _BARRED,
    "API_CONFIGURATION_ERROR": _FAULT,
    "AUTHORIZER_CONFIGURATION_ERROR": _FAULT,
    "AUTHORIZER_FAILURE": _FAULT,
    "BAD_REQUEST_BODY": BadRequest(),
    "BAD_REQUEST_PARAMETERS": BadRequest(),
    "DEFAULT_4XX": BadRequest(),
    "DEFAULT_5XX": _FAULT,
    "EXPIRED_TOKEN": _NO_CREDENTIALS,
    # The function could not be called, for one when it has no more room for requests.
    "INTEGRATION_FAILURE": Unavailable(),
    "INTEGRATION_TIMEOUT": GatewayTimeout(),
    "INVALID_API_KEY": _NO_CREDENTIALS,
    "INVALID_SIGNATURE": _NO_CREDENTIALS,
    # API Gateway's name for a path or a method that it does not have.
    "MISSING_AUTHENTICATION_TOKEN": ServiceNotFound(),
    "QUOTA_EXCEEDED": TooManyRequests(),
    "REQUEST_TOO_LARGE": ContentTooLarge(),
    "RESOURCE_NOT_FOUND": ServiceNotFound(),
    "THROTTLED": TooManyRequests(),
    "UNAUTHORIZED": Unauthenticated(),
    "UNSUPPORTED_MEDIA_TYPE": _JSON_ONLY,
    "WAF_FILTERED": _BARRED,
}


class GatewayResponse(NamedTuple):
    """One kind of answer, in the words of API Gateway's PutGatewayResponse.

    `headers` maps names to expressions: a text in single quotes, or where to take it from.
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
        """The body as `responseTemplates`; the one template serves whatever the client accepts."""
        return {"application/json": self.body}


def gateway_responses(origins: Iterable[str]) -> dict[str, GatewayResponse]:
    """Return the answer for each kind; `origins` are the web origins that may read them."""
    cross_origin = _cross_origin(sorted(origins))
    return {name: _response(problem, cross_origin) for name, problem in PROBLEMS.items()}


def as_extension(responses: Mapping[str, GatewayResponse]) -> dict[str, object]:
    """Return the answers as the member `EXTENSION` of a Swagger document."""
    return {
        name: {
            "statusCode": str(response.status),
            "responseParameters": response.parameters,
            "responseTemplates": response.templates,
        }
        for name, response in responses.items()
    }


def _response(problem: Exception, cross_origin: Mapping[str, str]) -> GatewayResponse:
    body = msgspec.to_builtins(describe(problem, "$context.requestId"))
    own = problem.headers if isinstance(problem, Problem) else {}
    fixed = {"Content-Type": "application/problem+json", "Cache-Control": "no-store", **own}
    return GatewayResponse(
        kind_of(problem).status,
        {
            **{name: f"'{value}'" for name, value in fixed.items()},
            "x-request-id": "context.requestId",
            **cross_origin,
        },
        json.dumps(body),
    )


def _cross_origin(origins: list[str]) -> dict[str, str]:
    """Return the CORS headers.

    API Gateway cannot choose among several origins, only name one or repeat the request's. It
    repeats it where there are several: what another origin could read then is that it was refused.
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
