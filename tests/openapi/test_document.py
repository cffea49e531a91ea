"""The document: up to date, true to the application, and right in itself."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chalicelib.security.permissions import PERMISSIONS, Admits
from chalicelib.web.problem_details import KINDS
from localdev.document import DOCUMENT, text
from tests.e2e.server import ROOT
from tests.openapi_recorder import Recorder
from tests.served import Served, served

Document = dict[str, Any]


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield (method, path, operation)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_the_file_is_up_to_date() -> None:
    """docs/openapi.json is what the application says now; `make openapi` writes it."""
    assert DOCUMENT.read_text(encoding="utf-8") == text()


def test_every_route_is_described(document: Document) -> None:
    """What the application routes and what the document describes is the same."""
    with served() as api:
        routed = {
            (method, path)
            for path, methods in api.module.app.routes.items()
            for method, entry in methods.items()
            if entry.view_name != "unrouted" and method != "HEAD"
        }

    assert {(method, path) for method, path, _ in operations(document)} == routed


def test_tokens_are_asked_for_where_the_table_says(document: Document) -> None:
    """An operation needs a token exactly where the table does not admit everybody."""
    for method, path, operation in operations(document):
        is_public = PERMISSIONS[method, path] is Admits.EVERYBODY
        assert operation["security"] == ([] if is_public else [{"bearer": []}])


def test_every_operation_is_told_in_words(document: Document) -> None:
    """Operations, parameters and answers have texts, and no two operations one id."""
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for _, _, operation in operations(document):
        assert re.fullmatch(r"[A-Z].*[^.]", operation["summary"])
        assert all(parameter["description"] for parameter in operation["parameters"])


def test_every_example_is_valid(document: Document) -> None:
    """Each example of a body, parameter or header fits its schema."""
    recorder = Recorder(document)
    examples = list(_examples(document))

    assert len(examples) > 40
    for place, example, schema in examples:
        recorder.validate(place, example, schema)


def _examples(node: Any, place: str = "") -> Iterator[tuple[str, Any, Document]]:
    """Yield each example beside a schema, and the schema."""
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
    """Components are JSON Schemas of the dialect that OpenAPI 3.1 builds on."""
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_problems_are_those_of_the_table(document: Document) -> None:
    """The document names no problem that the API does not have, and explains each in its words."""
    types = set(re.findall(r'"(/problems/[a-z-]+)"', json.dumps(document)))
    texts = json.dumps(document, ensure_ascii=False)

    assert types <= {kind.type for kind in KINDS.values()}
    assert all(
        json.dumps(kind.explanation, ensure_ascii=False)[1:-1] in texts
        for kind in KINDS.values()
        if kind.type in types
    )


def test_what_the_server_sets_is_marked(document: Document) -> None:
    """Members that clients only read are read-only, and no request has them."""
    user = document["components"]["schemas"]["User"]["properties"]
    read_only = {name for name, schema in user.items() if schema.get("readOnly")}

    assert read_only == {"user_id", "created_at", "updated_at", "version"}
    assert not read_only & document["components"]["schemas"]["NewUser"]["properties"].keys()


def test_answers_lead_on(document: Document) -> None:
    """A created user links to what can be done with it, an order to its own operations."""
    created = document["paths"]["/users"]["post"]["responses"]["201"]["links"]
    ordered = document["paths"]["/users/{user_id}/orders"]["post"]["responses"]["201"]["links"]

    assert set(created) == {
        "createOrder",
        "deleteUser",
        "getUser",
        "getUserOrders",
        "patchUser",
        "updateUser",
    }
    assert set(ordered) == {"getOrderDetails", "patchOrder"}


def test_the_version_is_the_project_s(document: Document) -> None:
    """The document's version is the one in pyproject.toml, the licence that of LICENSE."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert document["info"]["version"] == project["version"]
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_a_cold_start_does_not_pay_for_it() -> None:
    """Neither the module that makes the document nor its examples are loaded with the app."""
    listed = "[name for name in sys.modules if name.startswith('chalicelib.openapi')]"
    program = f"import sys, app; print({listed})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "[]"


def test_it_is_made_once() -> None:
    """The second request is answered with the same text, made by the first."""
    with served() as api:
        assert api.module.document() is api.module.document()


def test_the_front_page_leads_to_it() -> None:
    """GET / names the document and the page, and both answer."""
    with served() as api:
        front = api.call("GET", "/").body

        assert api.call("GET", front["openapi"]).body["openapi"] == "3.1.1"
        assert api.call("GET", front["docs"]).headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("base", ["", "/api"])
def test_it_works_under_any_stage(base: str) -> None:
    """The page's addresses start where the API's do, and the document's server is relative."""
    with served() as api:
        page = _at(api, base)
        document = api.call("GET", "/openapi.json").body

    assert f'href="{base}/openapi.json"' in page
    assert f'src="{base}/docs/page.js"' in page
    assert [server["url"] for server in document["servers"]] == ["."]


def _at(api: Served, base: str) -> str:
    """Return the page as it is behind a stage or domain whose paths begin with `base`."""
    event = api.gateway.event("GET", "/docs", [], b"")
    event["requestContext"]["path"] = f"{base}/docs"
    body: str = api.module.app(event, None)["body"]
    return body


def test_every_parameter_says_what_the_server_takes(document: dict[str, Any]) -> None:
    """Each path, query and header parameter is bounded: a type alone would promise too much."""
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
