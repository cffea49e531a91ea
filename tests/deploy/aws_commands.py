"""Checks of AWS CLI commands against botocore's description of the services."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
import jmespath
from botocore import xform_name
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from botocore.validate import validate_parameters

_GLOBAL = {"query", "output"}
_SCALARS: Mapping[str, Callable[[str], object]] = {"integer": int, "long": int, "double": float}

_session = botocore.session.get_session()


def check(words: list[str]) -> None:
    """Check that the service has the operation, and the operation these parameters.

    `words` follow ``aws``. Raises AssertionError, or botocore's error for values that do not fit.
    """
    service, name, *options = words
    model = _session.get_service_model(service)
    if name == "wait":
        waiters = _session.get_waiter_model(service)
        name, *options = options
        waiter = waiters.get_waiter(_by_cli_name(waiters.waiter_names, name))
        operation = model.operation_model(waiter.operation)
    else:
        operation = model.operation_model(_by_cli_name(model.operation_names, name))
    parameters = _parameters(operation, options)
    assert operation.input_shape is not None or not parameters
    if operation.input_shape is not None:
        validate_parameters(parameters, operation.input_shape)


def _by_cli_name(names: Any, name: str) -> str:
    found = {xform_name(one, "-"): one for one in names}
    assert name in found, f"{name} is none of {sorted(found)}"
    return str(found[name])


def _parameters(operation: OperationModel, options: list[str]) -> dict[str, Any]:
    members = operation.input_shape.members if operation.input_shape else {}
    parameters = {}
    for option, values in _grouped(options):
        if option in _GLOBAL:
            if option == "query":
                jmespath.compile(values[0])
            continue
        shown = option.removeprefix("no-")
        member = _by_cli_name(members, option if option == shown else shown)
        shape = members[member]
        if shape.type_name == "boolean" and not values:
            parameters[member] = option == shown
        else:
            parameters[member] = _value(shape, values)
    return parameters


def _grouped(options: list[str]) -> list[tuple[str, list[str]]]:
    groups: list[tuple[str, list[str]]] = []
    for word in options:
        if word.startswith("--"):
            groups.append((word[2:], []))
        else:
            assert groups, f"{word} belongs to no option"
            groups[-1][1].append(word)
    return groups


def _value(shape: Shape, values: list[str]) -> Any:
    """Return the value that the words are, in the CLI's JSON or shorthand syntax."""
    first = values[0]
    if first.startswith(("{", "[")):
        return json.loads(first)
    if isinstance(shape, ListShape):
        return [_value(shape.member, [value]) for value in values]
    assert len(values) == 1, values
    if isinstance(shape, (StructureShape, MapShape)):
        # The shorthand syntax has its own meaning for these.
        assert not set("{}[]") & set(first), first
        pairs = dict(pair.split("=", 1) for pair in first.split(","))
        assert isinstance(shape, StructureShape)
        assert pairs.keys() <= shape.members.keys(), pairs
        return {name: _value(shape.members[name], [text]) for name, text in pairs.items()}
    if isinstance(shape, StringShape) and shape.enum:
        assert first in shape.enum, first
    return _SCALARS.get(shape.type_name, str)(first)
