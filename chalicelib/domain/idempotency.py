"""Idempotency keys: a request creates once and has one response, however often it is sent.

The record of the first response is written in the same transaction as the entity, so neither
exists without the other
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
"""

import hashlib
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from chalicelib.domain.errors import CreationUndone, KeyReused
from chalicelib.domain.resource import Entity

LIFETIME = 24 * 60 * 60
"""How long a response is kept for replays, in seconds."""

MAX_KEY_LENGTH = 255

KeyText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="A text that the client chooses, a new one for each creation.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]

CreatedT = TypeVar("CreatedT", bound=Entity)
ResultT = TypeVar("ResultT")


class Created(Struct, Generic[CreatedT], frozen=True):
    """A new entity as first created; `replayed` if an earlier request with the key created it."""

    entity: CreatedT
    replayed: bool = False


class Done(Struct, Generic[ResultT], frozen=True):
    """What a request did that creates no entity; `replayed` if an earlier one with the key did."""

    result: ResultT
    replayed: bool = False


class IdempotencyRecord(Struct, frozen=True):
    """The first response to a request with an Idempotency-Key, kept for replays.

    `key` is unique to its caller, `digest` identifies the request, `body` is the result's JSON,
    and `expires_at` is in seconds since the Unix epoch: from then on the record counts as absent.
    Once the entity has been deleted, the record is a tombstone: without digest and body, so that
    the key stays spent while nothing is kept of what was deleted.
    """

    key: str
    digest: str
    body: str
    expires_at: int

    @property
    def is_tombstone(self) -> bool:
        """Whether the entity has been deleted since."""
        return not self.digest

    def tombstone(self) -> "IdempotencyRecord":
        """Return what is left of this record once the entity is deleted."""
        return IdempotencyRecord(self.key, "", "", self.expires_at)

    def replay(self, repeated: "IdempotencyRecord", shape: type[ResultT]) -> ResultT:
        """Return the first result, of the type `shape`, of a request that is `repeated`.

        Raises CreationUndone when the entity has been deleted, and KeyReused when the repeated
        record belongs to another request.
        """
        if self.is_tombstone:
            raise CreationUndone
        if self.digest != repeated.digest:
            raise KeyReused
        return msgspec.json.decode(self.body, type=shape)


class IdempotencyKey(Struct, frozen=True):
    """A client's key: `subject` is the caller that sent it, `path` where it was sent to."""

    subject: str
    key: str
    path: str

    def record(
        self, request: Struct | None, result: Struct, now: int, members: tuple[str, ...] = ()
    ) -> IdempotencyRecord:
        """Return the record of `result`, of `request` with `members` at `now` (seconds).

        A request without a body is None.
        """
        parts = [self.path, request, *([members] if members else [])]
        canonical = msgspec.json.encode(parts, order="deterministic")
        return IdempotencyRecord(
            key=hashlib.sha256(f"{self.subject}\n{self.key}".encode()).hexdigest(),
            digest=hashlib.sha256(canonical).hexdigest(),
            body=msgspec.json.encode(result).decode(),
            expires_at=now + LIFETIME,
        )
