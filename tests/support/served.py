"""The application behind a gateway that requires tokens, for tests to call."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Self

import pytest

from tests.support.api_gateway import ApiGateway
from tests.support.issuer import AUDIENCE, ISSUER, SECRET, claims, shared
from tests.support.openapi_recorder import recorder
from tests.support.resource_case import Body, ResourceCase, resource_cases

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {
    "STORAGE_URL": "memory:",
    "CURSOR_SECRET": "a secret of the tests that signs cursors",
    "WEBHOOK_KEY": "a key of the tests for webhooks' secrets",
    "AUTH_ISSUER": ISSUER,
    "AUTH_AUDIENCE": AUDIENCE,
    "AUTH_SECRET": SECRET,
}
ORDER: dict[str, Any] = {
    "currency": "EUR",
    "items": [{"sku": "book", "quantity": 2, "unit_price": 1250}],
}


class Reply(NamedTuple):
    """The response; `body` is parsed, None if empty."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def stable(self) -> tuple[object, ...]:
        """The reply without what differs between requests by design."""
        body = self.body
        if isinstance(body, dict):
            body = {name: value for name, value in body.items() if name != "request_id"}
        headers = {n.lower(): v for n, v in self.headers.items() if n.lower() != "x-request-id"}
        return self.status, headers, body


class Served:
    """A new application without users."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.gateway = ApiGateway(module.app)
        self._numbers = count(1)

    def __enter__(self) -> Self:
        """Serve until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close storage."""
        self.module.storage().close()

    @property
    def routes(self) -> list[tuple[str, str]]:
        """Every (method, path) of the application."""
        declared = self.module.app.routes.items()
        return sorted((method, path) for path, methods in declared for method in methods)

    def call(
        self,
        method: str,
        path: str,
        authorization: str | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request through the gateway: first the authorizer, then the application."""
        fields = [*(headers or {}).items()]
        if authorization is not None:
            fields.append(("Authorization", authorization))
        empty = b"" if body is None else body
        raw = empty if isinstance(empty, bytes) else json.dumps(body).encode()
        response = self.gateway.respond(method, path, fields, raw)
        text = response["body"]
        recorder().record(method, path, response["statusCode"], response["headers"], text)
        is_json = "json" in response["headers"].get("Content-Type", "")
        parsed = json.loads(text) if is_json and text else text or None
        return Reply(response["statusCode"], response["headers"], parsed)

    def as_administrator(self, method: str, path: str, body: object = None) -> Reply:
        """Send one request as an administrator, who is no user; it must succeed."""
        reply = self.call(method, path, bearer("boss", roles=["admin"]), body)
        assert reply.status < 300, reply
        return reply

    def new(self, case: ResourceCase, ids: Mapping[str, str], *patches: Body) -> str:
        """Return the id of a new entity under the parent in `ids`, after these patches."""
        body = case.creation(next(self._numbers))
        path = case.collection.format(**ids)
        created = self.as_administrator("POST", path, body).body
        entity_id: str = created[case.resource.id_field]
        for patch in patches:
            self.as_administrator("PATCH", f"{path}/{entity_id}", patch)
        return entity_id

    def ids_in(self, path: str, **known: str) -> dict[str, str]:
        """Return the `known` ids, and those of new entities for the others in a path template."""
        ids = {**known}
        for case in resource_cases():
            field = case.resource.id_field
            if f"{{{field}}}" in path and field not in ids:
                ids[field] = self.new(case, ids)
        if "{delivery_id}" in path and "delivery_id" not in ids:
            ids["delivery_id"] = self.delivery(ids["webhook_id"])
        return ids

    def delivery(self, webhook_id: str) -> str:
        """Return the id of a new delivery, of a test event."""
        sent = self.as_administrator("POST", f"/webhooks/{webhook_id}/test")
        return str(sent.body["delivery_id"])

    def user(self, status: str = "active") -> str:
        """Return the id of a new user."""
        email = f"user{next(self._numbers)}@example.com"
        new = {"name": "Ann Example", "email": email, "status": status}
        return str(self.as_administrator("POST", "/users", new).body["user_id"])

    def order(self, user_id: str, *steps: str) -> str:
        """Return the id of a new order of the user, after the status changes `steps`."""
        path = f"/users/{user_id}/orders"
        order_id = str(self.as_administrator("POST", path, ORDER).body["order_id"])
        for step in steps:
            self.as_administrator("PATCH", f"{path}/{order_id}", {"status": step})
        return order_id


def bearer(subject: str, *, secret: str = SECRET, **changes: object) -> str:
    """Return the Authorization header of a caller."""
    return f"Bearer {shared(claims(sub=subject, **changes), secret)}"


def load() -> ModuleType:
    """Load a new copy of app.py, with its own settings and storage."""
    spec = spec_from_file_location("app_of_a_test", ROOT / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def served(**environment: str) -> Iterator[Served]:
    """Load a new copy of app.py while the block runs, with `environment` added to the settings."""
    with pytest.MonkeyPatch.context() as process:
        for name, value in {**ENVIRONMENT, **environment}.items():
            process.setenv(name, value)
        # Chalice appends its name to this at each start, and botocore sends it with every request.
        process.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
        with Served(load()) as fresh:
            yield fresh
