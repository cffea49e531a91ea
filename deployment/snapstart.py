"""SnapStart: functions that start from a snapshot of an initialised process.

Only published versions have snapshots, so API Gateway must call the functions through an alias.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources-function.html
"""

from collections.abc import Iterable
from typing import Any

_ALIAS = "live"


def use_alias(resources: dict[str, Any], functions: Iterable[str]) -> None:
    """Publish the functions with SnapStart, and make the template's API call their alias."""
    api = resources["RestAPI"]["Properties"]
    for name in functions:
        resources[name]["Properties"] |= {
            "AutoPublishAlias": _ALIAS,
            # Otherwise only new code publishes a version, and a changed variable has no effect.
            "AutoPublishAliasAllProperties": True,
            "SnapStart": {"ApplyOn": "PublishedVersions"},
        }
        # SAM's logical id for the alias; Ref returns its ARN.
        alias = f"{name}Alias{_ALIAS}"
        resources[f"{name}InvokePermission"]["Properties"]["FunctionName"] = {"Ref": alias}
        api["DefinitionBody"] = _replace(api["DefinitionBody"], f"${{{name}.Arn}}", f"${{{alias}}}")


def _replace(node: Any, old: str, new: str) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(node, dict):
        return {key: _replace(value, old, new) for key, value in node.items()}
    if isinstance(node, list):
        return [_replace(value, old, new) for value in node]
    return node.replace(old, new) if isinstance(node, str) else node
