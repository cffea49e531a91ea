"""The document: up to date, consistent with the application, and valid."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import app
from chalicelib.domain.errors import problem_types
from chalicelib.domain.events import event_types
from chalicelib.domain.registry import RESOURCES
from chalicelib.security.permissions import PERMISSIONS, Access
from chalicelib.web.media import PROBLEM_JSON
from chalicelib.web.problem_details import type_of
from localdev.document import DOCUMENT, EVENTS, text
from tests.e2e.server import ROOT
from tests.support.openapi_recorder import Recorder
from tests.support.served import Served, served

Document = dict[str, Any]


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield (method, path, operation)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_the_file_is_up_to_date() -> None:
    """The files of both documents match the application; `make openapi` writes them."""
    assert DOCUMENT.read_text(encoding="utf-8") == text(app.document())
    assert EVENTS.read_text(encoding="utf-8") == text(app.events_document())


def test_every_route_is_documented(document: Document) -> None:
    """The document has exactly the application's routes, without those of another standard.

    Their errors are no problems; SCIM's schemas are at a path of its own (RFC 7643 §7).
    """
    with served() as api:
        routed = {
            (method, path)
            for (method, path), operation in api.module.app.operations.items()
            if operation.handler.__name__ != "unrouted" and operation.error_type == PROBLEM_JSON
        }

    assert {(method, path) for method, path, _ in operations(document)} == routed


def test_tokens_are_required_as_in_the_permission_table(document: Document) -> None:
    """An operation requires a token unless the permission table allows everyone."""
    for method, path, operation in operations(document):
        is_public = PERMISSIONS[method, path] is Access.PUBLIC
        assert operation["security"] == ([] if is_public else [{"bearer": []}])


def test_every_operation_has_texts(document: Document) -> None:
    """Operations, parameters and responses have descriptions, and operation ids are unique."""
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for _, _, operation in operations(document):
        assert re.fullmatch(r"[A-Z].*[^.]", operation["summary"])
        assert all(parameter["description"] for parameter in operation["parameters"])


def test_every_example_is_valid(document: Document) -> None:
    """Each example of a body, parameter or header is valid by its schema."""
    recorder = Recorder(document)
    examples = list(_examples(document))

    assert len(examples) > 40
    for place, example, schema in examples:
        recorder.validate(place, example, schema)


def _examples(node: Any, place: str = "") -> Iterator[tuple[str, Any, Document]]:
    """Yield each example with its schema."""
    if isinstance(node, dict):
        if "schema" in node:
            given = [one["value"] for one in node.get("examples", {}).values()]
            given += [node["example"]] if "example" in node else []
            yield from ((place, example, node["schema"]) for example in given)
        if isinstance(node.get("examples"), list):
            yield from ((place, example, node) for example in node["examples"])
        for key, part in node.items():
            yield from _examples(part, f"{place}/{key}")
    elif isinstance(node, list):
        for index, part in enumerate(node):
            yield from _examples(part, f"{place}/{index}")


def test_every_schema_is_a_schema(document: Document) -> None:
    """Components are valid JSON Schemas of the dialect of OpenAPI 3.1."""
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_problems_match_the_problem_table(document: Document) -> None:
    """The document names only problems that the API has, with their explanations."""
    types = set(re.findall(r'"(/problems/[a-z-]+)"', json.dumps(document)))
    texts = json.dumps(document, ensure_ascii=False)

    assert types <= {type_of(problem) for problem in problem_types()}
    assert all(
        json.dumps(problem.explanation, ensure_ascii=False)[1:-1] in texts
        for problem in problem_types()
        if type_of(problem) in types
    )


def test_types_of_events_are_listed(document: Document) -> None:
    """A webhook may name each type that a change makes; deliveries also have the test's type."""
    schemas = document["components"]["schemas"]
    named, sent = schemas["ChangeEventType"]["enum"], schemas["EventType"]["enum"]

    assert named == event_types(RESOURCES)
    assert {"user.created", "order.paid"} < set(named)
    assert sent == [*named, "webhook.test"]
    for shape in ("NewWebhook", "WebhookPatch", "Webhook"):
        items = schemas[shape]["properties"]["event_types"]["items"]
        assert items["$ref"] == "#/components/schemas/ChangeEventType"
    for shape, member in (("Delivery", "event_type"), ("CloudEvent", "type")):
        assert schemas[shape]["properties"][member]["$ref"] == "#/components/schemas/EventType"


