"""The role's policy: the actions that Chalice finds in app.py, on this stage's resources only.

Chalice grants each action on all resources of the account. Here the resources are set: as ARNs, or
as references in the target's syntax.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Resources = Mapping[str, Sequence[object]]
"""The resources of each service, by the part of an action before the colon.

A statement whose first action has an entry of its own has those resources.
"""

# X-Ray's actions have no resource types, and a function in a VPC needs the actions on network
# interfaces for any resource.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
_UNSCOPED = {"ec2", "xray"}


def scoped(
    policy: Mapping[str, Any], resources: Resources, *, without: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return `policy` with each statement limited to its service's resources; conditions stay.

    The actions in `without` are left out. Raises LookupError for a service without an entry in
    `resources`.
    """
    statements = []
    for statement in policy["Statement"]:
        actions = [action for action in statement["Action"] if action not in without]
        if not actions:
            continue
        service = actions[0].partition(":")[0]
        found = resources.get(actions[0], resources.get(service))
        if found is None and service in _UNSCOPED:
            found = ["*"]
        if found is None:
            raise LookupError(f"No resources are known for {service}.")
        arns = list(found)
        if not arns:
            continue  # The stage does not use this service.
        condition = {"Condition": statement["Condition"]} if "Condition" in statement else {}
        statements.append({"Effect": "Allow", "Action": actions, "Resource": arns, **condition})
    return {"Version": policy["Version"], "Statement": statements}
