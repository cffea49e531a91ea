"""An identity provider as the SCIM tests play it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from tests.support.served import Reply, Served, bearer

ROOT = "/scim/v2"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"

ADMINISTRATOR = bearer("provider", roles=["admin"])

_SCHEMAS = {"Users": USER, "Groups": GROUP}


class Provisioner:
    """A client of the SCIM endpoint with an administrator's token."""

    def __init__(self, api: Served, authorization: str | None = ADMINISTRATOR) -> None:
        self.api = api
        self._authorization = authorization

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        **query: object,
    ) -> Reply:
        """Send one request to a path below `ROOT`, which starts with a slash."""
        fields = {"Content-Type": "application/scim+json"} if body is not None else {}
        target = f"{ROOT}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        return self.api.call(
            method, target, self._authorization, body, {**fields, **(headers or {})}
        )

    def create(self, endpoint: str, **attributes: object) -> Any:
        """Return the new resource at ``Users`` or ``Groups``."""
        reply = self.send("POST", f"/{endpoint}", resource(endpoint, **attributes))
        assert reply.status == 201, reply
        return reply.body

    def get(self, path: str, **query: object) -> Any:
        """Return what is at the path."""
        reply = self.send("GET", path, None, None, **query)
        assert reply.status == 200, reply
        return reply.body

    def patch(
        self, path: str, *operations: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a PATCH of these operations."""
        return self.send("PATCH", path, patch_of(*operations), headers)

    def found(self, endpoint: str, filtered: str, **query: object) -> list[str]:
        """Return the ids of the resources that a filter finds."""
        body = self.get(f"/{endpoint}", filter=filtered, **query)
        return [one["id"] for one in body["Resources"]]

    def rest(self, method: str, path: str, body: object = None) -> Reply:
        """Send a request to another path of the API."""
        return self.api.call(method, path, self._authorization, body)


def resource(endpoint: str, **attributes: object) -> dict[str, object]:
    """Return the body that creates or replaces a resource at ``Users`` or ``Groups``."""
    return {"schemas": [_SCHEMAS[endpoint]], **attributes}


def patch_of(*operations: Mapping[str, Any]) -> dict[str, object]:
    """Return the body of a PATCH."""
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def bulk_of(*operations: Mapping[str, Any], **more: object) -> dict[str, object]:
    """Return the body of a bulk request."""
    return {"schemas": [BULK_REQUEST], "Operations": list(operations), **more}


def members(group: Mapping[str, Any]) -> set[str]:
    """Return the ids of a group's members."""
    return {member["value"] for member in group.get("members") or ()}


def assert_error(reply: Reply, status: int, scim_type: str | None = None) -> None:
    """Check that a response is a SCIM error with this status (RFC 7644 §3.12)."""
    assert reply.status == status, reply
    assert reply.headers["Content-Type"] == "application/scim+json"
    assert reply.body["schemas"] == [ERROR]
    assert reply.body["status"] == str(status)
    assert reply.body.get("scimType") == scim_type, reply
    assert len(reply.body["detail"]) > 10
