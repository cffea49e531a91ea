"""What the general tests need to know of a resource, beside its description."""

import importlib
import itertools
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from chalicelib.domain import ids
from chalicelib.domain.annotations import extra
from chalicelib.domain.errors import Problem
from chalicelib.domain.resource import Change, Entity, Guard, Resource
from tests.support.factories import LATER, NOW

Body = dict[str, Any]

TIMES: dict[str, Any] = {
    "created_at": "2026-11-21T09:30:00.000Z",
    "updated_at": "2026-11-21T09:30:00.000Z",
    "version": 1,
}
"""The fields that every new entity has."""

_clock = itertools.count(NOW * 1000)


class Permission(NamedTuple):
    """A request to a route and its expected statuses, written out from the documentation.

    The four numbers are the statuses for an administrator, the user itself, the user itself while
    suspended, and another user. `before` are the patches by which an administrator has changed the
    entity in the path, the last of its ids.
    """

    method: str
    path: str
    body: object
    administrator: int
    self: int
    suspended: int
    other: int
    before: tuple[Body, ...] = ()

    def expected(self, caller: str) -> int:
        """Return the expected status for `caller`."""
        return {
            "administrator": self.administrator,
            "self": self.self,
            "suspended self": self.suspended,
            "other": self.other,
        }.get(caller, 401)


@dataclass(frozen=True, kw_only=True)
class StorageCase:
    """What the tests of storage need to know of a resource.

    - `new`: makes an entity under these parents' ids, with defaults for what `fields` leaves out.
    - `changes`: new values of some fields.
    - `refusing`: a guard that refuses a new entity.
    - `closing`: values that make a new entity no longer counted, if that is needed to delete its
      parent.
    """

    resource: Resource[Any]
    new: Callable[..., Entity]
    changes: Mapping[str, Any]
    refusing: Guard | None = None
    closing: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return self.resource.name

    def change(self, **options: Any) -> Change:
        """Return the change to `changes`, made at LATER."""
        return Change(values=self.changes, updated_at=LATER, **options)


@dataclass(frozen=True, kw_only=True)
class ResourceCase(StorageCase):
    """What all general tests need to know of a resource.

    - `collection`: the path template of its collection.
    - `creation`, `replacement`: make valid bodies of POST and PUT; other numbers have other values
      of unique fields.
    - `patch`: a valid body of PATCH, which every caller may send who may change the entity at all.
    - `invalid`: bodies of POST, each with the JSON Pointers of all that is wrong.
    - `closing_patch`: the body of PATCH that does what `closing` does.
    - `permissions`: who may do what, a row for each kind of request.
    - `refused`: bodies of PATCH that a new entity refuses, by the type of problem.
    - `hostile`: more requests that must look the same whether an entity exists or not.
    """

    collection: str
    creation: Callable[[int], Body]
    patch: Body | None = None
    replacement: Callable[[int], Body] | None = None
    invalid: tuple[tuple[Body, frozenset[str]], ...] = ()
    closing_patch: Body | None = None
    permissions: tuple[Permission, ...] = ()
    refused: Mapping[type[Problem], Body] = field(default_factory=dict)
    hostile: tuple[tuple[str, str, object], ...] = ()

    @property
    def item(self) -> str:
        """The path template of an entity."""
        return f"{self.collection}/{{{self.resource.id_field}}}"

    @property
    def read_only(self) -> list[str]:
        """The fields that only the server sets."""
        hints = self.resource.hints
        return [name for name in self.resource.fields if extra(hints[name], "read_only")]

    def bodies(self, number: int) -> dict[tuple[str, str], Body]:
        """Return a valid body for each route that takes one."""
        found = {("POST", self.collection): self.creation(number)}
        if self.replacement is not None:
            found["PUT", self.item] = self.replacement(number)
        if self.patch is not None:
            found["PATCH", self.item] = self.patch
        return found


@cache
def resource_cases() -> tuple[ResourceCase, ...]:
    """Return the `CASE` of each module of tests.resources that has one, parents first."""
    package = importlib.import_module("tests.resources")
    modules = [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
        if module.name != "conftest" and not module.name.startswith("test_")
    ]
    cases: list[ResourceCase] = [module.CASE for module in modules if hasattr(module, "CASE")]
    return tuple(sorted(cases, key=lambda case: (case.collection.count("/"), case.collection)))


def parents_of(case: ResourceCase) -> list[ResourceCase]:
    """Return the cases of the resources whose ids are in the path of an entity, its own last."""
    return [one for one in resource_cases() if f"{case.item}/".startswith(f"{one.item}/")]


def case_in(path: str) -> ResourceCase | None:
    """Return the case whose entity's id is the last one in the path template."""
    found = [case for case in resource_cases() if path.startswith(case.item)]
    return max(found, key=lambda case: len(case.item), default=None)


def new_id(prefix: str) -> str:
    """Return an id that sorts after all earlier ones."""
    return ids.new_id(prefix, next(_clock))


def an_id(case: ResourceCase) -> str:
    """Return the id of an entity that does not exist."""
    return f"{case.resource.prefix}0190a0b0c0d07e0f8123456789abcdef"
