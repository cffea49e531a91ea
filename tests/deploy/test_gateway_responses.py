"""API Gateway's own error responses, built from the application's problems."""

import json

import pytest

from chalicelib.domain.errors import problem_types
from chalicelib.web.problem_details import type_of
from deployment.gateway_responses import PROBLEMS, as_extension, gateway_responses

# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
RESPONSE_TYPES = {
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
}


def test_every_type_is_a_problem() -> None:
    """Each type of API Gateway's own responses has a problem of the application."""
    assert set(PROBLEMS) == RESPONSE_TYPES


@pytest.mark.parametrize("kind", sorted(RESPONSE_TYPES))
def test_a_body_is_a_problem(kind: str) -> None:
    """A body has the members of a problem, a documented type, and its status."""
    response = gateway_responses([])[kind]
    body = json.loads(response.body)
    assert list(body) == ["type", "title", "status", "detail", "message", "request_id"]
    assert body["status"] == response.status
    assert (body["type"], response.status) in {(type_of(p), p.status) for p in problem_types()}
    # The only variable. API Gateway would take another dollar sign for one.
    assert response.body.count("$") == 1
    assert body["request_id"] == "$context.requestId"
    assert response.headers["x-request-id"] == "context.requestId"
    assert response.headers["Content-Type"] == "'application/problem+json'"


def test_errors_have_their_headers() -> None:
    """A 401 has the challenge of RFC 6750, and a 429 has Retry-After."""
    responses = gateway_responses([])
    challenge = responses["UNAUTHORIZED"].headers["WWW-Authenticate"]
    assert challenge == "'Bearer error=\"invalid_token\"'"
    assert responses["THROTTLED"].headers["Retry-After"] == "'1'"


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        ([], None),
        (["https://a.example"], "'https://a.example'"),
        (["https://a.example", "https://b.example"], "method.request.header.Origin"),
    ],
)
def test_web_pages_can_read_them(origins: list[str], allowed: str | None) -> None:
    """Configured origins can read every response; without any, no origin can."""
    for response in gateway_responses(origins).values():
        assert response.headers.get("Access-Control-Allow-Origin") == allowed


def test_swagger_has_them() -> None:
    """In a Swagger document the responses have the form that API Gateway documents."""
    extension = as_extension(gateway_responses([]))
    assert json.loads(json.dumps(extension["THROTTLED"]))["statusCode"] == "429"
