"""Users: what clients may send, the rules, and the service that applies them."""

import time
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chalicelib.domain import ids
from chalicelib.domain.errors import Forbidden, UserNotFound
from chalicelib.domain.idempotency import Created, IdempotencyKey, answer_of
from chalicelib.domain.model import (
    Email,
    Line,
    Metadata,
    MetadataChange,
    MetadataPatch,
    User,
    UserChange,
    UserStatus,
    Versions,
)
from chalicelib.domain.pagination import Cursors, UserList, UserListQuery
from chalicelib.domain.storage import Storage, UserQuery
from chalicelib.security.permissions import Caller

PATH = "/users"


class NewUser(Struct, frozen=True, forbid_unknown_fields=True):
    """What creates a user."""

    name: Line
    email: Email
    metadata: Metadata = {}
    status: UserStatus = "active"


class UserReplacement(Struct, frozen=True, forbid_unknown_fields=True):
    """What replaces a user: absent metadata is emptied, an absent status is kept."""

    name: Line
    email: Email
    metadata: Metadata = {}
    status: UserStatus | UnsetType = UNSET


class UserPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What changes a user: only the members that are named (RFC 7396)."""

    name: Line | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    metadata: MetadataPatch | UnsetType | None = UNSET
    status: UserStatus | UnsetType = UNSET


class UserCreated(User, frozen=True):
    """A new user, beside the message that the founding document's clients read."""

    message: Literal["User created"] = "User created"


class UserService:
    """Creates, reads, changes, lists and deletes users.

    `now` answers milliseconds since the Unix epoch; `new_id` makes an id from a prefix and those.
    """

    def __init__(
        self,
        storage: Storage,
        cursor_secret: Callable[[], bytes],
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        new_id: Callable[[str, int], str] = ids.new_id,
    ) -> None:
        self._storage = storage
        self._cursors = Cursors(cursor_secret, ids.USER_PREFIX)
        self._now = now
        self._new_id = new_id

    def create(self, new: NewUser, key: IdempotencyKey | None) -> Created[UserCreated]:
        """Create a user. Raises EmailTaken, CreationUndone, KeyReused."""
        now = self._now()
        user = User(
            user_id=self._new_id(ids.USER_PREFIX, now),
            name=new.name.strip(),
            email=new.email,
            status=new.status,
            metadata=new.metadata,
            created_at=ids.timestamp(now),
            updated_at=ids.timestamp(now),
            version=1,
        )
        body = UserCreated(*msgspec.structs.astuple(user))
        answer: Created[UserCreated] = Created(
            f"{PATH}/{user.user_id}", msgspec.json.encode(body).decode()
        )
        record = key.record(PATH, new, answer, now // 1000) if key else None
        return answer_of(answer, record, self._storage.create_user(user, record, now // 1000))

    def get(self, user_id: str) -> User:
        """Return a user. Raises UserNotFound."""
        user = self._storage.get_user(user_id)
        if user is None:
            raise UserNotFound
        return user

    def replace(
        self, caller: Caller, user_id: str, body: UserReplacement, versions: Versions
    ) -> User:
        """Replace what clients may set of a user.

        Raises Forbidden, UserNotFound, VersionMismatch, EmailTaken.
        """
        return self._change(
            caller,
            user_id,
            UserChange(
                name=body.name.strip(),
                email=body.email,
                status=body.status,
                metadata=MetadataChange({**body.metadata}, merge=False),
                updated_at=ids.timestamp(self._now()),
                versions=versions,
            ),
        )

    def patch(self, caller: Caller, user_id: str, body: UserPatch, versions: Versions) -> User:
        """Change the named members of a user.

        Raises Forbidden, UserNotFound, VersionMismatch, TooManyPairs, EmailTaken.
        """
        return self._change(
            caller,
            user_id,
            UserChange(
                name=body.name if body.name is UNSET else body.name.strip(),
                email=body.email,
                status=body.status,
                metadata=MetadataChange.of_patch(body.metadata),
                updated_at=ids.timestamp(self._now()),
                versions=versions,
            ),
        )

    def delete(self, user_id: str, versions: Versions) -> None:
        """Erase a user. Raises UserNotFound, VersionMismatch, UserHasOpenOrders."""
        self._storage.delete_user(user_id, versions, self._now() // 1000)

    def list(self, query: UserListQuery) -> UserList:
        """Return a page of users. Raises InvalidCursor."""
        page = self._storage.list_users(
            UserQuery(
                email=query.email,
                status=query.status,
                **self._cursors.bounds(PATH, query),
            )
        )
        return UserList(*self._cursors.page(PATH, query, page, lambda user: user.user_id))

    def _change(self, caller: Caller, user_id: str, change: UserChange) -> User:
        if change.status is not UNSET and not caller.is_admin:
            raise Forbidden("Only an administrator may set a user's status.")
        return self._storage.change_user(user_id, change)
