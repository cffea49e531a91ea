"""Every breaking change is in the changelog, sentence by sentence."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from localdev.document import RELEASED
from tests.e2e.server import ROOT
from tests.openapi.breaking import breaks

Document = dict[str, Any]
USER = "/users/{user_id}"


def test_breaking_changes_are_in_the_changelog(document: Document) -> None:
    """Every break since the last release is in CHANGELOG.md, in the words of the rules."""
    changelog = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    found = breaks(json.loads(RELEASED.read_text()), document)

    assert [sentence for sentence in found if sentence not in changelog] == []


def test_an_unchanged_document_breaks_nothing(document: Document) -> None:
    """A document compared with itself has no breaks."""
    assert breaks(document, deepcopy(document)) == []


def schema(document: Document, name: str) -> Document:
    """Return a component schema."""
    found: Document = document["components"]["schemas"][name]
    return found


def operation(document: Document, method: str, path: str) -> Document:
    """Return an operation."""
    found: Document = document["paths"][path][method]
    return found


BREAKING: dict[str, Callable[[Document], object]] = {
    "`DELETE /users/{user_id}` is gone": lambda new: new["paths"][USER].pop("delete"),
    "`GET /health` is gone": lambda new: new["paths"].pop("/health"),
    "`GET /users` has another operationId": lambda new: operation(new, "get", "/users").update(
        operationId="users"
    ),
    "`GET /health` asks for a token": lambda new: operation(new, "get", "/health").update(
        security=[{"bearer": []}]
    ),
    "`GET /users` no longer knows the parameter `limit`": lambda new: operation(
        new, "get", "/users"
    )["parameters"].pop(0),
    "`DELETE /users/{user_id}` needs the parameter `If-Match`": lambda new: operation(
        new, "delete", USER
    )["parameters"][1].update(required=True),
    "`GET /users` parameter `limit` no longer takes maximum 100": lambda new: operation(
        new, "get", "/users"
    )["parameters"][0]["schema"].update(maximum=50),
    "`PATCH /users/{user_id}` no longer reads `application/json`": lambda new: operation(
        new, "patch", USER
    )["requestBody"]["content"].pop("application/json"),
    "`POST /users` request `status` is required": lambda new: schema(new, "NewUser")[
        "required"
    ].append("status"),
    "`POST /users` request `metadata` is no longer known": lambda new: schema(new, "NewUser")[
        "properties"
    ].pop("metadata"),
    "`POST /users` request `email` no longer takes another pattern": lambda new: schema(
        new, "NewUser"
    )["properties"]["email"].update(pattern="^a"),
    "`POST /users` request `status` no longer takes `suspended`": lambda new: schema(
        new, "UserStatus"
    )["enum"].remove("suspended"),
    "`PATCH /users/{user_id}` request `metadata` no longer takes type null": lambda new: schema(
        new, "UserPatch"
    )["properties"]["metadata"]["anyOf"].pop(),
    "`GET /users/{user_id}` no longer answers 304": lambda new: operation(new, "get", USER)[
        "responses"
    ].pop("304"),
    "`GET /users/{user_id}` 200 no longer has the header `ETag`": lambda new: operation(
        new, "get", USER
    )["responses"]["200"]["headers"].pop("ETag"),
    "`GET /users/{user_id}` 200 answer `name` is gone": lambda new: schema(new, "User")[
        "properties"
    ].pop("name"),
    "`GET /users/{user_id}` 200 answer `name` may be absent": lambda new: schema(new, "User")[
        "required"
    ].remove("name"),
    "`GET /users/{user_id}` 200 answer `version` may be type string": lambda new: schema(
        new, "User"
    )["properties"]["version"].update(type="string"),
    "`GET /users/{user_id}` 200 answer `status` may be `erased`": lambda new: schema(
        new, "UserStatus"
    )["enum"].append("erased"),
    "`GET /docs` 200 is no longer `text/html`": lambda new: operation(new, "get", "/docs")[
        "responses"
    ]["200"]["content"].pop("text/html"),
}


@pytest.mark.parametrize("sentence", BREAKING)
def test_a_break_is_named(document: Document, sentence: str) -> None:
    """Each rule finds its kind of break, and names the place."""
    new = deepcopy(document)
    BREAKING[sentence](new)

    assert sentence in breaks(document, new)


HARMLESS: dict[str, Callable[[Document], object]] = {
    "a new path": lambda new: new["paths"].update({"/new": {}}),
    "a new member that need not be sent": lambda new: schema(new, "NewUser")["properties"].update(
        new={"type": "string"}
    ),
    "a new member of responses": lambda new: schema(new, "User")["properties"].update(
        new={"type": "string"}
    ),
    "a wider bound of requests": lambda new: operation(new, "get", "/users")["parameters"][0][
        "schema"
    ].update(maximum=1000),
    "a new status": lambda new: operation(new, "get", USER)["responses"].update({"410": {}}),
    "another description": lambda new: operation(new, "get", USER).update(description="Else."),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_compatible_changes_are_not_breaks(document: Document, change: str) -> None:
    """Additions that clients can ignore are no breaks."""
    new = deepcopy(document)
    HARMLESS[change](new)

    assert breaks(document, new) == []
