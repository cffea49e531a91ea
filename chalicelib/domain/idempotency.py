"""Idempotency keys: one request, one thing, one answer, however often it is sent.

The record of the first answer is written in the same act as the thing itself, so there is no
moment at which one exists without the other
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
"""

import hashlib
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from chalicelib.domain.errors import CreationUndone, KeyReused
from chalicelib.domain.storage import IdempotencyRecord

LIFETIME = 24 * 60 * 60
"""How long an answer is kept for replays, in seconds."""


MAX_KEY_LENGTH = 255

KeyText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="A text of the client's own, one for each thing to create.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]

Thing = TypeVar("Thing")


class Created(Struct, Generic[Thing], frozen=True):
    """The answer to the creation of a `Thing`: its JSON, where it is, and if this is a replay."""

    location: str
    body: str
    replayed: bool = False


class IdempotencyKey(Struct, frozen=True):
    """A client's key, in the name of the caller who sent it."""

    subject: str
    key: str

    def record(
        self, path: str, request: Struct, answer: Created[Thing], now: int
    ) -> IdempotencyRecord:
        """Return the record of `answer`, given at `now` (seconds) to `request` for `path`."""
        canonical = msgspec.json.encode([path, request], order="deterministic")
        return IdempotencyRecord(
            key=hashlib.sha256(f"{self.subject}\n{self.key}".encode()).hexdigest(),
            digest=hashlib.sha256(canonical).hexdigest(),
            location=answer.location,
            body=answer.body,
            expires_at=now + LIFETIME,
        )


def answer_of(
    answer: Created[Thing], record: IdempotencyRecord | None, earlier: IdempotencyRecord | None
) -> Created[Thing]:
    """Return what the client gets: the new answer, or that of the `earlier` record.

    Raises CreationUndone when what the earlier request created has been deleted, and KeyReused
    when the earlier record belongs to another request.
    """
    if record is None or earlier is None:
        return answer
    if earlier.is_undone:
        raise CreationUndone
    if earlier.digest != record.digest:
        raise KeyReused
    return Created(earlier.location, earlier.body, replayed=True)
