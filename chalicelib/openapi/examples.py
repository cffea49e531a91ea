"""Examples of bodies, made of the examples, defaults and choices that the types name."""

from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, UNSET, Struct

from chalicelib.domain.annotations import bare_type, metas
from chalicelib.domain.errors import Problem
from chalicelib.domain.resource import Input, Resources
from chalicelib.web.problem_details import describe

REQUEST_ID = "7a1ad4c5-7a4e-4f5e-a4b1-6a8f7f1f2a52"


class Examples:
    """The examples of all bodies; those that `resources` bring come before those of the types."""

    def __init__(self, resources: Resources) -> None:
        self._given: dict[type[Struct], Struct] = {
            type(example): example for resource in resources for example in resource.examples
        }

    def of(self, shape: Any) -> Any:  # noqa: ANN401 - a type, and JSON
        """Return an example of a struct as JSON, None for another type."""
        if not (isinstance(shape, type) and issubclass(shape, Struct)):
            return None
        if shape in self._given:
            return msgspec.to_builtins(self._given[shape])
        return _struct_example(shape)


def problem_example(problem: type[Problem]) -> dict[str, Any]:
    """Return the problem details of an occurrence of the problem."""
    body: dict[str, Any] = msgspec.to_builtins(describe(problem.example(), REQUEST_ID))
    return body


def _struct_example(shape: type[Struct]) -> dict[str, Any]:
    hints = get_type_hints(shape, include_extras=True)
    members = {}
    for field in msgspec.structs.fields(shape):
        value = _example(hints[field.name], field.default)
        # What clients send leaves out what is the default anyway.
        if value is not UNSET and not (issubclass(shape, Input) and value == field.default):
            members[field.encode_name] = value
    return members


def _example(hint: Any, default: Any) -> Any:  # noqa: ANN401 - an annotation, and JSON
    given = next((meta.examples[0] for meta in metas(hint) if meta.examples), None)
    if given is not None:
        return given
    if default is not NODEFAULT:
        return default
    bare = bare_type(hint)
    if get_origin(bare) is list:
        return [_example(get_args(bare)[0], NODEFAULT)]
    if get_origin(bare) is Literal:
        return get_args(bare)[0]
    return _struct_example(bare)
