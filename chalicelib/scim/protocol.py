"""The SCIM protocol by scim2-server, with the steps that differ here.

https://scim2-server.readthedocs.io/
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError
from scim2_models import (
    BaseModel,
    Context,
    Error,
    PatchOp,
    Resource,
    ResourceType,
    ResponseParameters,
    SCIMException,
)
from scim2_server.conditions import Conditions, EntityTags
from scim2_server.handler import ScimHandler
from scim2_server.responses import ScimResponse
from scim2_server.service import ScimService, scim_exception_of

from chalicelib.domain.errors import VersionMismatch
from chalicelib.domain.resource import ExpectedVersions
from chalicelib.scim.deviations import regular_bulk, regular_user
from chalicelib.scim.group_patch import group_change
from chalicelib.scim.groups import Groups, kept_of_group
from chalicelib.scim.schemas import Group, User
from chalicelib.scim.storage import ServiceStorage
from chalicelib.scim.users import kept_of_user
from chalicelib.telemetry.activity import current

ModelT = TypeVar("ModelT", bound=BaseModel)
ResultT = TypeVar("ResultT")

_ATTEMPTS = 5
# No resource changes so often that its version has more digits.
_VERSION = re.compile("[0-9]{1,15}")


class Service(ScimService):
    """What is done without storage."""

    def read_body(
        self, model: type[ModelT], body: bytes, content_type: str | None, scim_ctx: Context
    ) -> ModelT:
        """See ScimService. The body is made regular first."""
        given = self.decode_body(body, content_type)
        if scim_ctx == Context.BULK_REQUEST:
            given = regular_bulk(given)
        elif model in {User, PatchOp[User]}:
            given = regular_user(given, scim_ctx)
        try:
            return model.model_validate(given, scim_ctx=scim_ctx)
        except ValidationError as error:
            raise scim_exception_of(error) from error

    def apply_replacement(
        self, current: Resource[Any], replacement: Resource[Any], conditions: Conditions
    ) -> Resource[Any] | None:
        """See ScimService. What differs only in what is not kept changes nothing."""
        changed = super().apply_replacement(current, replacement, conditions)
        return _differing(current, changed)

    def apply_patch(
        self, current: Resource[Any], patch_op: "PatchOp[Any]", conditions: Conditions
    ) -> Resource[Any] | None:
        """See ScimService. What differs only in what is not kept changes nothing."""
        # The library changes what it is given, which is the response if nothing changes.
        changed = super().apply_patch(current.model_copy(deep=True), patch_op, conditions)
        return _differing(current, changed)

    def patch_response(
        self,
        base_url: str,
        resource: Resource[Any],
        response_parameters: ResponseParameters[Any],
    ) -> ScimResponse:
        """See ScimService. What was changed is shown, unless it is a group with many members."""
        if isinstance(resource, Group) and resource.members is None:
            return super().patch_response(base_url, resource, ResponseParameters())
        return self.replacement_response(base_url, resource, response_parameters)

    def error_of(self, exception: Exception) -> Error:  # type: ignore[override]
        """See ScimService. What nobody expected is logged."""
        if not isinstance(exception, SCIMException):
            current().error = exception
        return ScimService.error_of(exception)


class Handler(ScimHandler):
    """What is done with storage, for one request.

    `shows_groups` says whether the response to a PATCH shows the group, with its members.
    """

    def __init__(
        self, service: Service, storage: ServiceStorage, groups: Groups, *, shows_groups: bool
    ) -> None:
        super().__init__(service, storage)
        self._groups = groups
        self._shows_groups = shows_groups

    def patch_resource(
        self,
        resource_type: ResourceType,
        resource_id: str,
        patch_op: "PatchOp[Any]",
        conditions: Conditions,
    ) -> Resource[Any]:
        """See ScimHandler. Where it is possible, a group's members are not read."""
        change = group_change(patch_op) if resource_type.name == "Group" else None
        if change is not None and not self._shows_groups and conditions.if_none_match is None:
            return self._groups.change(resource_id, change, _versions(conditions.if_match))
        patch = super().patch_resource
        return _retried(lambda: patch(resource_type, resource_id, patch_op, conditions), conditions)

    def replace_resource(
        self,
        resource_type: ResourceType,
        current: Resource[Any],
        replacement: Resource[Any],
        conditions: Conditions,
    ) -> Resource[Any]:
        """See ScimHandler."""
        replace, known = super().replace_resource, [current]

        def once() -> Resource[Any]:
            before = known.pop() if known else self.storage.get(resource_type, current.id or "")
            # The library completes the replacement with what is kept of `before`.
            return replace(resource_type, before, replacement.model_copy(deep=True), conditions)

        return _retried(once, conditions)

    def delete_resource(
        self, resource_type: ResourceType, resource_id: str, conditions: Conditions
    ) -> None:
        """See ScimHandler."""
        delete = super().delete_resource
        _retried(lambda: delete(resource_type, resource_id, conditions), conditions)


def _differing(before: Resource[Any], after: Resource[Any] | None) -> Resource[Any] | None:
    """Return what a resource became, None if nothing that is kept has changed."""
    if isinstance(before, User) and isinstance(after, User):
        return None if kept_of_user(before) == kept_of_user(after) else after
    if isinstance(before, Group) and isinstance(after, Group):
        return None if kept_of_group(before) == kept_of_group(after) else after
    return after


def _retried(act: Callable[[], ResultT], conditions: Conditions) -> ResultT:
    """Return what `act` returns, which reads, decides and writes.

    Without If-Match nobody minds what was there before: a change in between is no refusal.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return act()
        except VersionMismatch:
            if conditions.if_match is not None:
                raise
    return act()


def _versions(if_match: str | None) -> ExpectedVersions:
    """Return the versions that If-Match names, by weak comparison (RFC 7644 §3.14)."""
    tags = EntityTags.parse(if_match)
    if tags is None or tags.any:
        return None
    return frozenset(int(tag) for tag in tags.tags if _VERSION.fullmatch(tag))
