"""Every documented answer is real: each of them is provoked here, whatever other tests see."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.openapi_recorder import Recorder
from tests.served import Reply, Served, bearer, served

ADMIN = bearer("boss", roles=["admin"])
NO_USER = "usr_00000000000070008000000000000000"
NO_ORDER = "ord_00000000000070008000000000000000"


def described() -> dict[str, Any]:
    """Return the document."""
    with served() as api:
        document: dict[str, Any] = api.call("GET", "/openapi.json").body
        return document


DOCUMENT = described()
DOCUMENTED = Recorder(DOCUMENT).documented


class Attempt:
    """A request that would succeed, of an administrator, until a test changes it."""

    def __init__(self, api: Served, method: str, path: str, *, has_things: bool = True) -> None:
        self.api = api
        self.method = method
        self.path = path
        self.user = api.user() if has_things else NO_USER
        self.order = api.order(self.user) if has_things and "{order_id}" in path else NO_ORDER
        self.asset = "page.css"
        self.query = ""
        self.headers: dict[str, str] = {}
        self.authorization: str | None = ADMIN
        operation = DOCUMENT["paths"][path][method.lower()]
        self.parameters = {one["name"] for one in operation.get("parameters", ())}
        content = operation.get("requestBody", {}).get("content", {})
        self.body: Any = next((media["example"] for media in content.values()), None)

    def send(self) -> Reply:
        """Send it."""
        return self.api.call(self.method, self.target, self.authorization, self.body, self.headers)

    @property
    def target(self) -> str:
        """Where it goes."""
        path = self.path.format(
            user_id=self.user, order_id=self.order, name="email-taken", asset=self.asset
        )
        return path + self.query


def malformed(attempt: Attempt) -> None:
    """Send half an object."""
    attempt.body = b"{"


def bad_parameter(attempt: Attempt) -> None:
    """Send a known parameter, or a header, with a value that it cannot have."""
    if "limit" in attempt.parameters:
        attempt.query = "?limit=0"
    elif "Idempotency-Key" in attempt.parameters:
        attempt.headers["Idempotency-Key"] = "k" * 256
    else:
        (name,) = attempt.parameters & {"If-Match", "If-None-Match"}
        attempt.headers[name] = "no tag"


def bad_cursor(attempt: Attempt) -> None:
    """Send a cursor that no list gave."""
    attempt.query = "?cursor=none"


def nobody(attempt: Attempt) -> None:
    """Send no token."""
    attempt.authorization = None


def not_an_administrator(attempt: Attempt) -> None:
    """Come as the user, and ask for what is an administrator's to do."""
    attempt.authorization = bearer(attempt.user)
    if attempt.path == "/users/{user_id}" and attempt.body is not None:
        attempt.body = {**attempt.body, "status": "active"}


def no_such_thing(attempt: Attempt) -> None:
    """Ask for what was never there."""
    attempt.path = attempt.path.replace("{name}", "no-such-problem")
    attempt.asset = "no-such-file"


def no_such_user(attempt: Attempt) -> None:
    """Ask for a user with an id of another shape."""
    attempt.user = "usr_1"


def no_such_order(attempt: Attempt) -> None:
    """Ask for an order that the user does not have."""
    attempt.order = NO_ORDER


def taken_email(attempt: Attempt) -> None:
    """Ask for the address of another user."""
    other = attempt.api.as_administrator("GET", f"/users/{attempt.api.user()}").body
    attempt.body = {**attempt.body, "email": other["email"]}


def suspended(attempt: Attempt) -> None:
    """Order for a suspended user."""
    attempt.user = attempt.api.user("suspended")


def open_orders(attempt: Attempt) -> None:
    """Delete a user with an order that is pending."""
    attempt.api.order(attempt.user)


def illegal_step(attempt: Attempt) -> None:
    """Deliver an order that is pending."""
    attempt.body = {"status": "delivered"}


def changed_since(attempt: Attempt) -> None:
    """Change a version that is not the present one."""
    attempt.headers["If-Match"] = '"99"'


def too_large(attempt: Attempt) -> None:
    """Send more than 64 KiB."""
    attempt.body = b" " * (64 * 1024 + 1)


def not_json(attempt: Attempt) -> None:
    """Send another media type."""
    attempt.headers["Content-Type"] = "text/plain"


def unknown_member(attempt: Attempt) -> None:
    """Send a member that nobody knows."""
    attempt.body = {**attempt.body, "unknown": 1}


def used_key(attempt: Attempt) -> None:
    """Send another body with a key that was used before."""
    attempt.headers["Idempotency-Key"] = "used"
    assert attempt.send().status == 201
    attempt.body = {**attempt.body, "metadata": {"other": "body"}}


def undone_creation(attempt: Attempt) -> None:
    """Send a key again whose user has been deleted since."""
    attempt.headers["Idempotency-Key"] = "used"
    user = {"name": "Zoe", "email": "zoe@example.com"}
    created = attempt.api.call("POST", "/users", ADMIN, user, attempt.headers)
    attempt.api.as_administrator("DELETE", f"/users/{created.body['user_id']}")


PROVOKE: dict[str, Callable[[Attempt], None]] = {
    "/problems/malformed-json": malformed,
    "/problems/invalid-parameter": bad_parameter,
    "/problems/invalid-cursor": bad_cursor,
    "/problems/unauthenticated": nobody,
    "/problems/forbidden": not_an_administrator,
    "/problems/not-found": no_such_thing,
    "/problems/user-not-found": no_such_user,
    "/problems/order-not-found": no_such_order,
    "/problems/email-taken": taken_email,
    "/problems/user-suspended": suspended,
    "/problems/user-has-open-orders": open_orders,
    "/problems/illegal-transition": illegal_step,
    "/problems/creation-undone": undone_creation,
    "/problems/version-mismatch": changed_since,
    "/problems/content-too-large": too_large,
    "/problems/unsupported-media-type": not_json,
    "/problems/invalid-body": unknown_member,
    "/problems/idempotency-key-reused": used_key,
}
# A database that cannot be opened, being a folder, and one that is none.
BROKEN = {"/problems/unavailable": ".", "/problems/internal-error": "file"}


@contextmanager
def api_for(kind: str, folder: Path) -> Iterator[Served]:
    """Serve the API on storage that suits the answer to provoke."""
    (folder / "file").write_text("This is no database, though it is longer than a header of one.")
    path = folder / BROKEN.get(kind, "users.db")
    with served(STORAGE_URL=f"sqlite:///{path}") as api:
        yield api


@pytest.mark.parametrize("answer", DOCUMENTED)
def test_every_documented_answer_is_given(answer: str, tmp_path: Path) -> None:
    """There is a request that is answered like this, as the document says in all details."""
    method, path, status, *kinds = answer.split(" ")
    kind = kinds[0] if kinds else ""
    recorder = Recorder(DOCUMENT)
    with api_for(kind, tmp_path) as api:
        attempt = Attempt(api, method, path, has_things=kind not in BROKEN)
        if status == "304":
            attempt.headers["If-None-Match"] = "*"
        if kind == "text/javascript":
            attempt.asset = "page.js"
        PROVOKE.get(kind, lambda _: None)(attempt)

        reply = attempt.send()

    text = json.dumps(reply.body) if isinstance(reply.body, dict) else reply.body or ""
    recorder.record(method, attempt.target, reply.status, reply.headers, text)
    assert set(recorder.documented) - set(recorder.unseen) == {answer}
