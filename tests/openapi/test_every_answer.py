"""Every documented response is real: each one is provoked here."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from chalicelib.domain.annotations import bare_type
from chalicelib.domain.errors import Problem
from chalicelib.domain.resource import Guard, Unique
from chalicelib.web.problem_details import type_of
from tests.support.openapi_recorder import Recorder
from tests.support.resource_case import Body, ResourceCase, an_id, parents_of, resource_cases
from tests.support.served import Reply, Served, bearer, served

ADMIN = bearer("boss", roles=["admin"])
NO_DELIVERY = f"dlv_{'0' * 32}"


def described() -> dict[str, Any]:
    """Return the document."""
    with served() as api:
        document: dict[str, Any] = api.call("GET", "/openapi.json").body
        return document


DOCUMENT = described()
DOCUMENTED = Recorder(DOCUMENT).documented


class Attempt:
    """A valid request by an administrator, for tests to change."""

    def __init__(self, api: Served, method: str, path: str, *, has_resources: bool = True) -> None:
        self.api = api
        self.method = method
        self.path = path
        nowhere = {case.resource.id_field: an_id(case) for case in resource_cases()}
        nowhere["delivery_id"] = NO_DELIVERY
        self.ids = api.ids_in(path) if has_resources else nowhere
        self.asset = "page.css"
        self.query = ""
        self.headers: dict[str, str] = {}
        self.authorization: str | None = ADMIN
        operation = DOCUMENT["paths"][path][method.lower()]
        self.parameters = {one["name"] for one in operation.get("parameters", ())}
        content = operation.get("requestBody", {}).get("content", {})
        self.body: Any = next((media["example"] for media in content.values()), None)

    def send(self) -> Reply:
        """Send the request."""
        return self.api.call(self.method, self.target, self.authorization, self.body, self.headers)

    @property
    def target(self) -> str:
        """The path and query of the request."""
        return self.path.format(**self.ids, name="email-taken", asset=self.asset) + self.query

    @property
    def case(self) -> ResourceCase:
        """The case whose collection or entity the path leads to."""
        return next(one for one in resource_cases() if self.path in {one.collection, one.item})


Provoke = Callable[[Attempt], None]


def well_formed(_: Attempt) -> None:
    """Change nothing."""


def malformed(attempt: Attempt) -> None:
    """Send incomplete JSON."""
    attempt.body = b"{"


def bad_parameter(attempt: Attempt) -> None:
    """Send an invalid value for a known parameter or header."""
    if "limit" in attempt.parameters:
        attempt.query = "?limit=0"
    elif "Idempotency-Key" in attempt.parameters:
        attempt.headers["Idempotency-Key"] = "k" * 256
    else:
        (name,) = attempt.parameters & {"If-Match", "If-None-Match"}
        attempt.headers[name] = "no tag"


def bad_cursor(attempt: Attempt) -> None:
    """Send a cursor that no list returned."""
    attempt.query = "?cursor=none"


def nobody(attempt: Attempt) -> None:
    """Send no token."""
    attempt.authorization = None


def not_an_administrator(attempt: Attempt) -> None:
    """Send the request as the user, for what only an administrator may do."""
    attempt.authorization = bearer(attempt.ids.get("user_id") or attempt.api.user())
    if attempt.path == "/users/{user_id}" and attempt.body is not None:
        attempt.body = {**attempt.body, "status": "active"}


def not_found(attempt: Attempt) -> None:
    """Ask for a resource that does not exist."""
    attempt.path = attempt.path.replace("{name}", "no-such-problem")
    attempt.asset = "no-such-file"


def missing(case: ResourceCase) -> Provoke:
    """Return what asks for an entity that does not exist; a root's id is malformed."""
    own_id = an_id(case) if case.resource.parent else case.resource.prefix
    return lambda attempt: attempt.ids.update({case.resource.id_field: own_id})


def taken(case: ResourceCase, unique: Unique) -> Provoke:
    """Return what uses the unique value of another entity."""

    def provoke(attempt: Attempt) -> None:
        path = case.item.format(**attempt.api.ids_in(case.item))
        other = attempt.api.as_administrator("GET", path).body
        attempt.body = {**attempt.body, unique.field: other[unique.field]}

    return provoke


def refused_by_parent(case: ResourceCase, guard: Guard, state: str) -> Provoke:
    """Return what creates an entity for a parent in a state that is not allowed."""
    parent = parents_of(case)[-2]
    return lambda attempt: attempt.ids.update(
        {parent.resource.id_field: attempt.api.new(parent, attempt.ids, {guard.field: state})}
    )


def children(case: ResourceCase, number: int) -> Provoke:
    """Return what creates so many children beforehand."""

    def provoke(attempt: Attempt) -> None:
        for _ in range(number):
            attempt.api.new(case, attempt.ids)

    return provoke


def refused(body: Body) -> Provoke:
    """Return what sends a body that a new entity refuses."""

    def provoke(attempt: Attempt) -> None:
        attempt.body = body

    return provoke


