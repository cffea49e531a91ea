"""The recorder: what it accepts, what it rejects, and what it reports as unseen."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.openapi_recorder import Recorder

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/items/{id}": {
            "get": {
                "responses": {
                    "200": {
                        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                        },
                    },
                    "304": {},
                    "404": {
                        "content": {
                            "application/problem+json": {
                                "schema": {
                                    "$ref": "#/components/schemas/ProblemDetails",
                                    "properties": {"type": {"enum": ["/problems/gone"]}},
                                }
                            }
                        }
                    },
                }
            }
        }
    },
    "components": {
        "headers": {"ETag": {"required": True, "schema": {"type": "string", "pattern": '^".*"$'}}},
        "schemas": {
            "Thing": {"type": "object", "required": ["id"]},
            "ProblemDetails": {"type": "object", "required": ["type"]},
        },
    },
}
JSON = {"Content-Type": "application/json; charset=utf-8", "etag": '"1"'}
PROBLEM = {"content-type": "application/problem+json"}
ALL = [
    "GET /items/{id} 200 application/json",
    "GET /items/{id} 304",
    "GET /items/{id} 404 /problems/gone",
]


def test_a_recorded_response_is_no_longer_unseen() -> None:
    """Each recorded response leaves the list of unseen ones, until it is empty."""
    recorder = Recorder(DOCUMENT)
    assert recorder.unseen == ALL

    recorder.record("GET", "/items/1?a=b", 200, JSON, '{"id": 1}')
    recorder.record("GET", "/items/1/", 304, {}, "")
    assert recorder.unseen == ALL[2:]

    recorder.record("GET", "/items/1", 404, PROBLEM, '{"type": "/problems/gone"}')
    assert recorder.unseen == []


@pytest.mark.parametrize(
    ("method", "path", "status", "headers", "body"),
    [
        ("GET", "/items/1", 201, JSON, '{"id": 1}'),
        ("GET", "/items/1", 200, JSON, "{}"),
        ("GET", "/items/1", 200, {"Content-Type": "application/json"}, '{"id": 1}'),
        ("GET", "/items/1", 200, {**JSON, "etag": "1"}, '{"id": 1}'),
        ("GET", "/items/1", 200, {**JSON, "Content-Type": "text/html"}, '{"id": 1}'),
        ("GET", "/items/1", 304, {}, "{}"),
        ("GET", "/items/1", 404, PROBLEM, '{"type": "/problems/another"}'),
        ("HEAD", "/items/1", 200, JSON, '{"id": 1}'),
        ("PUT", "/items/1", 200, JSON, '{"id": 1}'),
        ("PUT", "/items/1", 405, PROBLEM, '{"type": "/problems/not-allowed"}'),
        ("GET", "/other", 200, JSON, '{"id": 1}'),
        ("GET", "/other", 404, PROBLEM, "{}"),
    ],
)
def test_an_undocumented_response_fails(
    method: str, path: str, status: int, headers: Mapping[str, str], body: str
) -> None:
    """An undocumented status, header, media type, body or route is rejected."""
    with pytest.raises(AssertionError):
        Recorder(DOCUMENT).record(method, path, status, headers, body)


def test_responses_without_an_operation_are_checked() -> None:
    """HEAD counts as GET; preflights, 405 and 404 are empty or problems."""
    recorder = Recorder(DOCUMENT)

    recorder.record("HEAD", "/items/1", 200, JSON, "")
    recorder.record("OPTIONS", "/items/1", 204, {"Allow": "GET"}, "")
    recorder.record("PUT", "/items/1", 405, {"Allow": "GET", **PROBLEM}, '{"type": "/a"}')
    recorder.record("GET", "/other", 404, PROBLEM, '{"type": "/problems/service-not-found"}')

    assert recorder.unseen == ALL
