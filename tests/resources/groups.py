"""Groups, for the general tests of storage; REST has no routes for them."""

from typing import Any

from chalicelib.domain.groups import GROUPS, Group
from tests.support.resource_case import TIMES, StorageCase, new_id


def a_group(**fields: Any) -> Group:
    """Return a new group, with all that is optional."""
    group_id = new_id(GROUPS.prefix)
    defaults: dict[str, Any] = {
        "group_id": group_id,
        "display_name": f"Group {group_id}",
        "external_id": f"External {group_id}",
        **TIMES,
    }
    return Group(**defaults | fields)


STORAGE_CASE = StorageCase(resource=GROUPS, new=a_group, changes={"display_name": "Support"})