def of_resources() -> Iterator[tuple[type[Problem], Provoke]]:
    """Yield how to provoke each problem that follows from the description of a resource."""
    for case in resource_cases():
        resource, counter, guard = case.resource, case.resource.counter, case.resource.parent_guard
        yield resource.not_found, missing(case)
        for unique in resource.unique:
            yield unique.taken, taken(case, unique)
        if counter is not None and counter.maximum is not None:
            yield counter.exceeded, children(case, counter.maximum)
        if counter is not None and counter.blocks_deletion is not None:
            yield counter.blocks_deletion, children(case, 1)
        if guard is not None and resource.parent is not None:
            states = get_args(bare_type(resource.parent.hints[guard.field]))
            state = next(one for one in states if one not in guard.allowed)
            yield type(guard.refusal(state)), refused_by_parent(case, guard, state)
        for problem, body in case.refused.items():
            yield problem, refused(body)


def no_delivery(attempt: Attempt) -> None:
    """Ask for a delivery that does not exist."""
    attempt.ids["delivery_id"] = NO_DELIVERY


def disabled_webhook(attempt: Attempt) -> None:
    """Disable the webhook in the path."""
    path = f"/webhooks/{attempt.ids['webhook_id']}"
    attempt.api.as_administrator("PATCH", path, {"status": "disabled"})


def changed_since(attempt: Attempt) -> None:
    """Expect a version that is not current."""
    attempt.headers["If-Match"] = '"99"'


def too_large(attempt: Attempt) -> None:
    """Send more than 64 KiB."""
    attempt.body = b" " * (64 * 1024 + 1)


def not_json(attempt: Attempt) -> None:
    """Send another media type."""
    attempt.headers["Content-Type"] = "text/plain"


def unknown_member(attempt: Attempt) -> None:
    """Send an unknown field."""
    attempt.body = {**attempt.body, "unknown": 1}


def used_key(attempt: Attempt) -> None:
    """Reuse a key with another body, or on another path where there is no body."""
    attempt.headers["Idempotency-Key"] = "used"
    assert attempt.send().status in {200, 201}
    if attempt.body is None:
        attempt.ids = attempt.api.ids_in(attempt.path)
    else:
        attempt.body = attempt.case.creation(1001)


def rotated(attempt: Attempt) -> None:
    """Rotate the secret as often as is allowed within a day."""
    for _ in range(4):
        assert attempt.send().status == 200


def undone_creation(attempt: Attempt) -> None:
    """Retry a creation whose user has been deleted since."""
    attempt.headers["Idempotency-Key"] = "used"
    user = {"name": "Zoe", "email": "zoe@example.com"}
    created = attempt.api.call("POST", "/users", ADMIN, user, attempt.headers)
    attempt.api.as_administrator("DELETE", f"/users/{created.body['user_id']}")


PROVOKE: dict[str, Provoke] = {
    **{type_of(problem): provoke for problem, provoke in of_resources()},
    "/problems/malformed-json": malformed,
    "/problems/invalid-parameter": bad_parameter,
    "/problems/invalid-cursor": bad_cursor,
    "/problems/unauthenticated": nobody,
    "/problems/forbidden": not_an_administrator,
    "/problems/not-found": not_found,
    "/problems/creation-undone": undone_creation,
    "/problems/version-mismatch": changed_since,
    "/problems/delivery-not-found": no_delivery,
    "/problems/webhook-disabled": disabled_webhook,
    "/problems/content-too-large": too_large,
    "/problems/unsupported-media-type": not_json,
    "/problems/invalid-body": unknown_member,
    "/problems/idempotency-key-reused": used_key,
    "/problems/too-many-secrets": rotated,
}
# A folder, which cannot be opened as a database, and a file that is not a database.
BROKEN = {"/problems/unavailable": ".", "/problems/internal-error": "file"}


@contextmanager
def api_for(kind: str, folder: Path) -> Iterator[Served]:
    """Serve the API on the storage that the response needs."""
    (folder / "file").write_text("This is no database, though it is longer than a header of one.")
    path = folder / BROKEN.get(kind, "users.db")
    with served(STORAGE_URL=f"sqlite:///{path}") as api:
        yield api


@pytest.mark.parametrize("response", DOCUMENTED)
def test_every_documented_response_is_real(response: str, tmp_path: Path) -> None:
    """Some request gets this response, and it matches the document."""
    method, path, status, *kinds = response.split(" ")
    kind = kinds[0] if kinds else ""
    recorder = Recorder(DOCUMENT)
    with api_for(kind, tmp_path) as api:
        attempt = Attempt(api, method, path, has_resources=kind not in BROKEN)
        if status == "304":
            attempt.headers["If-None-Match"] = "*"
        if kind == "text/javascript":
            attempt.asset = "page.js"
        PROVOKE.get(kind, well_formed)(attempt)

        reply = attempt.send()

    text = json.dumps(reply.body) if isinstance(reply.body, dict) else reply.body or ""
    recorder.record(method, attempt.target, reply.status, reply.headers, text)
    assert set(recorder.documented) - set(recorder.unseen) == {response}
