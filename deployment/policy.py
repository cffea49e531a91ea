"""The role's policy: the actions that Chalice finds in app.py, on this stage's resources only.

Chalice grants each action on every resource of the account. The actions stay its own; only what
they apply to is put in here, in the words of the target: ARNs, or references to resources.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Resources = Mapping[str, Sequence[object]]
"""For each service (the part of an action before the colon), what its actions apply to."""

# X-Ray knows no resources for these actions, and Lambda asks for those on network interfaces, which
# a stage in a VPC needs, without naming one.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
_ANYTHING = {"ec2", "xray"}


def scoped(
    policy: Mapping[str, Any], resources: Resources, *, without: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return `policy` with each statement on its service's resources, and without some actions.

    Raises LookupError for a service that `resources` does not have.
    """
    statements = []
    for statement in policy["Statement"]:
        actions = [action for action in statement["Action"] if action not in without]
        service = actions[0].partition(":")[0]
        applies_to = ["*"] if service in _ANYTHING else list(resources[service])
        if not applies_to:
            continue  # The stage has nothing of this service.
        statements.append({"Effect": "Allow", "Action": actions, "Resource": applies_to})
    return {"Version": policy["Version"], "Statement": statements}
