"""Checks every response that a test sees against the API's document.

A response that the document does not allow fails the test that saw it. `unseen` lists the
documented responses that no test has seen. Routes whose errors are not problems follow another
specification, such as SCIM's, and are not in the document.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib import import_module
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from chalicelib.web.media import PROBLEM_JSON

_DOCUMENT = "urn:openapi"


class Recorder:
    """Records the responses of an OpenAPI document (3.1), and rejects undocumented ones.

    A response is identified by operation, status, and problem type or media type:
    ``POST /users 409 /problems/email-taken``. `elsewhere` are the paths below which another
    specification describes the responses, each with the media type of all of them.
    """

    def __init__(
        self, document: Mapping[str, Any], elsewhere: Mapping[str, str] | None = None
    ) -> None:
        self._document = document
        self._elsewhere = dict(elsewhere or {})
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(_DOCUMENT, resource)
        self._validators: dict[str, Draft202012Validator] = {}
        self._seen: set[str] = set()

    def record(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: str
    ) -> None:
        """Record one response; `path` may have a query.

        Raises AssertionError if the document does not allow it, and says why.
        """
        fields = {name.lower(): value for name, value in headers.items()}
        template = self._template(path.partition("?")[0])
        place = f"{method} {template or path} {status}"
        operations = self._document["paths"].get(template, {})
        # HEAD responds as GET does, without the body (RFC 9110 §9.3.2).
        operation = operations.get("get" if method == "HEAD" else method.lower())
        other = next((kind for at, kind in self._elsewhere.items() if path.startswith(at)), None)
        if operation is None and template is None and other is not None:
            _check_elsewhere(place, fields, body, other)
            return
        if operation is None:
            self._check_unrouted(place, fields, body, has_path=bool(operations))
            return
        assert str(status) in operation["responses"], f"{place} is not documented"
        response = self._resolved(operation["responses"][str(status)])
        self._check_headers(place, response.get("headers", {}), fields)
        if method == "HEAD":
            assert not body, f"{place} has a body"
            return
        self._seen.add(f"{place} {self._check_body(place, response, fields, body)}".rstrip())

    @property
    def unseen(self) -> list[str]:
        """The documented responses that no test has seen."""
        return sorted(set(self.documented) - self._seen)

    @cached_property
    def documented(self) -> list[str]:
        """Every response of the document."""
        return [
            f"{method.upper()} {path} {status} {kind}".rstrip()
            for path, operations in self._document["paths"].items()
            for method, operation in operations.items()
            for status, response in operation["responses"].items()
            for kind in _kinds(self._resolved(response))
        ]

    def _check_unrouted(
        self, place: str, fields: Mapping[str, str], body: str, *, has_path: bool
    ) -> None:
        """Check the response where there is no operation: a preflight, 405 or 404."""
        method, *_, status = place.split(" ")
        if has_path:
            assert status in {"204", "405"}, f"{place}: no such operation is documented"
            assert fields.get("allow"), f"{place} has no Allow"
        else:
            assert status == "404", f"{place}: no such path is documented"
        if method == "HEAD" or status == "204":
            assert not body, f"{place} has a body"
        else:
            self.validate(place, json.loads(body), "/components/schemas/ProblemDetails")

    def _check_headers(
        self, place: str, documented: Mapping[str, Any], fields: Mapping[str, str]
    ) -> None:
        for name, reference in documented.items():
            header = self._resolved(reference)
            value = fields.get(name.lower())
            assert value is not None or not header.get("required"), f"{place} has no {name}"
            if value is not None:
                self.validate(f"{place} {name}", value, header["schema"])

    def _check_body(
        self, place: str, response: Mapping[str, Any], fields: Mapping[str, str], body: str
    ) -> str:
        """Return what distinguishes the response from others with its status."""
        if "content" not in response:
            assert not body, f"{place} has a body"
            return ""
        media_type = fields.get("content-type", "").partition(";")[0]
        assert media_type in response["content"], f"{place}: {media_type!r} is not documented"
        schema = response["content"][media_type]["schema"]
        value: Any = json.loads(body) if media_type.endswith("json") else body
        self.validate(place, value, schema)
        return str(value["type"]) if media_type == PROBLEM_JSON else media_type

    def validate(self, place: str, value: object, schema: str | Mapping[str, Any]) -> None:
        """Validate the value by the schema, which may refer to the document.

        Raises AssertionError that lists all errors.
        """
        key = json.dumps(schema)
        if key not in self._validators:
            # References are relative to the document, as if the schema were still inside it.
            whole = {"$ref": schema} if isinstance(schema, str) else schema
            text = re.sub(r'"\$ref": "#?/', f'"$ref": "{_DOCUMENT}#/', json.dumps(whole))
            self._validators[key] = Draft202012Validator(
                json.loads(text), registry=self._registry, format_checker=FormatChecker()
            )
        found = self._validators[key].iter_errors(value)
        errors = "; ".join(f"{error.json_path}: {error.message}" for error in found)
        assert not errors, f"{place}: {errors}"

    def _template(self, path: str) -> str | None:
        """Return the documented path that matches `path`; literal segments take precedence."""
        asked = path.removesuffix("/") or "/"
        return next((one for one, shape in self._templates if shape.fullmatch(asked)), None)

    @cached_property
    def _templates(self) -> list[tuple[str, re.Pattern[str]]]:
        return [
            (template, re.compile(re.sub(r"\\{\w+\\}", "[^/]*", re.escape(template))))
            for template in sorted(self._document["paths"], key=lambda one: one.count("{"))
        ]

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            found: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node


@cache
def recorder() -> Recorder:
    """Return the recorder of this run, to which the tests' client reports every response."""
    # The document is the same for all settings of the tests.
    module = import_module("app")
    elsewhere = {
        path.removesuffix("{proxy+}"): operation.error_type
        for (_, path), operation in module.app.operations.items()
        if operation.error_type != PROBLEM_JSON
    }
    return Recorder(json.loads(bytes(module.document())), elsewhere)


def _check_elsewhere(place: str, fields: Mapping[str, str], body: str, media_type: str) -> None:
    """Check the response of a route that another specification describes.

    What is refused before the route is reached, for its token or its form, is a problem.
    """
    method, *_, status = place.split(" ")
    given = fields.get("content-type")
    if method == "HEAD" or status in {"204", "304"}:
        assert not body, f"{place} has a body"
        assert given in {None, media_type, PROBLEM_JSON}, f"{place}: {given!r}"
    else:
        kinds = {media_type, PROBLEM_JSON} if status >= "400" else {media_type}
        assert given in kinds, f"{place}: {given!r}"
        assert isinstance(json.loads(body), dict), f"{place}: {body[:100]}"


def _kinds(response: Mapping[str, Any]) -> Iterator[str]:
    """Yield what distinguishes the responses of one status."""
    for media_type, media in response.get("content", {"": {}}).items():
        if media_type == PROBLEM_JSON:
            yield from media["schema"]["properties"]["type"]["enum"]
        else:
            yield media_type
