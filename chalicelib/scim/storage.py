"""Users and groups as scim2-server reads and writes them: through the services alone.

https://scim2-server.readthedocs.io/
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from scim2_models import (
    Resource,
    ResourceType,
    ResponseParameters,
    ScimFilter,
    SearchRequest,
    TooManyException,
)
from scim2_server.storage import ScimStorage, SearchPage

from chalicelib.scim.errors import scim_problems

MAX_READ = 20_000
"""How many resources a search reads at most, to count and to compare them."""


class Kind(Protocol):
    """The resources of one type. Versions are entity tags; None stands for any."""

    def get(self, resource_id: str, parameters: ResponseParameters[Any] | None) -> Resource[Any]:
        """Return a resource."""

    def create(self, resource: Any) -> Resource[Any]:  # noqa: ANN401 - one of this type
        """Create a resource."""

    def update(self, resource: Any, version: str | None) -> Resource[Any]:  # noqa: ANN401
        """Give a resource the state of this one."""

    def delete(self, resource_id: str, version: str | None) -> None:
        """Delete a resource."""

    def search(self, scim_filter: ScimFilter[Any] | None) -> Iterator[tuple[Any, bool]]:
        """Yield the entities that a filter may match, and whether it does."""

    def show(self, entity: Any, parameters: ResponseParameters[Any] | None) -> Resource[Any]:  # noqa: ANN401
        """Return the resource of an entity, with what the parameters ask for."""


class ServiceStorage(ScimStorage):
    """The storage behind one request; `kinds` are by the name of the resource type."""

    def __init__(self, kinds: Mapping[str | None, Kind]) -> None:
        self._kinds = kinds

    def operation(self) -> AbstractContextManager[None]:
        """See ScimStorage. Problems of the services become SCIM errors."""
        return scim_problems()

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        """See ScimStorage."""
        return self._kinds[resource_type.name].get(resource_id, response_parameters)

    def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: Any = None,  # noqa: ANN401, ARG002 - the library's
    ) -> SearchPage:
        """See ScimStorage. Raises TooManyException where too much would have to be read."""
        found = []
        read = 0
        for resource_type in resource_types:
            kind = self._kinds[resource_type.name]
            for entity, is_match in kind.search(search_request.filter):
                read += 1
                if read > MAX_READ:
                    raise TooManyException(
                        detail=f"This would read more than {MAX_READ} resources; filter by what has"
                        " an index: userName, externalId, emails.value, displayName of a group."
                    )
                if is_match:
                    found.append((kind, entity))
        start = search_request.start_index_0 or 0
        page = found[start : start + (search_request.count or 0)]
        return SearchPage(len(found), [kind.show(one, search_request) for kind, one in page])

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """See ScimStorage."""
        return self._kinds[resource_type.name].create(resource)

    def update(
        self,
        resource_type: ResourceType,
        resource: Resource[Any],
        *,
        expected_version: str | None = None,
    ) -> Resource[Any]:
        """See ScimStorage."""
        return self._kinds[resource_type.name].update(resource, expected_version)

    def delete(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        expected_version: str | None = None,
    ) -> None:
        """See ScimStorage."""
        self._kinds[resource_type.name].delete(resource_id, expected_version)
