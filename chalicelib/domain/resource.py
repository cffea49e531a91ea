"""What a resource is: its representation, and the description that storage works by.

A resource has one module. It declares an `Entity` (what clients read), `Input`s (what they send),
the problems of its rules, one `Resource`, and a service (see `service`). Everything that handles
any resource (HTTP, OpenAPI, storage) works from these declarations alone.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Struct

from chalicelib.domain.annotations import bare_type, extra, is_optional
from chalicelib.domain.errors import Conflict, NotFound, Problem, VersionMismatch
from chalicelib.domain.fields import Timestamp, Version
from chalicelib.domain.history import Act
from chalicelib.domain.metadata import MetadataChange

Ids = tuple[str, ...]
"""The ids that lead to an entity, as in its path: its parent's first, its own last."""

ExpectedVersions = frozenset[int] | None
"""The versions that If-Match names; None accepts any."""


class Input(Struct, frozen=True, forbid_unknown_fields=True):
    """What clients send: members that a subclass does not name are refused."""

    def values(self) -> dict[str, Any]:
        """Return the members that are not UNSET, lines trimmed."""
        lines = _lines(type(self))
        return {
            name: value.strip() if name in lines and value is not None else value
            for name, value in msgspec.structs.asdict(self).items()
            if value is not UNSET
        }


@cache
def _lines(shape: type[Input]) -> frozenset[str]:
    """Return the members that are lines of text (see `fields.Line`)."""
    hints = get_type_hints(shape, include_extras=True)
    return frozenset(name for name, hint in hints.items() if extra(hint, "trim"))


class Entity(Struct, frozen=True, kw_only=True):
    """What clients read of a resource.

    The first field of a subclass is the entity's own id, and the second one is its parent's, if it
    has a parent. Times are RFC 3339 UTC texts with milliseconds; money is in minor units.
    """

    created_at: Timestamp
    updated_at: Timestamp
    version: Version

    @property
    def id(self) -> str:
        """The entity's own id."""
        own: str = getattr(self, self.__struct_fields__[0])
        return own


EntityT = TypeVar("EntityT", bound=Entity)


class Guard(Struct, frozen=True):
    """A condition on the current state: `field` has one of the `allowed` values.

    `refusal` makes the problem for any other value.
    """

    field: str
    allowed: frozenset[str]
    refusal: Callable[[str], Problem]

    def check(self, entity: Entity) -> None:
        """Raise the refusal unless the entity's state is allowed."""
        current = getattr(entity, self.field)
        if current not in self.allowed:
            raise self.refusal(current)


class MemberChanges(Struct, frozen=True):
    """Which members an entity gets and loses, by their ids; an id that is in both stays or comes.

    To add a member that is there already, or to remove one that is not, has no effect.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def steps(self) -> dict[str, bool]:
        """Return whether each of the members is to be added; the others are to be removed."""
        return dict.fromkeys(self.remove, False) | dict.fromkeys(self.add, True)


NO_MEMBER_CHANGES = MemberChanges()


class Change(Struct, frozen=True, kw_only=True):
    """What to set on an entity, and under which conditions.

    `values` holds new values by field: a `MetadataChange` for metadata, and UNSET to remove an
    optional field. `members` changes the members of an entity that has some. `act` is what is kept
    of the change, None for nothing.
    """

    values: Mapping[str, Any] = {}
    members: MemberChanges = NO_MEMBER_CHANGES
    updated_at: str
    versions: ExpectedVersions = None
    guard: Guard | None = None
    act: Act | None = None

    def apply_to(self, entity: EntityT) -> EntityT:
        """Return the changed entity.

        Raises VersionMismatch, TooManyPairs and the guard's refusal, in this order.
        """
        check_version(entity, self.versions)
        values = {
            name: value.apply_to(getattr(entity, name))
            if isinstance(value, MetadataChange)
            else value
            for name, value in self.values.items()
        }
        if self.guard is not None:
            self.guard.check(entity)
        return msgspec.structs.replace(
            entity, version=entity.version + 1, updated_at=self.updated_at, **values
        )


def check_version(entity: Entity, versions: ExpectedVersions) -> None:
    """Raise VersionMismatch unless `versions` accepts the entity's version."""
    if versions is not None and entity.version not in versions:
        raise VersionMismatch


class Unique(Struct, frozen=True):
    """A field whose value no two entities share; `taken` is the problem if they would.

    Any number of entities may lack the field. `claims` tells the claims of its values apart from
    those of another resource's field of the same name (see `claim_name`).
    """

    field: str
    taken: type[Conflict]
    ignores_case: bool = True
    claims: str = ""

    @property
    def claim_name(self) -> str:
        """What claims of the field's values are called."""
        return self.claims or self.field

    def key(self, entity: Entity) -> str | None:
        """Return the entity's value in the form in which values are compared, None without one."""
        value = getattr(entity, self.field)
        return None if value is UNSET else self.normalize(value)

    def normalize(self, value: str) -> str:
        """Return the form in which values are compared."""
        return value.casefold() if self.ignores_case else value


