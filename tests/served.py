"""The application behind a gateway that asks for tokens, as a test can call it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from tests.api_gateway import ApiGateway
from tests.issuer import AUDIENCE, ISSUER, SECRET, claims, shared
from tests.openapi_recorder import recorder

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {
    "STORAGE_URL": "memory:",
    "CURSOR_SECRET": "a secret of the tests that signs cursors",
    "AUTH_ISSUER": ISSUER,
    "AUTH_AUDIENCE": AUDIENCE,
    "AUTH_SECRET": SECRET,
}
ORDER = {
    "currency": "EUR",
    "items": [{"sku": "book", "quantity": 2, "unit_price": 1250}],
}


class Reply(NamedTuple):
    """What came back; `body` is parsed, None when empty."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def lasting(self) -> tuple[object, ...]:
        """The reply without what differs from request to request by design."""
        body = self.body
        if isinstance(body, dict):
            body = {name: value for name, value in body.items() if name != "request_id"}
        headers = {n.lower(): v for n, v in self.headers.items() if n.lower() != "x-request-id"}
        return self.status, headers, body


class Served:
    """A fresh application of its own, with nobody in it."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.gateway = ApiGateway(module.app)
        self._numbers = count(1)

    @property
    def routes(self) -> list[tuple[str, str]]:
        """Every (method, path) that the application declares."""
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
        """Send one request through the gateway: authorizer first, then the application."""
        fields = [*(headers or {}).items()]
        if authorization is not None:
            fields.append(("Authorization", authorization))
        empty = b"" if body is None else body
        raw = empty if isinstance(empty, bytes) else json.dumps(body).encode()
        answer = self.gateway.answer(method, path, fields, raw)
        text = answer["body"]
        recorder().record(method, path, answer["statusCode"], answer["headers"], text)
        is_json = "json" in answer["headers"].get("Content-Type", "")
        parsed = json.loads(text) if is_json and text else text or None
        return Reply(answer["statusCode"], answer["headers"], parsed)

    def as_administrator(self, method: str, path: str, body: object = None) -> Reply:
        """Send one request as an administrator who is no user; it must succeed."""
        reply = self.call(method, path, bearer("boss", roles=["admin"]), body)
        assert reply.status < 300, reply
        return reply

    def user(self, status: str = "active") -> str:
        """Return the id of a new user."""
        email = f"user{next(self._numbers)}@example.com"
        new = {"name": "Ann Example", "email": email, "status": status}
        return str(self.as_administrator("POST", "/users", new).body["user_id"])

    def order(self, user_id: str, *steps: str) -> str:
        """Return the id of a new order of the user, taken through `steps`."""
        path = f"/users/{user_id}/orders"
        order_id = str(self.as_administrator("POST", path, ORDER).body["order_id"])
        for step in steps:
            self.as_administrator("PATCH", f"{path}/{order_id}", {"status": step})
        return order_id


def bearer(subject: str, *, secret: str = SECRET, **changes: object) -> str:
    """Return the Authorization header of a caller."""
    return f"Bearer {shared(claims(sub=subject, **changes), secret)}"


@contextmanager
def served(**environment: str) -> Iterator[Served]:
    """Load app.py anew, with the tests' settings changed by `environment`, while the block runs."""
    with pytest.MonkeyPatch.context() as process:
        for name, value in {**ENVIRONMENT, **environment}.items():
            process.setenv(name, value)
        # Chalice adds its name to this at each start, and botocore sends it with every request.
        process.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
        spec = spec_from_file_location("app_of_a_test", ROOT / "app.py")
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        yield Served(module)
        module.storage().close()
