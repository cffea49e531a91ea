"""The recorder: what it lets pass, what it refuses, and what it misses."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.openapi_recorder import Recorder

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/things/{id}": {
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
    "GET /things/{id} 200 application/json",
    "GET /things/{id} 304",
    "GET /things/{id} 404 /problems/gone",
]


def test_what_was_seen_is_no_longer_missed() -> None:
    """Each answer that a test sees is taken from the list, until the list is empty."""
    recorder = Recorder(DOCUMENT)
    assert recorder.unseen == ALL

    recorder.record("GET", "/things/1?a=b", 200, JSON, '{"id": 1}')
    recorder.record("GET", "/things/1/", 304, {}, "")
    assert recorder.unseen == ALL[2:]

    recorder.record("GET", "/things/1", 404, PROBLEM, '{"type": "/problems/gone"}')
    assert recorder.unseen == []


@pytest.mark.parametrize(
    ("method", "path", "status", "headers", "body"),
    [
        ("GET", "/things/1", 201, JSON, '{"id": 1}'),
        ("GET", "/things/1", 200, JSON, "{}"),
        ("GET", "/things/1", 200, {"Content-Type": "application/json"}, '{"id": 1}'),
        ("GET", "/things/1", 200, {**JSON, "etag": "1"}, '{"id": 1}'),
        ("GET", "/things/1", 200, {**JSON, "Content-Type": "text/html"}, '{"id": 1}'),
        ("GET", "/things/1", 304, {}, "{}"),
        ("GET", "/things/1", 404, PROBLEM, '{"type": "/problems/another"}'),
        ("HEAD", "/things/1", 200, JSON, '{"id": 1}'),
        ("PUT", "/things/1", 200, JSON, '{"id": 1}'),
        ("PUT", "/things/1", 405, PROBLEM, '{"type": "/problems/not-allowed"}'),
        ("GET", "/other", 200, JSON, '{"id": 1}'),
        ("GET", "/other", 404, PROBLEM, "{}"),
    ],
)
def test_what_the_document_does_not_allow_fails(
    method: str, path: str, status: int, headers: Mapping[str, str], body: str
) -> None:
    """Another status, header, media type or body is refused, and so is another route."""
    with pytest.raises(AssertionError):
        Recorder(DOCUMENT).record(method, path, status, headers, body)


def test_what_no_route_takes_is_known_too() -> None:
    """HEAD goes with GET; preflights, 405 and 404 are problems or empty, and no operations."""
    recorder = Recorder(DOCUMENT)

    recorder.record("HEAD", "/things/1", 200, JSON, "")
    recorder.record("OPTIONS", "/things/1", 204, {"Allow": "GET"}, "")
    recorder.record("PUT", "/things/1", 405, {"Allow": "GET", **PROBLEM}, '{"type": "/a"}')
    recorder.record("GET", "/other", 404, PROBLEM, '{"type": "/problems/service-not-found"}')

    assert recorder.unseen == ALL