class Counter(Struct, frozen=True, kw_only=True):
    """A count of an entity's children, for conditions that hold under concurrency.

    DynamoDB stores it on the parent, and the other engines count. With a `field` it counts the
    children whose `field` has one of `values`, otherwise all. A creation that would exceed
    `maximum` raises `exceeded`; while the count is not zero, deleting the parent raises
    `blocks_deletion`. Either may be absent.
    """

    name: str
    field: str | None = None
    values: frozenset[str] = frozenset()
    maximum: int | None = None
    exceeded: type[Conflict] = Conflict
    blocks_deletion: type[Conflict] | None = None

    def counts(self, entity: Entity) -> bool:
        """Return whether the entity is among those that are counted."""
        return self.field is None or getattr(entity, self.field) in self.values


class Members(Struct, frozen=True):
    """That entities of another resource are the members of one, as users are of a group.

    An entity has any number of them, and one may be a member of any number. `field` is what a
    history calls a change of members, and `name` what the relation is called; also the SQL table.
    """

    field: str
    name: str
    resource: "Resource[Any]"


class EventNames(Struct, frozen=True):
    """What the events of a resource are called.

    A change of `field` to one of `values` is called by the value, as in ``order.paid``; others are
    called ``created``, ``updated`` and ``deleted``.
    """

    field: str = ""
    values: tuple[str, ...] = ()


_USUAL_NAMES = EventNames()


class Kind(Enum):
    """How storage keeps a field."""

    ID = "an id"
    TEXT = "a string"
    INTEGER = "a whole number"
    PAIRS = "pairs of strings"
    JSON = "anything else that has parts; it never changes in part"

    @classmethod
    def of(cls, hint: Any) -> "Kind":  # noqa: ANN401 - an annotation
        """Return the kind of a field. Raises TypeError for a type that storage cannot keep."""
        bare = bare_type(hint)
        if extra(hint, "prefix"):
            return cls.ID
        if bare is int:
            return cls.INTEGER
        if bare is str or get_origin(bare) is Literal:
            return cls.TEXT
        if get_origin(bare) is dict and {bare_type(arg) for arg in get_args(bare)} == {str}:
            return cls.PAIRS
        if get_origin(bare) in {list, dict} or (
            isinstance(bare, type) and issubclass(bare, Struct)
        ):
            return cls.JSON
        raise TypeError(f"Storage cannot keep a field of the type {bare}.")