def test_fields_that_the_server_sets_are_read_only(document: Document) -> None:
    """Fields set by the server are read-only, and absent from requests."""
    user = document["components"]["schemas"]["User"]["properties"]
    read_only = {name for name, schema in user.items() if schema.get("readOnly")}

    assert read_only == {"user_id", "created_at", "updated_at", "version"}
    assert not read_only & document["components"]["schemas"]["NewUser"]["properties"].keys()


def test_responses_have_links(document: Document) -> None:
    """A response that shows an entity links to every operation whose path takes just its ids."""
    created = document["paths"]["/users"]["post"]["responses"]["201"]["links"]
    ordered = document["paths"]["/users/{user_id}/orders"]["post"]["responses"]["201"]["links"]

    assert set(created) == taking(document, {"user_id"})
    assert set(created) >= {"createOrder", "deleteUser", "getUser", "patchUser", "updateUser"}
    assert set(ordered) == taking(document, {"user_id", "order_id"})
    assert set(ordered) == {"getOrderDetails", "listOrderHistory", "patchOrder"}


def taking(document: Document, names: set[str]) -> set[str]:
    """Return the ids of the operations whose path parameters are those."""
    return {
        operation["operationId"]
        for _, path, operation in operations(document)
        if set(re.findall(r"{(\w+)}", path)) == names
    }


def test_the_version_is_the_projects(document: Document) -> None:
    """The document has the version of pyproject.toml and the licence of LICENSE."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert document["info"]["version"] == project["version"]
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_a_cold_start_does_not_load_the_document() -> None:
    """The app does not load the modules of the document and its examples."""
    listed = "[name for name in sys.modules if name.startswith('chalicelib.openapi')]"
    program = f"import sys, app; print({listed})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "[]"


def test_the_document_is_made_once() -> None:
    """The second response is the same object that the first request made."""
    with served() as api:
        assert api.module.document() is api.module.document()


def test_the_service_info_links_to_the_document() -> None:
    """GET / links to the document and the page, and both exist."""
    with served() as api:
        front = api.call("GET", "/").body

        assert api.call("GET", front["openapi"]).body["openapi"] == "3.1.1"
        assert api.call("GET", front["docs"]).headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("base", ["", "/api"])
def test_the_page_works_under_any_stage(base: str) -> None:
    """The page's links start with the API's base path, and the document's server is relative."""
    with served() as api:
        page = _at(api, base)
        document = api.call("GET", "/openapi.json").body

    assert f'href="{base}/openapi.json"' in page
    assert f'src="{base}/docs/page.js"' in page
    assert [server["url"] for server in document["servers"]] == ["."]


def _at(api: Served, base: str) -> str:
    """Return the page behind a stage or domain with the base path `base`."""
    event = api.gateway.event("GET", "/docs", [], b"")
    event["requestContext"]["path"] = f"{base}/docs"
    body: str = api.module.app(event, None)["body"]
    return body


def test_every_parameter_is_bounded(document: dict[str, Any]) -> None:
    """Each path, query and header parameter has bounds, not only a type."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for parameter in operation.get("parameters", ()):
                schema = parameter["schema"]
                choices = schema.get("anyOf", [schema])
                for one in choices:
                    choice = one
                    if "$ref" in choice:
                        name = choice["$ref"].rpartition("/")[2]
                        choice = document["components"]["schemas"][name]
                    bounded = {"pattern", "enum", "const", "format", "minimum"} & choice.keys()
                    lengths = {"minLength", "maxLength"} <= choice.keys()
                    place = (method, path, parameter["name"], choice)
                    assert bounded or lengths or choice.get("type") == "null", place
