"""Suites that others wrote to test SCIM servers pass whole, on every engine.

- https://scim2-tester.readthedocs.io/, by ``scim2 test``
- https://github.com/thomaselliottbetz/scim-sanity, in its strict mode
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localdev.emulators import Emulators
from tests.e2e.server import Server
from tests.scim.provisioner import bulk_of
from tests.scim.servers import ENGINES, serving

_BIN = Path(sys.executable).parent

# How often each check runs: it would be less if a suite took an attribute or an endpoint for
# absent. Attributes are added, removed and replaced one by one.
CHECKS = {
    "access_invalid_resource_type": 1,
    "access_invalid_schema": 1,
    "access_schema_by_id": 2,
    "check_add_attribute": 4,
    "check_remove_attribute": 4,
    "check_replace_attribute": 9,
    "object_creation": 2,
    "object_deletion": 2,
    "object_list_with_attributes": 4,
    "object_query": 2,
    "object_query_with_attributes": 4,
    "object_query_without_id": 2,
    "object_replacement": 2,
    "query_all_resource_types": 1,
    "query_all_schemas": 1,
    "query_resource_type_by_id": 2,
    "random_url": 1,
    "resource_types_endpoint_methods": 4,
    "resource_types_schema_validation": 2,
    "schemas_endpoint_methods": 4,
    "search_with_attributes": 4,
    "service_provider_config_endpoint": 1,
    "service_provider_config_endpoint_methods": 4,
}
PROBES = {
    "Phase 1 \u2014 Discovery": 3,
    "Phase 2 \u2014 User CRUD Lifecycle": 8,
    "Phase 3 \u2014 Group CRUD Lifecycle": 10,
    "Phase 6 \u2014 Search": 4,
    "Phase 7 \u2014 Error Handling": 3,
}


@pytest.fixture(scope="module", params=ENGINES)
def server(
    request: pytest.FixtureRequest, engines: Emulators, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Run an open server on each engine."""
    with serving(request.param, engines, tmp_path_factory.mktemp("suites")) as started:
        yield started


def test_scim2_tester_passes(server: Server) -> None:
    """Every check of scim2-tester succeeds, none is left out."""
    done = run(str(_BIN / "scim2"), "--url", f"{server.url}/scim/v2", "test")

    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if not line.startswith(" ")]
    outcomes = [line for line in lines if len(line) == 2]
    assert {status for status, _ in outcomes} == {"SUCCESS"}, done.stdout
    assert Counter(title for _, title in outcomes) == CHECKS


def test_scim_sanity_passes(server: Server) -> None:
    """Every probe of scim-sanity passes; it skips what this server does not announce."""
    url = f"{server.url}/scim/v2"
    options = ["--token", "x", "--strict", "--i-accept-side-effects", "--json-output"]
    done = run(str(_BIN / "scim-sanity"), "probe", url, *options)

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["mode"] == "strict"
    assert report["issues"] == []
    passed = [probe for probe in report["results"] if probe["status"] == "pass"]
    others = [probe for probe in report["results"] if probe["status"] != "pass"]
    assert Counter(probe["phase"] for probe in passed) == PROBES
    assert {probe["status"] for probe in others} == {"skip"}
    assert all("Agent" in probe["name"] for probe in others), others


def test_scim2_cli_manages_users_and_groups(server: Server) -> None:
    """The command line client creates, finds, changes, groups and deletes a user."""
    url = f"{server.url}/scim/v2"

    def scim2(*arguments: str, given: object = None) -> Any:
        text = None if given is None else json.dumps(given)
        done = run(str(_BIN / "scim2"), "--url", url, *arguments, given=text)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    address = "bjensen@example.com"
    user = scim2("create", "user", "--user-name", address, "--external-id", "701984")
    assert user["displayName"] == address
    user_id = user["id"]
    found = scim2("query", "user", "--filter", f'userName eq "{address}"')
    assert [one["id"] for one in found["Resources"]] == [user_id]

    changed = scim2(
        *("modify", "user", user_id, "replace", "displayName", "Barbara Jensen"),
        *("replace", 'emails[type eq "work"].value', "barbara@example.com"),
    )
    assert changed["displayName"] == "Barbara Jensen"
    assert changed["emails"] == [{"value": "barbara@example.com", "type": "work"}]

    group = scim2("create", "group", "--display-name", "Tour Guides")
    scim2("modify", "group", group["id"], "add", "members", json.dumps([{"value": user_id}]))
    assert scim2("query", "user", user_id)["groups"][0]["display"] == "Tour Guides"

    searched = scim2("search", "user", "--count", "1", "--filter", 'externalId eq "701984"')
    assert searched["totalResults"] == 1
    operations = [{"method": "DELETE", "path": f"/Users/{user_id}"}]
    result = scim2("bulk", given=bulk_of(*operations))
    assert [one["status"] for one in result["Operations"]] == ["204"]
    scim2("delete", "group", group["id"])
    assert scim2("query", "group")["totalResults"] == 0


def run(*command: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Return what a command did, without a terminal."""
    return subprocess.run(
        command, input=given or "", capture_output=True, text=True, check=False, timeout=300
    )