class Resource(Generic[EntityT]):
    """Describes a resource to storage, HTTP and OpenAPI.

    - `name`: the plural, as in paths; also the SQL table.
    - `description`: one sentence for the API's document.
    - `parent`: the resource whose id comes before in the path; it has no parent itself.
    - `parent_guard`: the state of the parent that creations require.
    - `counter`: a count of these entities; every child has one.
    - `on_parent_deletion`: whether entities are deleted with their parent, or kept. Those that
      are deleted with it have a maximum, which bounds the transaction. Those that are kept must
      not be counted any more by then.
    - `unique`: fields that no two entities share; a child has none.
    - `filters`: fields that lists can be filtered by, beside those that are unique.
    - `examples`: inputs for the API's document, where one made of the types would mislead.
    - `events`: what the events are called that tell others of changes; None if nobody else is told.
    - `members`: the entities of another resource that are members of one; nobody else is told of
      changes of an entity that has members, and neither resource has a parent.
    - `is_small`: whether there are only few entities, so that DynamoDB can keep them in one
      partition, where lists are strongly consistent; it has no parent.
    """

    def __init__(  # noqa: PLR0913 - keywords, each explained above
        self,
        name: str,
        entity: type[EntityT],
        *,
        description: str,
        parent: "Resource[Any] | None" = None,
        parent_guard: Guard | None = None,
        counter: Counter | None = None,
        on_parent_deletion: Literal["delete", "keep"] = "delete",
        unique: tuple[Unique, ...] = (),
        filters: tuple[str, ...] = (),
        examples: tuple[Input, ...] = (),
        events: EventNames | None = _USUAL_NAMES,
        members: Members | None = None,
        is_small: bool = False,
    ) -> None:
        if parent is not None:
            _check_parent(name, parent, counter, unique)
            _check_deletion(name, counter, on_parent_deletion)
        if is_small and parent is not None:
            raise ValueError(f"{name}: a small resource has no parent.")
        if members is not None:
            _check_members(name, members, parent, events)
        self.name = name
        self.entity = entity
        self.description = description
        self.parent = parent
        self.parent_guard = parent_guard
        self.counter = counter
        self.on_parent_deletion = on_parent_deletion
        self.unique = unique
        self.filters = filters
        self.examples = examples
        self.events = events
        self.members = members
        self.is_small = is_small
        self.noun = entity.__name__.lower()
        self.hints = get_type_hints(entity, include_extras=True)
        # In the order in which representations show them.
        self.fields = {field: Kind.of(self.hints[field]) for field in entity.__struct_fields__}
        self.id_field = entity.__struct_fields__[0]
        path = [self.id_field] if parent is None else [self.id_field, parent.id_field]
        if any(self.fields.get(field) is not Kind.ID for field in path):
            raise TypeError(f"{entity.__name__} needs the ids {' and '.join(path)} of its path.")
        compared = [*filters, *(one.field for one in unique), *(_counted_field(counter))]
        if any(self.fields.get(field) is not Kind.TEXT for field in compared):
            raise TypeError(f"{name}: only texts can be compared, not all of {compared}.")
        self.prefix: str = extra(self.hints[self.id_field], "prefix")
        self.not_found: type[NotFound] = extra(self.hints[self.id_field], "not_found")

    @property
    def optional(self) -> frozenset[str]:
        """The fields that may be UNSET."""
        return frozenset(field for field in self.fields if is_optional(self.hints[field]))

    def ids(self, entity: EntityT) -> Ids:
        """Return the ids that lead to the entity."""
        if self.parent is None:
            return (entity.id,)
        return (getattr(entity, self.parent.id_field), entity.id)

    def is_id(self, value: str) -> bool:
        """Return whether a text has the form of the resource's ids (see `fields.id_field`)."""
        return re.fullmatch(f"{self.prefix}[0-9a-f]{{32}}", value) is not None

    def path(self, ids: Ids) -> str:
        """Return the URL's path of the entity at `ids`, as in ``/users/usr_…/orders/ord_…``."""
        names = [self.name] if self.parent is None else [self.parent.name, self.name]
        return "".join(f"/{name}/{own}" for name, own in zip(names, ids, strict=True))

    def event_verbs(self) -> list[str]:
        """Return what becomes of entities in events, as in ``created``; nothing without events."""
        if self.events is None:
            return []
        # What is kept when its parent goes cannot be deleted by itself either.
        last = [] if self.on_parent_deletion == "keep" else ["deleted"]
        return ["created", *self.events.values, "updated", *last]


def _counted_field(counter: Counter | None) -> list[str]:
    return [counter.field] if counter and counter.field else []


def _check_parent(
    name: str, parent: Resource[Any], counter: Counter | None, unique: tuple[Unique, ...]
) -> None:
    """Raise ValueError for a child that storage cannot keep with its parent."""
    if parent.parent is not None:
        raise ValueError(f"{name}: the parent of a resource has no parent itself.")
    if unique:
        raise ValueError(f"{name}: unique fields are for resources without a parent.")
    if counter is None:
        raise ValueError(f"{name}: a child needs a counter; writing it makes sure of the parent.")
    if counter.name in parent.fields:
        raise ValueError(f"{name}: the counter has the name of a field of {parent.name}.")


def _check_deletion(name: str, counter: Counter | None, on_parent_deletion: str) -> None:
    """Raise ValueError if the deletion of the parent would leave something wrong behind."""
    keeps = on_parent_deletion == "keep"
    if keeps and (counter is None or counter.blocks_deletion is None):
        raise ValueError(f"{name}: the counter of children that are kept must block deletion.")
    if not keeps and (counter is None or counter.maximum is None or counter.field is not None):
        raise ValueError(f"{name}: deletion with the parent needs a maximum that counts all.")


def _check_members(
    name: str, members: Members, parent: Resource[Any] | None, events: EventNames | None
) -> None:
    """Raise ValueError for members that storage cannot keep."""
    if parent is not None or members.resource.parent is not None or members.resource.is_small:
        raise ValueError(
            f"{name}: what has members or is one has no parent, nor is a member small."
        )
    if events is not None:
        raise ValueError(f"{name}: what has members has no events.")


Resources = tuple[Resource[Any], ...]


def children(resources: Resources, parent: Resource[Any]) -> list[Resource[Any]]:
    """Return those of `resources` whose entities belong to one of `parent`."""
    return [resource for resource in resources if resource.parent is parent]


def owners(resources: Resources, member: Resource[Any]) -> list[Resource[Any]]:
    """Return those of `resources` whose entities have those of `member` as members."""
    return [
        resource
        for resource in resources
        if resource.members and resource.members.resource is member
    ]


def read_only_fields(base: type[Entity] = Entity) -> Iterator[str]:
    """Yield the names of the fields that only the server sets, of all entities."""
    for cls in base.__subclasses__():
        for name, hint in get_type_hints(cls, include_extras=True).items():
            if extra(hint, "read_only"):
                yield name
        yield from read_only_fields(cls)
