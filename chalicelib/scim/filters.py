"""Filters (RFC 7644 §3.4.2.2): which values they require, so that an index finds the candidates.

The library parses and evaluates filters. What is here only narrows down what has to be read.
"""

from collections.abc import Iterator
from typing import Any

from scim2_models import InvalidFilterException, ScimFilter
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

Required = list[tuple[str, CompareOperator, Any]]
"""Comparisons that all hold where a filter does: attribute in lower case, operator, value."""


def required(scim_filter: ScimFilter[Any] | None) -> Required:
    """Return the comparisons that everything that a filter matches passes."""
    return [] if scim_filter is None else list(_required(scim_filter.ast, ""))


def refuse(scim_filter: ScimFilter[Any] | None, attribute: str, instead: str) -> None:
    """Raise InvalidFilterException for a filter by an attribute, in lower case."""
    if scim_filter is not None and attribute in _attributes(scim_filter.ast):
        raise InvalidFilterException(detail=instead)


def _required(node: FilterNode, prefix: str) -> Iterator[tuple[str, CompareOperator, Any]]:
    if isinstance(node, Comparison):
        yield _name(node.attr_path, prefix), node.op, node.value
    elif isinstance(node, ValuePath):
        yield from _required(node.val_filter, f"{_name(node.attr_path, prefix)}.")
    elif isinstance(node, LogicalExpr) and node.op == LogicalOperator.and_:
        for term in node.terms:
            yield from _required(term, prefix)


def _name(path: AttrPath, prefix: str) -> str:
    name = path.attr if path.sub_attr is None else f"{path.attr}.{path.sub_attr}"
    return prefix + name.lower()


def _attributes(node: FilterNode) -> set[str]:
    if isinstance(node, Comparison | Present | ValuePath):
        return {node.attr_path.attr.lower()}
    if isinstance(node, Not):
        return _attributes(node.expr)
    if isinstance(node, LogicalExpr):
        return set().union(*(_attributes(term) for term in node.terms))
    raise TypeError(f"Not a filter: {node}.")
